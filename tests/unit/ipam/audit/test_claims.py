"""`ipam/audit/claims.py`: CIDRs against each other and pools; pools against Services and nodes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ipam.audit.audited_cluster import (
    GOOD,
    NOBODY,
    audit,
    cilium_node,
    endpoint,
    kinds,
    node,
    pod,
    report,
    with_node,
)

from ciliate.api import cilium_node as cn
from ciliate.api.ipam_audit import Severity
from ciliate.ipam.audit.cluster_snapshot import PoolRange
from ciliate.ipam.audit.overlaps import NodeClaim, overlaps
from ciliate.ipam.cidr_set import Cidr


def test_two_nodes_with_one_cidr_name_the_younger() -> None:
    younger = cilium_node("b", "10.0.0.0/25", "10.0.1.0/24", created="2026-02-01T00:00:00Z")

    (finding,) = audit(cilium_nodes=with_node(other=younger))

    assert (finding.kind, finding.node, finding.object) == (
        "cidr-claimed-twice",
        "b",
        "10.0.0.0/25",
    )
    assert "a has 10.0.0.0/24" in finding.evidence[0].says


def test_cidr_granted_while_its_former_node_drains_it_is_a_finding_of_its_own() -> None:
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


@pytest.mark.parametrize(
    "ranges", [(), (PoolRange("x", Cidr.parse("10.9.0.0/16")),)], ids=["deleted", "shrunk"]
)
def test_cidr_of_a_deleted_or_shrunk_pool_is_a_note_while_its_node_drains_it(
    ranges: tuple[PoolRange, ...],
) -> None:
    """The agent keeps it in `pools.allocated` until the last pod in it is gone."""
    nodes = (cilium_node("a", pools={"x": ("10.0.0.0/24",)}, draining="10.0.0.0/24"),)
    agent = report("a", held={"10.0.0.0/24": ("draining", 1)})
    asked = {"mode": "multi-pool", "cilium_nodes": nodes, "nodes": (node("a"),), "ranges": ranges}
    pods = {"pods": GOOD["pods"][:1], "endpoints": GOOD["endpoints"][:1]}

    (finding,) = audit(**asked, **pods, reports={"a": agent})

    assert (finding.kind, finding.severity) == ("cidr-outside-pools", Severity.INFO)
    assert "CiliumNode a drains it" in finding.evidence[0].says
    assert finding.remedy.startswith("none needed")
    (unasked,) = audit(**asked, **pods)
    assert unasked.severity is Severity.INFO
    kinds_without_pods = kinds(**asked, **NOBODY)
    assert kinds_without_pods == ["draining-cidr-idle", "cidr-outside-pools"]


def test_cidr_that_is_drained_and_listed_is_a_current_one_in_other_modes() -> None:
    """In cluster-pool mode the list is what the node gives addresses out of."""
    drains = cilium_node("b", "10.0.1.0/24", draining="10.0.1.0/24")
    twin = cilium_node("c", "10.0.1.0/24")

    assert kinds(cilium_nodes=(drains, twin), nodes=(node("b"), node("c"))).count(
        "cidr-claimed-twice"
    )


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
    ("cidr", "kind", "owner"),
    [
        ("192.168.0.0/24", "cidr-over-node", "address 192.168.0.1 of node a"),
        ("10.96.7.0/24", "cidr-over-services", "addresses of ServiceCIDR kubernetes"),
    ],
)
def test_nodes_cidr_with_addresses_of_others(cidr: str, kind: str, owner: str) -> None:
    other = cilium_node("b", "10.0.1.0/24", cidr)

    found = audit(cilium_nodes=with_node(other=other), mode="kubernetes", ranges=())

    over = [each for each in found if each.kind == kind]
    assert over[0].severity is Severity.ERROR
    assert owner in over[0].evidence[0].says
    assert (over[0].node, over[0].object) == ("b", cidr)


def test_what_a_node_drains_is_given_to_nobody() -> None:
    other = cilium_node("b", "10.0.1.0/24", draining="10.96.7.0/24")

    assert "cidr-over-services" not in kinds(cilium_nodes=with_node(other=other))


@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.integers(24, 32), st.sampled_from("abc")), max_size=12
    )
)
def test_overlaps_are_exactly_the_pairs_that_share_an_address(
    drawn: list[tuple[int, int, str]],
) -> None:
    claims = [NodeClaim(Cidr.parse(f"10.0.0.{low}/{length}"), name) for low, length, name in drawn]
    claims = [
        NodeClaim(
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
