"""`ipam/audit/node.py`: every kind of leak and double use on one node, and nothing where all agree."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.ipam.audit.audited_node import (
    AGREEING,
    ENDPOINT,
    OTHER,
    POD,
    ROUTER,
    V4,
    V6,
    held,
)

from ciliate.api.ipam_audit import Finding, Severity
from ciliate.ipam.audit.node import LEAKED, audit_node, pod_of
from ciliate.ipam.audit.node_snapshot import (
    Interface,
    ListedPod,
    MapEntry,
    NodeSnapshot,
)


def kinds(seen: NodeSnapshot) -> list[str]:
    return [finding.kind for finding in audit_node(seen)]


def only(seen: NodeSnapshot) -> Finding:
    (finding,) = audit_node(seen)
    return finding


def test_nothing_is_found_where_all_agree() -> None:
    assert audit_node(AGREEING) == ()


def test_nothing_is_found_on_an_empty_node() -> None:
    assert audit_node(NodeSnapshot(node="n")) == ()


# Leaks


def test_address_that_the_allocator_alone_knows_is_leaked() -> None:
    seen = replace(AGREEING, allocator=(*AGREEING.allocator, held(OTHER, "default/gone")))

    finding = only(seen)

    assert (finding.kind, finding.object) == (LEAKED, "10.0.0.9")
    assert finding.severity is Severity.WARNING
    assert [each.source for each in finding.evidence] == ["allocator", "kernel", "api"]


@pytest.mark.parametrize(
    "knows",
    [
        lambda s: replace(
            s, pods={**s.pods, ("default", "gone"): ListedPod(("default", "gone"), ())}
        ),
        lambda s: replace(s, pods={**s.pods, ("x", "y"): ListedPod(("x", "y"), (OTHER,), True)}),
        lambda s: replace(s, published={**s.published, ("default", "gone"): ()}),
        lambda s: replace(s, published={**s.published, ("x", "y"): (OTHER,)}),
        lambda s: replace(s, delivered={**s.delivered, OTHER: MapEntry(99, 9)}),
        lambda s: replace(s, sources={**s.sources, 9: (OTHER,)}),
        lambda s: replace(
            s, interfaces=(*s.interfaces, Interface("lxc9", 9, is_up=True, routed=(OTHER,)))
        ),
    ],
    ids=["pod", "podIP", "CEP name", "CEP address", "delivered", "source", "route"],
)
def test_address_that_kernel_or_api_knows_is_never_called_leaked(
    knows: Callable[[NodeSnapshot], NodeSnapshot],
) -> None:
    """Only leaked addresses are ever freed by a repair."""
    seen = replace(AGREEING, allocator=(*AGREEING.allocator, held(OTHER, "default/gone")))

    found = kinds(knows(seen))

    assert LEAKED not in found
    assert "held-without-endpoint" in found


def test_address_of_an_endpoint_that_is_leaving_is_no_leak() -> None:
    leaving = replace(ENDPOINT, number=18, pod=("default", "b"), addresses=(OTHER,), ifindex=8)
    seen = replace(
        AGREEING,
        allocator=(*AGREEING.allocator, held(OTHER, "default/b")),
        endpoints=(ENDPOINT, replace(leaving, interface="lxc2")),
        leaving=frozenset({18}),
    )

    assert audit_node(seen) == ()


def test_reserved_addresses_are_no_leaks() -> None:
    kept = held(OTHER, "node-ip (excluded)", reserved=True)

    assert audit_node(replace(AGREEING, allocator=(*AGREEING.allocator, kept))) == ()


# Double use


def test_address_in_use_that_the_allocator_would_give_away_is_an_error() -> None:
    finding = only(replace(AGREEING, allocator=AGREEING.allocator[:2]))

    assert (finding.kind, finding.object) == ("address-not-held", "fd00::5")
    assert finding.severity is Severity.ERROR


def test_address_that_another_pod_holds_is_an_error() -> None:
    allocator = (AGREEING.allocator[0], held(V4, "default/b"), AGREEING.allocator[2])

    finding = only(replace(AGREEING, allocator=allocator))

    assert (finding.kind, finding.object) == ("address-of-another", "10.0.0.5")


def test_address_of_two_endpoints_is_an_error() -> None:
    twin = replace(ENDPOINT, number=18, interface="lxc2", ifindex=8, addresses=(V4,))
    seen = replace(
        AGREEING,
        endpoints=(ENDPOINT, twin),
        interfaces=(*AGREEING.interfaces, Interface("lxc2", 8, is_up=True, routed=(V4,))),
    )

    assert "address-used-twice" in kinds(seen)


def test_new_sandbox_beside_one_that_is_leaving_is_no_double_use() -> None:
    former = replace(ENDPOINT, number=18, interface="lxc2", ifindex=8)

    assert (
        audit_node(replace(AGREEING, endpoints=(ENDPOINT, former), leaving=frozenset({18}))) == ()
    )


def test_routers_address_must_be_on_its_link_and_no_pods() -> None:
    assert kinds(replace(AGREEING, router_link=())) == ["router-address-missing"]
    taken = (held(ROUTER, "default/b"), *AGREEING.allocator[1:])
    assert "address-of-another" in kinds(replace(AGREEING, allocator=taken))


def test_addresses_of_another_plugin_are_not_the_allocators() -> None:
    theirs = replace(ENDPOINT, external_ipam=True)

    assert (
        audit_node(replace(AGREEING, allocator=AGREEING.allocator[:1], endpoints=(theirs,))) == ()
    )


# Kernel


def test_interface_without_endpoint() -> None:
    extra = Interface("lxc9", 9, is_up=True, routed=())

    finding = only(replace(AGREEING, interfaces=(*AGREEING.interfaces, extra)))

    assert (finding.kind, finding.object) == ("interface-without-endpoint", "lxc9")


def test_interface_that_is_gone_or_another_of_its_name() -> None:
    another = Interface("lxc1", 8, is_up=True, routed=(V4, V6))

    assert kinds(replace(AGREEING, interfaces=())) == ["endpoint-without-interface"]
    assert kinds(replace(AGREEING, interfaces=(another,))) == ["endpoint-without-interface"]


def test_interface_that_is_down_or_lacks_a_route() -> None:
    down = Interface("lxc1", 7, is_up=False, routed=(V4, V6))
    unrouted = Interface("lxc1", 7, is_up=True, routed=(V4,))

    assert kinds(replace(AGREEING, interfaces=(down,))) == ["interface-incomplete"]
    finding = only(replace(AGREEING, interfaces=(unrouted,)))
    assert "fd00::5" in finding.evidence[1].says


def test_pod_whose_inside_differs() -> None:
    assert kinds(replace(AGREEING, inside={17: "eth0 lacks 10.0.0.5"})) == ["pod-side-differs"]


def test_interface_of_a_chained_plugin_is_not_ours_to_judge() -> None:
    theirs = replace(ENDPOINT, ours=False)

    assert audit_node(replace(AGREEING, endpoints=(theirs,), interfaces=())) == ()


def test_map_entries_left_over_missing_or_wrong() -> None:
    stale = {**AGREEING.delivered, OTHER: MapEntry(99, 9)}
    wrong = {**AGREEING.delivered, V4: MapEntry(99, 9)}

    assert kinds(replace(AGREEING, delivered=stale)) == ["map-entry-without-endpoint"]
    assert kinds(replace(AGREEING, delivered=wrong)) == ["map-entry-wrong"]
    assert kinds(replace(AGREEING, delivered={V6: MapEntry(17, 7)})) == ["map-entry-wrong"]
    assert kinds(replace(AGREEING, sources={7: (V6,)})) == ["map-entry-wrong"]
    left = {**AGREEING.sources, 9: (OTHER,)}
    assert kinds(replace(AGREEING, sources=left)) == ["map-entry-without-endpoint"]


# API


def test_pod_without_endpoint() -> None:
    pod = ListedPod(("default", "b"), (OTHER,))

    assert kinds(replace(AGREEING, pods={**AGREEING.pods, pod.pod: pod})) == [
        "pod-without-endpoint"
    ]
    waiting, leaving = replace(pod, addresses=()), replace(pod, leaving=True)
    for young in (waiting, leaving):
        assert audit_node(replace(AGREEING, pods={**AGREEING.pods, pod.pod: young})) == ()


def test_pod_whose_status_has_another_address() -> None:
    seen = replace(AGREEING, pods={POD: ListedPod(POD, (OTHER,))})

    assert kinds(seen) == ["pod-address-differs"]


def test_endpoint_whose_pod_is_gone() -> None:
    assert kinds(replace(AGREEING, pods={})) == ["endpoint-without-pod"]


def test_cilium_endpoint_that_is_stale_wrong_or_missing() -> None:
    stale = {**AGREEING.published, ("default", "b"): (OTHER,)}

    assert kinds(replace(AGREEING, published=stale)) == ["published-without-endpoint"]
    assert kinds(replace(AGREEING, published={POD: (OTHER,)})) == ["published-address-differs"]
    assert kinds(replace(AGREEING, published={})) == ["endpoint-unpublished"]


def test_errors_come_before_warnings() -> None:
    seen = replace(
        AGREEING,
        allocator=(*AGREEING.allocator, held(OTHER, "default/gone")),
        router_link=(),
    )

    assert [each.severity for each in audit_node(seen)] == [Severity.ERROR, Severity.WARNING]


def test_owner_is_a_pod_or_a_word() -> None:
    assert pod_of("ns/p [restored]") == ("ns", "p")
    assert pod_of("router") == ("", "router")
