"""`config/routing_change.py`: who changes the routing mode is told what that will do."""

import pytest

from ciliate.config.routing_change import routing_changes

NATIVE = {
    "enable-endpoint-routes": "true",
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
}
TUNNEL = NATIVE | {"routing-mode": "tunnel", "auto-direct-node-routes": "false"}


def test_way_into_the_tunnel_costs_mtu_and_hides_pods_from_nodes() -> None:
    said = "\n".join(routing_changes(NATIVE, TUNNEL))

    assert "by a vxlan tunnel (UDP 8472, by IPv4) instead of native routing" in said
    assert "on one layer 2 nothing is lost" in said
    assert "50 bytes less of MTU" in said
    assert "by their node's address" in said


def test_way_out_of_it_gives_both_back() -> None:
    said = "\n".join(routing_changes(TUNNEL, NATIVE))

    assert "by native routing instead of a vxlan tunnel" in said
    assert "50 bytes more of MTU" in said
    assert "by their own address" in said
    assert "the network must know" not in said


def test_network_that_must_know_pod_cidrs_is_told_of() -> None:
    routed = NATIVE | {"auto-direct-node-routes": "false"}

    assert "the network must know every node's pod CIDR" in routing_changes(TUNNEL, routed)[-1]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"tunnel-protocol": "geneve"}, "by a geneve tunnel (UDP 6081, by IPv4)"),
        ({"tunnel-port": "4789"}, "by a vxlan tunnel (UDP 4789, by IPv4)"),
    ],
)
def test_another_tunnel_loses_what_is_under_way(settings: dict[str, str], expected: str) -> None:
    first, second = routing_changes(TUNNEL, TUNNEL | settings)

    assert expected in first
    assert "is lost" in second


def test_underlay_of_the_other_family_costs_more() -> None:
    both = {"enable-ipv6": "true", "ipv6-native-routing-cidr": "fd00::/8"}
    said = routing_changes(TUNNEL | both, TUNNEL | both | {"underlay-protocol": "ipv6"})

    assert "20 bytes less of MTU" in said[-1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NATIVE, NATIVE | {"debug": "true"}),
        (NATIVE, NATIVE | {"tunnel-protocol": "geneve"}),
        (NATIVE, NATIVE | {"routing-mode": "bridged"}),
        ({"routing-mode": "bridged"}, TUNNEL),
    ],
    ids=["another setting", "no effect", "refused", "unknown before"],
)
def test_nothing_is_said_of_what_changes_no_way(
    before: dict[str, str], after: dict[str, str]
) -> None:
    assert routing_changes(before, after) == ()
