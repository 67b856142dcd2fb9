"""`ipam/audit/cluster.py`: contradictions between nodes, pods and pools."""

import msgspec
import pytest
from tests.unit.ipam.audit.audited_cluster import (
    GOOD,
    IPS,
    NOBODY,
    audit,
    cilium_node,
    endpoint,
    kinds,
    meta,
    node,
    pod,
    report,
    with_node,
)

from ciliate.api import cilium_node as cn
from ciliate.config.installation import Installation


def test_nothing_is_found_where_all_agree() -> None:
    assert audit() == []


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


@pytest.mark.parametrize("text", ["10.0.2.0/99", "10.0.2.1/24"])
def test_cidr_that_agents_ignore(text: str) -> None:
    assert "unreadable-cidr" in kinds(
        cilium_nodes=with_node(other=cilium_node("b", "10.0.1.0/24", text))
    )


def test_draining_cidr_without_pods_is_idle_unless_its_agent_knows_better() -> None:
    nodes = with_node(other=cilium_node("b", "10.0.1.0/24", draining="10.0.7.0/24"))
    knows = report("b", held={"10.0.1.0/24": ("current", 2), "10.0.7.0/24": ("draining", 1)})

    assert kinds(cilium_nodes=nodes) == ["draining-cidr-idle"]
    assert kinds(cilium_nodes=nodes, reports={"b": knows}) == []


def test_agent_that_gives_addresses_out_of_another_cidr() -> None:
    other = report("a", held={"10.0.9.0/24": ("current", 1)})

    assert kinds(reports={"a": other}) == ["cidrs-differ"]


def test_advice_names_what_the_installation_is_called() -> None:
    names = Installation(
        namespace="net", agent_daemonset_name="agents", operator_deployment_name="boss"
    )
    other = report("a", held={"10.0.9.0/24": ("current", 1)})
    bare = cilium_node("b")

    (differ,) = audit(installation=names, reports={"a": other})
    said = audit(installation=names, cilium_nodes=with_node(other=bare))

    assert "`kubectl -n net logs ds/agents`" in differ.remedy
    assert "does boss run?" in [each.remedy for each in said if each.kind == "node-without-cidr"]


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
    outside = (*GOOD["endpoints"][:1], endpoint("q", "b", "10.0.3.5"))
    lost = (*GOOD["endpoints"][:1], endpoint("q", "192.168.7.7", "10.0.1.5"))
    pods = (GOOD["pods"][0], pod("q", "b", "10.0.3.5"))

    assert kinds(endpoints=outside, pods=pods) == ["published-outside-cidrs"]
    assert kinds(endpoints=outside, pods=pods, plugins_addresses=True) == []
    assert kinds(endpoints=lost) == ["published-on-unknown-node"]


def test_pod_whose_cilium_endpoint_has_another_address() -> None:
    """The node's agent reports more, where it was asked."""
    pods = (GOOD["pods"][0], pod("q", "b", "10.0.1.99"))

    assert kinds(pods=pods) == ["published-address-differs"]
    asked = {"b": report("b", held={"10.0.1.0/24": ("current", 2)})}
    assert kinds(pods=pods, reports=asked) == []
