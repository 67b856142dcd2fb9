"""Why rules match and do not, in words; which agree with the rules themselves."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.masquerade.explain.question import PROTOCOLS
from ciliate.masquerade.explain.reasons import match_reason, mismatch
from ciliate.masquerade.rules import (
    CLUSTER_RULE,
    DEFAULT_RULE,
    Action,
    Destination,
    FirstPacket,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    deciding_place,
)

WORLD = ip_address("203.0.113.10")
RULE = Rule(
    name="p",
    origin=Origin.POLICY,
    action=Action.KEEP,
    pods=PodSelector(pool="blue"),
    destinations=(
        Destination(ip_network("203.0.113.0/24"), (ip_network("203.0.113.128/25"),)),
        Destination(ip_network("198.51.100.0/24")),
    ),
    ports=(PortRange(6, 440, 449),),
)


def _packet(host: str, port: int, protocol: str = "tcp", *, selected: bool = True) -> FirstPacket:
    address = ip_address(host)
    number = PROTOCOLS[protocol][address.version]
    return FirstPacket(address, number, port, {7} if selected else set())


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (_packet("203.0.113.10", 443), None),
        (_packet("203.0.113.10", 443, selected=False), "it does not select the pod"),
        (_packet("192.0.2.1", 443), "192.0.2.1 is in none of its 2 ranges"),
        (
            _packet("203.0.113.200", 443),
            "203.0.113.200 is in 203.0.113.128/25, which it excepts",
        ),
        (_packet("203.0.113.10", 80), "80/TCP is not among its ports"),
        (_packet("203.0.113.10", 443, "udp"), "443/UDP is not among its ports"),
        (_packet("203.0.113.10", 0, "icmp"), "ICMP is not among its ports"),
        (_packet("2001:db8::1", 443), "it names no IPv6 destination"),
    ],
)
def test_rule_that_does_not_match_says_why(packet: FirstPacket, reason: str | None) -> None:
    assert mismatch(7, RULE, packet) == reason


def test_rule_that_matches_says_by_what() -> None:
    because = match_reason(RULE, _packet("203.0.113.10", 443))

    assert because == (
        "it selects the pod, 203.0.113.10 is in 203.0.113.0/24, 443/TCP is of its ports 440-449"
    )
    assert match_reason(DEFAULT_RULE, _packet("203.0.113.10", 443)) == "it is for all packets"


def test_cluster_row_asks_who_has_the_destination() -> None:
    outside = _packet("192.168.10.101", 80)
    inside = replace(outside, in_cluster=True)

    assert mismatch(1, CLUSTER_RULE, outside) == "no node, pod or pod CIDR of this cluster has it"
    assert mismatch(1, CLUSTER_RULE, inside) is None


_prefixes = st.sampled_from(
    tuple(map(ip_network, ("10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "2001:db8::/32")))
)
_rules = st.builds(
    Rule,
    name=st.just("p"),
    origin=st.just(Origin.POLICY),
    action=st.sampled_from((Action.KEEP, Action.ADDRESS)),
    pods=st.sampled_from((None, PodSelector(pool="blue"))),
    destinations=st.none()
    | st.lists(
        st.builds(Destination, _prefixes, st.lists(_prefixes, max_size=1).map(tuple)), max_size=2
    ).map(tuple),
    ports=st.none() | st.just((PortRange(6, 80, 81), PortRange(1))),
    addresses=st.sampled_from(((), (ip_address("192.0.2.1"),), (ip_address("2001:db8::1"),))),
)
_packets = st.builds(
    FirstPacket,
    st.sampled_from(tuple(map(ip_address, ("10.1.1.1", "10.2.0.1", "192.0.2.9", "2001:db8::9")))),
    st.sampled_from((6, 17)),
    st.sampled_from((80, 82)),
    st.sets(st.integers(0, 5)),
)


@given(st.lists(_rules, max_size=5), _packets)
def test_every_rule_above_the_one_that_decides_has_a_reason(
    rules: list[Rule], packet: FirstPacket
) -> None:
    listed = (*rules, DEFAULT_RULE)

    place = deciding_place(listed, packet)

    assert all(mismatch(above, listed[above], packet) for above in range(place))
    assert mismatch(place, listed[place], packet) is None
    assert match_reason(listed[place], packet)
