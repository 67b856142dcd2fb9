"""`cli/ipam/summary.py` and `picture.py`: what is computed from API, agents and operator."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from ciliate.api import cilium_node as cn
from ciliate.api.agent_ipam import AllocationModel, HeldCIDRModel, IpamReport, PendingModel
from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointNetworking,
    EndpointStatus,
)
from ciliate.api.ipam_audit import (
    CheckReport,
    Evidence,
    Finding,
    Kept,
    RepairRecord,
    RepairReport,
    Severity,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.api.operator_ipam import OperatorIpam, PoolBlocks
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs
from ciliate.cli.ipam.check import ClusterFindings, merge, summary
from ciliate.cli.ipam.finding_list import render_findings, render_repair, render_repairs
from ciliate.cli.ipam.picture import render_ipam
from ciliate.cli.ipam.status import NothingSuchError, select
from ciliate.cli.ipam.summary import IpamInventory, summarize

CLUSTER_POOL = {
    "ipam": "cluster-pool",
    "enable-ipv4": "true",
    "enable-ipv6": "false",
    "cluster-pool-ipv4-cidr": "10.0.0.0/16",
    "cluster-pool-ipv4-mask-size": "24",
}
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def node(name: str, ip: str, *cidrs: str, draining: str = "", error: str = "") -> cn.CiliumNode:
    annotations = {cn.DRAINING_ANNOTATION: draining} if draining else {}
    return cn.CiliumNode(
        metadata=ObjectMeta(name=name, annotations=annotations),
        spec=cn.CiliumNodeSpec(
            addresses=(cn.CiliumNodeAddress("InternalIP", ip),),
            ipam=cn.NodeIPAM(pod_cidrs=cidrs),
        ),
        status=cn.CiliumNodeStatus(
            ipam=cn.NodeIPAMStatus(operator_status=cn.OperatorStatus(error))
        ),
    )


def endpoint(name: str, node_ip: str, ip: str) -> CiliumEndpoint:
    networking = EndpointNetworking((AddressPair(ipv4=ip),), node_ip)
    return CiliumEndpoint(
        metadata=ObjectMeta(name=name, namespace="default"),
        status=EndpointStatus(networking=networking),
    )


BY_API = IpamInventory(
    config=CLUSTER_POOL,
    cilium_nodes=(
        node("b", "192.168.0.2", "10.0.1.0/24"),
        node("a", "192.168.0.1", "10.0.0.0/24", draining="10.0.9.0/24", error="out of blocks"),
    ),
    endpoints=(
        endpoint("p", "192.168.0.1", "10.0.0.5"),
        endpoint("q", "192.168.0.1", "10.0.9.5"),
        endpoint("far", "192.168.0.99", "10.0.40.5"),
    ),
    pools=(),
)

REPORT = IpamReport(
    node="a",
    mode="cluster-pool",
    default_pool="default",
    waiting="waiting for an IPv4 CIDR",
    cidrs=(
        HeldCIDRModel(
            cidr="10.0.0.0/24",
            pool="default",
            family="ipv4",
            state="current",
            used=4,
            in_use=3,
            usable=254,
        ),
    ),
    allocations=(
        AllocationModel(ip="10.0.0.1", owner="router", pool="default", cidr="10.0.0.0/24"),
        AllocationModel(ip="10.0.0.5", owner="default/p", pool="default", cidr="10.0.0.0/24"),
        AllocationModel(
            ip="10.0.0.6",
            owner="default/x (on b)",
            pool="default",
            cidr="10.0.0.0/24",
            reserved=True,
        ),
    ),
    pending=(PendingModel(pool="default", family="ipv4", pods=3),),
)


def test_api_alone_counts_blocks_and_pods() -> None:
    found = summarize(BY_API)

    (pool,) = found.pools
    assert (pool.pool, pool.blocks, pool.blocks_draining) == ("default", 256, 1)
    assert pool.blocks_left == 252  # Two current, one draining, one with a pod of nobody's node.
    assert (pool.used, pool.usable) == (1, 508)
    assert [each.node for each in found.nodes] == ["a", "b"]
    assert [(c.cidr, c.state, c.pods) for c in found.nodes[0].cidrs] == [
        ("10.0.0.0/24", "current", 1),
        ("10.0.9.0/24", "draining", 1),
    ]
    assert found.nodes[0].operator_error == "out of blocks"


def test_columns_stand_under_their_heads_with_colours_and_without() -> None:
    lines = click.unstyle(render_ipam(summarize(BY_API))).splitlines()

    head = next(line for line in lines if line.startswith("NODE"))
    rows = [line for line in lines if "current" in line or "draining" in line]
    assert len(rows) == 3
    for row in rows:
        assert row[head.index("STATE") :].startswith(("current", "draining"))
        assert row[head.index("PODS") :].strip() in {"0", "1"}


def test_agent_that_answers_is_believed_about_its_addresses() -> None:
    found = summarize(
        IpamInventory(
            config=CLUSTER_POOL,
            cilium_nodes=BY_API.cilium_nodes,
            endpoints=BY_API.endpoints,
            pools=(),
            reports={"a": REPORT},
            unanswered={"b": "no pod"},
        )
    )

    a, b = found.nodes
    assert [(c.cidr, c.pool, c.used, c.pods) for c in a.cidrs] == [
        ("10.0.0.0/24", "default", 4, 1)
    ]
    assert (a.waiting, a.pending_pods) == ("waiting for an IPv4 CIDR", 3)
    assert b.unanswered == "no pod"
    assert (found.agents_asked, found.agents_answered) == (2, 1)
    assert "b: its agent does not answer: no pod" in render_ipam(found)
    assert "a: pods that wait for addresses: 3" in render_ipam(found)


def test_operator_is_believed_about_blocks_and_time() -> None:
    blocks = PoolBlocks(
        pool="default",
        family="ipv4",
        cidrs=("10.0.0.0/16",),
        block_length=24,
        blocks=256,
        used=200,
        free=56,
        draining=2,
        seconds_to_exhaustion=7200.0,
    )
    found = summarize(
        IpamInventory(
            config=CLUSTER_POOL,
            cilium_nodes=BY_API.cilium_nodes,
            endpoints=(),
            pools=(),
            operator=OperatorIpam(pools=(blocks,)),
        )
    )

    (pool,) = found.pools
    assert (pool.blocks_left, pool.seconds_to_exhaustion) == (56, 7200.0)
    assert "2h0m0s" in render_ipam(found)


def test_full_pool_is_reported() -> None:
    config = CLUSTER_POOL | {"cluster-pool-ipv4-cidr": "10.0.0.0/23"}
    found = summarize(
        IpamInventory(config=config, cilium_nodes=BY_API.cilium_nodes, endpoints=(), pools=())
    )

    assert found.pools[0].exhausted
    assert "no block is left" in render_ipam(found)


def test_lists_that_cannot_be_used_stop_nothing() -> None:
    found = summarize(
        IpamInventory(
            config=CLUSTER_POOL | {"cluster-pool-ipv4-cidr": "nonsense"},
            cilium_nodes=BY_API.cilium_nodes,
            endpoints=(),
            pools=(),
        )
    )

    assert found.pools == ()
    assert len(found.nodes) == 2


def test_multi_pool_has_a_line_per_pool_and_family() -> None:
    pool = CiliumPodIPPool(
        metadata=ObjectMeta(name="blue"),
        spec=PodIPPoolSpec(
            ipv4=PoolCIDRs(("10.0.0.0/16",), 27), ipv6=PoolCIDRs(("fd00::/112",), 123)
        ),
    )

    found = summarize(
        IpamInventory(
            config={"ipam": "multi-pool", "enable-ipv4": "true"},
            cilium_nodes=(),
            endpoints=(),
            pools=(pool,),
        )
    )

    assert [(p.pool, p.family, p.blocks) for p in found.pools] == [
        ("blue", "ipv4", 2048),
        ("blue", "ipv6", 2048),
    ]


def test_kubernetes_gives_blocks_that_nobody_counts() -> None:
    found = summarize(
        IpamInventory(
            config={"ipam": "kubernetes", "enable-ipv4": "true"},
            cilium_nodes=BY_API.cilium_nodes,
            endpoints=(),
            pools=(),
        )
    )

    (pool,) = found.pools
    assert (pool.blocks, pool.blocks_left, pool.usable) == (None, None, 508)


def test_selection_names_what_there_is() -> None:
    found = summarize(BY_API)

    assert [each.node for each in select(found, "", "b").nodes] == ["b"]
    assert select(found, "default", "").pools == found.pools
    with pytest.raises(NothingSuchError, match="there are a, b"):
        select(found, "", "c")
    with pytest.raises(NothingSuchError, match="default"):
        select(found, "blue", "")


# Findings and repairs


def finding(kind: str, thing: str, *, node: str = "a", since: datetime | None = None) -> Finding:
    return Finding(
        kind=kind,
        severity=Severity.ERROR,
        node=node,
        object=thing,
        evidence=(Evidence(source="api", says="it says so"),),
        remedy="do this",
        since=since,
    )


def test_findings_show_age_evidence_and_remedy() -> None:
    text = render_findings([finding("k", "10.0.0.5", since=NOW - timedelta(minutes=3))], now=NOW)

    head, line, evidence, remedy, *_ = text.splitlines()
    assert head.split() == ["SEVERITY", "NODE", "KIND", "OBJECT", "FOR"]
    assert line.endswith("3m0s")
    assert evidence.strip() == "api: it says so"
    assert remedy.strip() == "remedy: do this"
    assert render_findings([], now=NOW) == ""


def merged(cluster: list[Finding], *local: Finding, node: str = "") -> ClusterFindings:
    report = CheckReport(node="a", now=NOW, findings=local, addresses=3, endpoints=2)
    return merge(cluster, {"a": report}, {"b": "silent"}, {"a", "b"}, node=node)


def test_what_an_agent_says_better_is_left_to_it() -> None:
    thing = "CiliumEndpoint default/x"
    cluster = [finding("published-without-pod", thing), finding("cidr-claimed-twice", "c")]

    found = merged(cluster, finding("published-without-endpoint", thing))

    assert [each.kind for each in found.findings] == [
        "cidr-claimed-twice",
        "published-without-endpoint",
        "agent-unreachable",
    ]
    assert "3 addresses and 2 endpoints on 1 of 2 nodes" in summary(found)


def test_one_node_has_only_its_own_findings() -> None:
    found = merged([finding("k", "x", node="b"), finding("k", "y", node="a")], node="a")

    assert [each.object for each in found.findings if each.kind == "k"] == ["y"]


def test_agent_without_the_api_is_a_finding() -> None:
    report = CheckReport(node="a", now=NOW, api_problem="connection refused")

    (found,) = merge([], {"a": report}, {}, {"a"}, node="").findings

    assert (found.kind, found.evidence[0].says) == ("agent-without-api", "connection refused")


def record(*, undone: datetime | None = None) -> RepairRecord:
    return RepairRecord(
        id="5f2c09ab",
        time=NOW,
        address="10.0.0.7",
        owner="default/gone",
        pool="default",
        cidr="10.0.0.0/24",
        since=NOW,
        undone=undone,
    )


def test_repair_tells_what_it_did_what_not_and_the_way_back() -> None:
    kept = Kept(address="10.0.0.8", owner="default/x", reason="too young")
    report = RepairReport(node="a", id="5f2c09ab", freed=(record(),), kept=(kept,))

    assert render_repair([report]).splitlines() == [
        "a: 10.0.0.7 of default/gone (pool default) was freed",
        "a: 10.0.0.8 of default/x is left alone: too young",
        "a: `ciliate ipam repair --undo 5f2c09ab` takes this back",
    ]
    assert render_repair([RepairReport(node="a")]) == "a: nothing to repair\n"


def test_record_is_a_table() -> None:
    text = render_repairs({"a": [record(undone=NOW)], "b": []})

    assert text.splitlines()[1].split() == [
        "5f2c09ab",
        "2026-01-01",
        "12:00:00",
        "a",
        "10.0.0.7",
        "default",
        "default/gone",
        "2026-01-01",
        "12:00:00",
    ]
