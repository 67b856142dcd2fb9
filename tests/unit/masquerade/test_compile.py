"""The table of prefixes says what the ordered list says, for every destination."""

from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.masquerade.compile import (
    CHOICES_MAX,
    CLASS_ALL,
    PREFIXES_MAX,
    Choice,
    RuleTables,
    TooManyChoicesError,
    TooManyPrefixesError,
    compile_rules,
)
from ciliate.masquerade.rules import (
    UNSELECTED,
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    Selection,
    decision_order,
    is_tabled,
    keep_rule,
)
from ciliate.net.address import IPAddress, IPNetwork, to_octets

TCP, UDP, ICMP = 6, 17, 1


def _policy(name: str = "p", action: Action = Action.DEVICE, **fields: object) -> Rule:
    return Rule(name=name, origin=Origin.POLICY, action=action, **fields)  # type: ignore[arg-type] # of Rule's own.


Packet = tuple[IPAddress, int, int]


def _looked_up(tables: RuleTables, packet: Packet, pods: int = CLASS_ALL) -> Choice | None:
    """Do what the program does: the longest prefix, then its first choice that fits."""
    destination, protocol, port = packet
    number = int.from_bytes(to_octets(destination), "big")
    covering = [
        prefix
        for prefix in tables.outcomes
        if prefix.pods == pods
        and prefix.version == destination.version
        and number >> 128 - prefix.bits == prefix.begin >> 128 - prefix.bits
    ]
    if not covering:
        return None
    outcome = tables.outcomes[max(covering, key=lambda prefix: prefix.bits)]
    for choice in outcome.choices:
        if choice.protocol == 0 or (
            choice.protocol == protocol and choice.port_first <= port <= choice.port_last
        ):
            return choice
    return None


def _first_match(
    rules: tuple[Rule, ...], packet: Packet, selection: Selection = UNSELECTED
) -> int | None:
    return next(
        (
            place
            for place, rule in enumerate(rules)
            if is_tabled(rule)
            and (rule.pods is None or place in selection.of(packet[0].version))
            and rule.matches(*packet)
        ),
        None,
    )


# Few bits, so that prefixes meet: 10.0.0.0/8 with 4 bits below, and the same of IPv6.
def _network(version: int, bits: int, number: int) -> IPNetwork:
    top, width = (0x0A << 24, 28) if version == 4 else (0x2001 << 112, 124)
    length = 0 if bits == 0 else width + bits
    whole = 32 if version == 4 else 128
    return ip_network((top + number >> whole - length << whole - length, length))


_networks = st.builds(_network, st.sampled_from((4, 6)), st.integers(0, 4), st.integers(0, 15))
_destinations = _networks.flatmap(
    lambda prefix: st.builds(
        lambda excepts: Destination(
            prefix, tuple(each for each in excepts if each.version == prefix.version)
        ),
        st.lists(_networks, max_size=2),
    )
)
_ranges = st.builds(
    lambda protocol, first, more: PortRange(protocol, first, min(first + more, 65535)),
    st.sampled_from((TCP, UDP)),
    st.integers(1, 4),
    st.integers(0, 3),
) | st.just(PortRange(ICMP))
_rules = st.builds(
    _policy,
    name=st.just("p"),
    action=st.sampled_from((Action.KEEP, Action.DEVICE)),
    pods=st.sampled_from((None, PodSelector(pool="blue"))),
    destinations=st.none() | st.lists(_destinations, max_size=4).map(tuple),
    ports=st.none() | st.lists(_ranges, max_size=2).map(tuple),
) | st.builds(
    _policy,
    action=st.just(Action.ADDRESS),
    addresses=st.lists(
        st.sampled_from(tuple(map(ip_address, ("192.0.2.9", "192.0.2.8", "2001:db8::9")))),
        max_size=3,
    ).map(tuple),
    destinations=st.none() | st.lists(_destinations, max_size=2).map(tuple),
)
_packets = st.tuples(
    st.integers(0, 15).map(lambda n: ip_address((0x0A << 24) + n))
    | st.integers(0, 15).map(lambda n: ip_address((0x2001 << 112) + n))
    | st.sampled_from((ip_address("192.0.2.1"), ip_address("fe80::1"))),
    st.sampled_from((TCP, UDP, ICMP)),
    st.integers(1, 7),
).map(lambda packet: packet if packet[1] != ICMP else (*packet[:2], 0))


