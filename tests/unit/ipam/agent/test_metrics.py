"""`ipam/agent/metrics.py`: the numbers are those of the tables, and add up."""

from ipaddress import ip_address, ip_network

from ciliate.ipam.agent.metrics import ipam_families
from ciliate.ipam.node import NodeAddresses
from ciliate.metrics.family import FamilyKind


def _read(
    addresses: NodeAddresses, pending: dict[tuple[str, int], int] | None = None
) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: dict(family.samples) for family in ipam_families(addresses, pending or {})
    }


def test_events_are_counted_by_action_and_family_from_zero() -> None:
    addresses = NodeAddresses((4, 6))
    addresses.set_current({"default": [ip_network("10.0.0.0/24"), ip_network("fd00::/120")]})
    allocated = addresses.allocate("default/a")
    addresses.allocate("default/b")

    before = _read(NodeAddresses((4,)))["cilium_ipam_events_total"]
    addresses.release(allocated)
    after = _read(addresses)["cilium_ipam_events_total"]

    assert before == {("allocate", "ipv4"): 0, ("release", "ipv4"): 0}
    assert after == {
        ("allocate", "ipv4"): 2,
        ("allocate", "ipv6"): 2,
        ("release", "ipv4"): 1,
        ("release", "ipv6"): 1,
    }
    assert ipam_families(addresses, {})[0].kind is FamilyKind.COUNTER


def test_pools_show_used_free_and_what_still_drains() -> None:
    addresses = NodeAddresses((4,))
    addresses.set_current(
        {"default": [ip_network("10.0.0.0/28")], "blue": [ip_network("10.1.0.0/28")]}
    )
    addresses.allocate("default/old", {4: "blue"})
    addresses.allocate("default/a")
    addresses.set_current(
        {"default": [ip_network("10.0.0.0/28")], "blue": [ip_network("10.2.0.0/29")]}
    )
    addresses.reserve(ip_address("10.2.0.3"), "node-ip (excluded)")

    found = _read(addresses)

    assert found["ciliate_ipam_pool_addresses"] == {
        ("default", "ipv4", "used"): 1,
        ("default", "ipv4", "free"): 13,
        ("default", "ipv4", "draining"): 0,
        ("blue", "ipv4", "used"): 1,
        ("blue", "ipv4", "free"): 5,
        ("blue", "ipv4", "draining"): 1,
    }
    assert found["ciliate_ipam_node_cidrs"] == {
        ("default", "ipv4", "current"): 1,
        ("default", "ipv4", "draining"): 0,
        ("blue", "ipv4", "current"): 1,
        ("blue", "ipv4", "draining"): 1,
    }
    assert found["cilium_ipam_capacity"] == {("ipv4",): 14 + 6}
    assert found["cilium_ip_addresses"] == {("ipv4",): 3}


def test_waiting_pods_are_shown_by_pool() -> None:
    found = _read(NodeAddresses((4, 6)), {("mars", 6): 3})

    assert found["ciliate_ipam_pending_pods"] == {("mars", "ipv6"): 3}


def test_address_of_two_ranges_that_follow_each_other_counts_once() -> None:
    addresses = NodeAddresses((4,))
    addresses.set_current({"default": [ip_network("10.0.0.0/24")]})
    addresses.take([ip_address("10.0.0.3"), ip_address("10.0.0.200")], "default/a")
    addresses.set_current({"default": [ip_network("10.0.0.0/27"), ip_network("10.1.0.0/27")]})
    addresses.take([ip_address("10.1.0.3")], "default/b")

    assert len(addresses.held) == 3
    assert _read(addresses)["cilium_ip_addresses"] == {("ipv4",): 3}
