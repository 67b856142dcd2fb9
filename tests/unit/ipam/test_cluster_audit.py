"""`ipam/audit/cluster.py`: what nodes, pods and pools say that cannot all be true."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.api import cilium_node as cn
from ciliate.api.agent_ipam import HeldCIDRModel
from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointNetworking,
    EndpointStatus,
)
from ciliate.api.core import Node, NodeSpec, Pod, PodIP, PodSpec, PodStatus
from ciliate.api.ipam_audit import CheckReport, Finding, Severity
from ciliate.api.metadata import ObjectMeta
from ciliate.ipam.audit.cluster import audit_cluster
from ciliate.ipam.audit.cluster_witnesses import ClusterWitnesses, PoolRange, ServiceRange
from ciliate.ipam.audit.overlaps import Claim, overlaps
from ciliate.ipam.carving import Cidr

IPS = {"a": "192.168.0.1", "b": "192.168.0.2"}


def meta(name: str, **more: Any) -> ObjectMeta:
    return ObjectMeta(name=name, **more)


def cilium_node(
    name: str,
    *cidrs: str,
    draining: str = "",
    error: str = "",
    pools: dict[str, tuple[str, ...]] | None = None,
    created: str = "2026-01-01T00:00:00Z",
) -> cn.CiliumNode:
    annotations = {cn.DRAINING_ANNOTATION: draining} if draining else {}
    allocated = tuple(cn.AllocatedPool(pool, of) for pool, of in (pools or {}).items())
    return cn.CiliumNode(
        metadata=meta(name, annotations=annotations, creation_timestamp=created),
        spec=cn.CiliumNodeSpec(
            addresses=(cn.CiliumNodeAddress("InternalIP", IPS.get(name, "192.168.0.9")),),
            ipam=cn.NodeIPAM(pod_cidrs=cidrs, pools=cn.IPAMPools(allocated=allocated)),
        ),
        status=cn.CiliumNodeStatus(
            ipam=cn.NodeIPAMStatus(operator_status=cn.OperatorStatus(error))
        ),
    )


def node(name: str, *cidrs: str, annotations: dict[str, str] | None = None) -> Node:
    return Node(metadata=meta(name, annotations=annotations or {}), spec=NodeSpec(pod_cidrs=cidrs))


def pod(name: str, on: str, *ips: str, phase: str = "Running", host: bool = False) -> Pod:
    return Pod(
        metadata=meta(name, namespace="default"),
        spec=PodSpec(node_name=on, host_network=host),
        status=PodStatus(phase=phase, pod_ips=tuple(map(PodIP, ips))),
    )


def endpoint(name: str, on: str, ip: str) -> CiliumEndpoint:
    networking = EndpointNetworking((AddressPair(ipv4=ip),), IPS.get(on, on))
    return CiliumEndpoint(
        metadata=meta(name, namespace="default"), status=EndpointStatus(networking=networking)
    )


def report(name: str, **cidrs: Any) -> CheckReport:
    return CheckReport(
        node=name,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        cidrs=tuple(
            HeldCIDRModel(
                cidr=cidr.replace("_", "."),
                pool="default",
                family="ipv4",
                state=state,
                used=used,
                in_use=used,
                usable=254,
            )
            for cidr, (state, used) in cidrs["held"].items()
        ),
    )


GOOD: dict[str, Any] = {
    "mode": "cluster-pool",
    "nodes": (node("a"), node("b")),
    "cilium_nodes": (cilium_node("a", "10.0.0.0/24"), cilium_node("b", "10.0.1.0/24")),
    "pods": (
        pod("p", "a", "10.0.0.5"),
        pod("q", "b", "10.0.1.5"),
        pod("agent", "a", IPS["a"], host=True),
        pod("job", "b", "10.0.1.5", phase="Succeeded"),  # Its address went on to q.
    ),
    "endpoints": (endpoint("p", "a", "10.0.0.5"), endpoint("q", "b", "10.0.1.5")),
    "ranges": (PoolRange("cluster-pool", Cidr.parse("10.0.0.0/16")),),
    "services": (ServiceRange("ServiceCIDR kubernetes", Cidr.parse("10.96.0.0/16")),),
}

NOBODY: dict[str, Any] = {"pods": (), "endpoints": ()}


def audit(**changes: Any) -> list[Finding]:
    return list(audit_cluster(ClusterWitnesses(**(GOOD | changes))))


def kinds(**changes: Any) -> list[str]:
    return [finding.kind for finding in audit(**changes)]


def with_node(*, other: cn.CiliumNode) -> tuple[cn.CiliumNode, ...]:
    return (GOOD["cilium_nodes"][0], other)


def test_nothing_is_found_where_all_agree() -> None:
    assert audit() == []


def test_two_nodes_with_one_cidr_name_the_younger() -> None:
    younger = cilium_node("b", "10.0.0.0/25", "10.0.1.0/24", created="2026-02-01T00:00:00Z")

    (finding,) = audit(cilium_nodes=with_node(other=younger))

    assert (finding.kind, finding.node, finding.object) == (
        "cidr-claimed-twice",
        "b",
        "10.0.0.0/25",
    )
    assert "a has 10.0.0.0/24" in finding.evidence[0].says


def test_cidr_given_on_while_its_former_node_drains_it_is_told_apart() -> None:
    drainer = cilium_node("b", "10.0.1.0/24", draining="10.0.0.0/24")

    found = kinds(
        cilium_nodes=with_node(other=drainer),
        pods=(*GOOD["pods"], pod("r", "b", "10.0.0.77")),
        endpoints=(*GOOD["endpoints"], endpoint("r", "b", "10.0.0.77")),
    )

    assert found == ["cidr-still-drained"]


def test_cidr_outside_every_pool() -> None:
    assert kinds(cilium_nodes=with_node(other=cilium_node("b", "10.0.1.0/24", "10.7.0.0/24"))) == [
        "cidr-outside-pools"
    ]


def test_multi_pool_cidr_must_be_of_the_pool_it_is_named_for() -> None:
    nodes = (
        cilium_node("a", pools={"x": ("10.0.0.0/24",)}),
        cilium_node("b", pools={"y": ("10.0.1.0/24",)}),
    )
    ranges = (PoolRange("x", Cidr.parse("10.0.0.0/16")), PoolRange("y", Cidr.parse("10.1.0.0/16")))

    (finding,) = audit(mode="multi-pool", cilium_nodes=nodes, ranges=ranges)

    assert (finding.kind, finding.node) == ("cidr-outside-pools", "b")


def test_pools_that_overlap_each_other() -> None:
    two = (PoolRange("one", Cidr.parse("10.0.0.0/8")), PoolRange("two", Cidr.parse("10.0.0.0/16")))

    (finding,) = audit(ranges=two, services=())

    assert (finding.kind, finding.severity) == ("pools-overlap", Severity.ERROR)


def test_default_pool_around_services_and_nodes_asks_nobody_to_do_anything() -> None:
    nodes = tuple(
        msgspec.structs.replace(
            cilium_node(f"n{number}", f"10.0.{number}.0/24"),
            spec=cn.CiliumNodeSpec(
                addresses=(cn.CiliumNodeAddress("InternalIP", f"10.1.0.{number + 1}"),),
                ipam=cn.NodeIPAM(pod_cidrs=(f"10.0.{number}.0/24",)),
            ),
        )
        for number in range(5)
    )
    pool = PoolRange("default", Cidr.parse("10.0.0.0/8"))

    found = audit(
        **NOBODY,
        cilium_nodes=nodes,
        nodes=tuple(node(each.metadata.name) for each in nodes),
        ranges=(pool,),
    )

    assert [(each.kind, each.severity, each.object) for each in found] == [
        ("pool-overlaps-nodes", Severity.INFO, "10.0.0.0/8"),
        ("pool-overlaps-services", Severity.INFO, "10.0.0.0/8"),
    ]
    assert found[0].evidence[0].says.endswith("10.1.0.3 is of node n2 and 2 more")
    assert "no block with such addresses" in found[0].remedy


@pytest.mark.parametrize(
    ("cidr", "kind"),
    [("10.96.4.0/22", "pool-overlaps-services"), ("192.168.0.0/25", "pool-overlaps-nodes")],
)
def test_range_of_which_no_block_is_ever_given(cidr: str, kind: str) -> None:
    finding = audit(ranges=(*GOOD["ranges"], PoolRange("two", Cidr.parse(cidr))))[0]

    assert (finding.kind, finding.severity) == (kind, Severity.WARNING)
    assert "use another range" in finding.remedy


@pytest.mark.parametrize(
    ("cidr", "kind", "whose"),
    [
        ("192.168.0.0/24", "cidr-over-node", "address 192.168.0.1 of node a"),
        ("10.96.7.0/24", "cidr-over-services", "addresses of ServiceCIDR kubernetes"),
    ],
)
def test_nodes_cidr_with_addresses_of_others(cidr: str, kind: str, whose: str) -> None:
    other = cilium_node("b", "10.0.1.0/24", cidr)

    found = audit(cilium_nodes=with_node(other=other), mode="kubernetes", ranges=())

    over = [each for each in found if each.kind == kind]
    assert over[0].severity is Severity.ERROR
    assert whose in over[0].evidence[0].says
    assert (over[0].node, over[0].object) == ("b", cidr)


def test_what_a_node_drains_is_given_to_nobody() -> None:
    other = cilium_node("b", "10.0.1.0/24", draining="10.96.7.0/24")

    assert "cidr-over-services" not in kinds(cilium_nodes=with_node(other=other))


@pytest.mark.parametrize(
    ("mode", "other"),
    [
        ("multi-pool", cilium_node("b", "10.0.1.0/24")),
        ("cluster-pool", cilium_node("b", "10.0.1.0/24", pools={"x": ("10.0.2.0/24",)})),
    ],
)
def test_cidrs_in_the_field_of_another_mode(mode: str, other: cn.CiliumNode) -> None:
    assert "cidrs-of-another-mode" in kinds(mode=mode, cilium_nodes=with_node(other=other))


def test_node_cidrs_that_kubernetes_did_not_give() -> None:
    nodes = (node("a", "10.0.0.0/24"), node("b", "10.0.8.0/24"))

    assert kinds(mode="kubernetes", nodes=nodes, ranges=()) == ["node-cidrs-differ"]


def test_node_cidrs_that_kubernetes_gave_by_annotation_or_of_a_family_that_is_off() -> None:
    annotations = {"network.cilium.io/ipv6-pod-cidr": "fd00:10::/64"}
    both = cilium_node("b", "10.0.1.0/24", "fd00:10::/64")
    nodes = (node("a", "10.0.0.0/24"), node("b", "10.0.1.0/24", annotations=annotations))
    off = {"mode": "kubernetes", "ranges": (), "nodes": nodes}
    on = off | {"versions": (4, 6), "cilium_nodes": (both,), "nodes": nodes[1:]} | NOBODY

    assert kinds(**off, cilium_nodes=with_node(other=both)) == [], "its agent publishes both"
    assert kinds(**off) == []
    assert kinds(**on) == []
    other = cilium_node("b", "10.0.1.0/24", "fd00:99::/64")
    (finding,) = audit(**(on | {"cilium_nodes": (other,)}))
    assert finding.kind == "node-cidrs-differ"
    assert "ipv6-pod-cidr says 10.0.1.0/24, fd00:10::/64" in finding.evidence[0].says


def test_annotation_that_is_no_cidr() -> None:
    bad = node("b", annotations={"network.cilium.io/ipv4-pod-cidr": "10.0.1.1/24"})

    (finding,) = audit(mode="kubernetes", ranges=(), nodes=(node("a", "10.0.0.0/24"), bad))

    assert (finding.kind, finding.object) == ("unreadable-cidr", "10.0.1.1/24")
    assert finding.remedy.endswith("kubectl edit node b")


def test_node_without_cidr_and_the_operators_complaint() -> None:
    lacking = cilium_node("b", error="no block is left")

    found = kinds(
        cilium_nodes=with_node(other=lacking),
        pods=GOOD["pods"][:1],
        endpoints=GOOD["endpoints"][:1],
    )

    assert found == ["node-without-cidr", "operator-error"]
    assert kinds(versions=(4, 6)) == ["node-without-cidr", "node-without-cidr"]


@pytest.mark.parametrize(
    ("asked", "waiting", "found"),
    [
        (0, "", []),
        (8, "", ["node-without-cidr"]),
        (0, "an IPv4 CIDR", ["node-without-cidr"]),
    ],
)
def test_multi_pool_node_is_without_cidr_when_it_asks_for_addresses(
    asked: int, waiting: str, found: list[str]
) -> None:
    requested = (cn.RequestedPool("x", cn.PoolDemand(ipv4_addrs=asked)),)
    spec = cn.CiliumNodeSpec(
        addresses=(cn.CiliumNodeAddress("InternalIP", IPS["a"]),),
        ipam=cn.NodeIPAM(pools=cn.IPAMPools(requested=requested)),
    )
    says = msgspec.structs.replace(report("a", held={}), waiting=waiting)

    assert found == kinds(
        **NOBODY,
        mode="multi-pool",
        nodes=(node("a"),),
        cilium_nodes=(cn.CiliumNode(metadata=meta("a"), spec=spec),),
        reports={"a": says},
    )


def test_cilium_node_whose_node_is_gone() -> None:
    assert kinds(nodes=(node("a"),)) == ["cilium-node-without-node"]


def test_cidr_that_cannot_be_read() -> None:
    assert "unreadable-cidr" in kinds(
        cilium_nodes=with_node(other=cilium_node("b", "10.0.1.0/24", "10.0.2.0/99"))
    )


def test_draining_cidr_without_pods_is_idle_unless_its_agent_knows_better() -> None:
    nodes = with_node(other=cilium_node("b", "10.0.1.0/24", draining="10.0.7.0/24"))
    knows = report("b", held={"10.0.1.0/24": ("current", 2), "10.0.7.0/24": ("draining", 1)})

    assert kinds(cilium_nodes=nodes) == ["draining-cidr-idle"]
    assert kinds(cilium_nodes=nodes, reports={"b": knows}) == []


def test_agent_that_gives_addresses_out_of_another_cidr() -> None:
    other = report("a", held={"10.0.9.0/24": ("current", 1)})

    assert kinds(reports={"a": other}) == ["cidrs-differ"]


def test_address_of_two_pods_of_two_nodes() -> None:
    found = audit(
        pods=(*GOOD["pods"], pod("twin", "b", "10.0.0.5")),
        endpoints=(*GOOD["endpoints"], endpoint("twin", "b", "10.0.0.5")),
    )

    twice = next(each for each in found if each.kind == "address-used-twice")
    assert twice.object == "10.0.0.5"
    assert "default/p (on a)" in twice.evidence[0].says
    assert "default/twin (on b)" in twice.evidence[0].says


def test_stale_cilium_endpoint_is_the_one_to_delete() -> None:
    found = audit(endpoints=(*GOOD["endpoints"], endpoint("gone", "b", "10.0.0.5")))

    remedies = {each.kind: each.remedy for each in found}
    assert remedies["address-used-twice"].endswith("delete ciliumendpoint gone")
    assert "published-without-pod" in remedies


def test_cilium_endpoint_outside_its_nodes_cidrs_or_of_no_node() -> None:
    stray = (*GOOD["endpoints"][:1], endpoint("q", "b", "10.0.3.5"))
    lost = (*GOOD["endpoints"][:1], endpoint("q", "192.168.7.7", "10.0.1.5"))
    pods = (GOOD["pods"][0], pod("q", "b", "10.0.3.5"))

    assert kinds(endpoints=stray, pods=pods) == ["published-outside-cidrs"]
    assert kinds(endpoints=stray, pods=pods, plugins_addresses=True) == []
    assert kinds(endpoints=lost) == ["published-on-unknown-node"]


def test_pod_whose_cilium_endpoint_has_another_address() -> None:
    """Its agent tells more, where it was asked."""
    pods = (GOOD["pods"][0], pod("q", "b", "10.0.1.99"))

    assert kinds(pods=pods) == ["published-address-differs"]
    asked = {"b": report("b", held={"10.0.1.0/24": ("current", 2)})}
    assert kinds(pods=pods, reports=asked) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.integers(24, 32), st.sampled_from("abc")), max_size=12
    )
)
def test_overlaps_are_exactly_the_pairs_that_share_an_address(
    drawn: list[tuple[int, int, str]],
) -> None:
    claims = [Claim(Cidr.parse(f"10.0.0.{low}/{length}"), name) for low, length, name in drawn]
    claims = [
        Claim(
            Cidr(4, c.cidr.first >> (32 - c.cidr.length) << (32 - c.cidr.length), c.cidr.length),
            c.node,
        )
        for c in claims
    ]

    found = sorted(sorted((str(a.cidr), str(b.cidr))) for a, b in overlaps(claims))

    expected = sorted(
        sorted((str(a.cidr), str(b.cidr)))
        for i, a in enumerate(claims)
        for b in claims[:i]
        if a.cidr.overlaps(b.cidr)
    )
    assert found == expected