@given(
    st.lists(_rules, max_size=6),
    st.none() | st.lists(_networks, max_size=6),
    st.lists(_packets, min_size=1, max_size=20),
)
def test_one_look_up_finds_the_first_rule_that_matches(
    policies: list[Rule],
    excluded: list[IPNetwork] | None,
    packets: list[Packet],
) -> None:
    rules = decision_order(native=[ip_network("10.0.0.0/8")], policies=policies, excluded=excluded)

    tables = compile_rules(rules)

    for packet in packets:
        choice, place = _looked_up(tables, packet), _first_match(rules, packet)
        assert (choice.place if choice is not None else None) == place
        if choice is not None:
            assert choice.action is rules[choice.place].action
            assert choice.address == rules[choice.place].address(packet[0].version)


@given(
    st.lists(_rules, max_size=6),
    st.none() | st.lists(_networks, max_size=6),
    st.lists(st.tuples(*[st.sets(st.integers(1, 7))] * 2), max_size=3),
    st.lists(_packets, min_size=1, max_size=20),
)
def test_table_of_a_class_and_then_that_of_all_find_the_first_rule_for_its_pods(
    policies: list[Rule],
    excluded: list[IPNetwork] | None,
    selected: list[tuple[set[int], set[int]]],
    packets: list[Packet],
) -> None:
    rules = decision_order(native=[ip_network("10.0.0.0/8")], policies=policies, excluded=excluded)
    classes = [
        Selection(
            *(
                frozenset(p for p in each if p < len(rules) and rules[p].pods is not None)
                for each in both
            )
        )
        for both in selected
    ]

    tables = compile_rules(rules, classes=classes)

    for packet in packets:
        for number, selection in enumerate(classes, start=1):
            choice = _looked_up(tables, packet, number) or _looked_up(tables, packet)
            place = _first_match(rules, packet, selection)
            assert (choice.place if choice is not None else None) == place


def test_rule_means_the_first_of_its_addresses_that_the_node_has_else_the_devices() -> None:
    named = tuple(map(ip_address, ("192.0.2.1", "192.0.2.2", "2001:db8::1")))
    rules = (_policy(action=Action.ADDRESS, addresses=named),)

    tables = compile_rules(rules, held=[ip_address("192.0.2.2")])

    v4 = _looked_up(tables, (ip_address("203.0.113.10"), TCP, 80))
    v6 = _looked_up(tables, (ip_address("2001:db8::10"), TCP, 80))
    assert v4 is not None
    assert v6 is not None
    assert (v4.action, v4.address) == (Action.ADDRESS, ip_address("192.0.2.2"))
    assert (v6.action, v6.address) == (Action.DEVICE, None)


@given(st.lists(_networks, max_size=12))
def test_agents_list_is_read_back_from_the_table_as_it_was(excluded: list[IPNetwork]) -> None:
    policy = _policy(destinations=(Destination(ip_network("10.0.0.0/29")),))
    rules = decision_order(native=[], policies=[policy], excluded=excluded)

    tables = compile_rules(rules)

    assert tables.has_agent
    assert sorted(tables.agent_prefixes(), key=str) == sorted(set(excluded), key=str)


def test_agent_that_is_off_is_told_from_one_that_excludes_nothing() -> None:
    assert not compile_rules(decision_order(native=[])).has_agent
    assert compile_rules(decision_order(native=[], excluded=[])).has_agent


def test_ranges_beyond_what_a_packet_looks_at_are_refused_by_the_names_of_their_rules() -> None:
    ports = tuple(PortRange(TCP, port, port) for port in range(1, CHOICES_MAX + 1))
    near = _policy("near", ports=ports, destinations=(Destination(ip_network("10.1.0.0/16")),))
    wide = _policy("wide", ports=(PortRange(UDP, 53, 53),))

    compile_rules(decision_order(native=[], policies=[near]))
    with pytest.raises(TooManyChoicesError, match=r"near, wide: .* for 10\.1\.0\.0/16"):
        compile_rules(decision_order(native=[], policies=[near, wide]))


def test_prefixes_beyond_what_the_map_holds_twice_are_refused() -> None:
    some = [IPv4Network((number << 8, 24)) for number in range(PREFIXES_MAX + 1)]
    rules = (keep_rule("ip-masq-agent", Origin.IP_MASQ_AGENT, some),)

    with pytest.raises(TooManyPrefixesError, match=str(PREFIXES_MAX + 1)):
        compile_rules(rules)
