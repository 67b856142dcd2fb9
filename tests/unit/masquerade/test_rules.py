"""The ordered list of masquerade rules: its order, and what a rule matches."""

from ipaddress import ip_address, ip_network

import pytest

from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PortRange,
    Rule,
    decision_order,
    is_tabled,
)

TCP, UDP, ICMP = 6, 17, 1


def _policy(**fields: object) -> Rule:
    return Rule(name="p", origin=Origin.POLICY, action=Action.DEVICE, **fields)  # type: ignore[arg-type] # of Rule's own.


def test_rows_stand_in_the_order_in_which_they_decide() -> None:
    rows = decision_order(
        native=[ip_network("10.244.0.0/16"), ip_network("fd00::/104")],
        policies=[_policy()],
        excluded=[ip_network("10.10.1.0/24")],
    )

    assert [row.origin for row in rows] == list(Origin)
    assert [is_tabled(row) for row in rows] == [False, False, True, True, False]


def test_agent_that_is_off_has_no_row_and_one_that_excludes_nothing_matches_nothing() -> None:
    off = decision_order(native=[])
    empty = decision_order(native=[], excluded=[])

    assert [row.origin for row in off] == [Origin.CLUSTER, Origin.DEFAULT]
    assert [row.origin for row in empty] == [
        Origin.CLUSTER,
        Origin.IP_MASQ_AGENT,
        Origin.DEFAULT,
    ]
    assert not empty[1].matches(ip_address("10.0.0.1"), TCP, 80)


def test_last_row_matches_every_packet() -> None:
    last = decision_order(native=[])[-1]

    assert last.matches(ip_address("203.0.113.10"), ICMP, 0)
    assert last.matches(ip_address("2001:db8::1"), TCP, 443)
    assert last.action is Action.DEVICE


@pytest.mark.parametrize(
    ("destination", "is_matched"),
    [("10.1.2.3", True), ("10.2.0.1", False), ("11.0.0.1", False), ("::10.1.2.3", False)],
)
def test_excepted_part_of_a_prefix_is_not_matched(destination: str, *, is_matched: bool) -> None:
    rule = _policy(
        destinations=(Destination(ip_network("10.0.0.0/8"), (ip_network("10.2.0.0/16"),)),)
    )

    assert rule.matches(ip_address(destination), TCP, 80) is is_matched


def test_except_of_one_prefix_takes_nothing_from_another() -> None:
    rule = _policy(
        destinations=(
            Destination(ip_network("10.0.0.0/8"), (ip_network("10.2.0.0/16"),)),
            Destination(ip_network("10.2.3.0/24")),
        )
    )

    assert rule.matches(ip_address("10.2.3.4"), TCP, 80)
    assert not rule.matches(ip_address("10.2.4.4"), TCP, 80)


@pytest.mark.parametrize(
    ("protocol", "port", "is_matched"),
    [(TCP, 443, True), (TCP, 442, False), (UDP, 443, False), (ICMP, 0, True)],
)
def test_ports_are_of_their_protocol(protocol: int, port: int, *, is_matched: bool) -> None:
    rule = _policy(ports=(PortRange(TCP, 443, 445), PortRange(ICMP)))

    assert rule.matches(ip_address("192.0.2.1"), protocol, port) is is_matched


def test_rule_with_an_address_is_for_packets_of_its_family() -> None:
    rule = Rule(
        name="p",
        origin=Origin.POLICY,
        action=Action.ADDRESS,
        addresses=(ip_address("192.0.2.9"), ip_address("192.0.2.8")),
    )

    assert rule.matches(ip_address("198.51.100.1"), TCP, 80)
    assert rule.address(4) == ip_address("192.0.2.9")
    assert not rule.matches(ip_address("2001:db8::1"), TCP, 80)
