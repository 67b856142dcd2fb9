"""`masquerade/nftables/plan.py`: the list of rules as sets and chains, row by row."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from ciliate.masquerade.nftables.model import AddressSet, Chain, Part
from ciliate.masquerade.nftables.plan import (
    BEGUN_BEFORE,
    Addresses,
    DeviceSource,
    RouteSource,
    Translation,
    hook_alone,
    is_translating,
    part_names,
    table_parts,
)
from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    decision_order,
)

NATIVE = (ip_network("10.244.0.0/16"), ip_network("fd00:244::/56"))
BOTH = Translation(versions=(4, 6), ports=(32768, 65535))
V4 = replace(BOTH, versions=(4,))
NOBODY = Addresses(pods=frozenset(), cluster=frozenset())
TO_OWN = ['oifname "lxc*" accept', 'oifname "cilium_*" accept']


def texts(parts: dict[str, Part], chain: str) -> list[str]:
    """The rules of a chain."""
    found = parts[chain]
    assert isinstance(found, Chain)
    return [rule.text for rule in found.rules]


def prefixes(parts: dict[str, Part], name: str) -> set[str]:
    """The members of a set."""
    found = parts[name]
    assert isinstance(found, AddressSet)
    return set(map(str, found.prefixes))


def test_rows_of_a_plain_cluster_decide_in_their_order_for_each_family() -> None:
    parts = table_parts(decision_order(native=NATIVE), BOTH, NOBODY)

    assert texts(parts, "decide") == [
        *TO_OWN,
        "ip daddr 10.244.0.0/16 accept",
        "ip daddr @cluster4 accept",
        "meta nfproto ipv4 meta l4proto { tcp, udp, icmp } masquerade to :32768-65535",
        "meta nfproto ipv4 counter drop",
        "ip6 daddr fd00:244::/56 accept",
        "ip6 daddr @cluster6 accept",
        "meta nfproto ipv6 meta l4proto { tcp, udp, ipv6-icmp } masquerade to :32768-65535",
        "meta nfproto ipv6 counter drop",
    ]


def test_packets_that_get_no_translation_are_dropped_where_they_need_one() -> None:
    parts = table_parts(decision_order(native=NATIVE), V4, NOBODY)

    assert texts(parts, "untranslated") == [
        *TO_OWN,
        "ip daddr 10.244.0.0/16 accept",
        "ip daddr @cluster4 accept",
        "meta nfproto ipv4 counter drop",
    ]
    assert texts(parts, "stray")[0] == (
        'ct state { invalid, untracked } iifname "lxc*" goto untranslated'
    )


def test_pods_are_known_by_interface_only_where_their_source_is_verified() -> None:
    verified = table_parts(decision_order(native=()), V4, NOBODY)
    unverified = table_parts(decision_order(native=()), replace(V4, verify_source=False), NOBODY)

    by_address = "ip saddr @pods4 fib saddr type != local goto decide"
    assert texts(verified, "postrouting") == ['iifname "lxc*" goto decide', by_address]
    assert texts(unverified, "postrouting") == [by_address]


def test_family_that_is_not_masqueraded_has_no_rule() -> None:
    parts = table_parts(decision_order(native=NATIVE), V4, NOBODY)

    assert set(parts) == {"pods4", "cluster4", "decide", "untranslated", "postrouting", "stray"}
    assert not [text for text in texts(parts, "decide") if "ip6" in text or "ipv6" in text]


def test_sets_hold_disjoint_prefixes_of_their_family() -> None:
    addresses = Addresses(
        pods=frozenset(map(ip_network, ("10.244.0.0/24", "10.244.0.7/32", "fd00:244::/64"))),
        cluster=frozenset(map(ip_network, ("192.168.10.100/32", "192.168.10.101/32"))),
    )

    parts = table_parts(decision_order(native=()), BOTH, addresses)

    assert prefixes(parts, "pods4") == {"10.244.0.0/24"}
    assert prefixes(parts, "pods6") == {"fd00:244::/64"}
    assert prefixes(parts, "cluster4") == {"192.168.10.100/31"}
    assert prefixes(parts, "cluster6") == set()


def test_many_ranges_of_ip_masq_agent_are_one_look_up() -> None:
    excluded = tuple(map(ip_network, ("10.10.1.0/24", "10.10.2.0/24", "fe80::/10")))

    parts = table_parts(decision_order(native=NATIVE, excluded=excluded), BOTH, NOBODY)

    assert prefixes(parts, "row2_4") == {"10.10.1.0/24", "10.10.2.0/24"}
    assert "ip daddr @row2_4 accept" in texts(parts, "decide")
    assert "ip6 daddr fe80::/10 accept" in texts(parts, "decide")
    assert "row2_6" not in parts


def test_list_that_excludes_nothing_adds_no_rule() -> None:
    without = table_parts(decision_order(native=NATIVE), BOTH, NOBODY)

    assert table_parts(decision_order(native=NATIVE, excluded=()), BOTH, NOBODY) == without


def test_excepted_part_of_a_destination_is_left_to_later_rows() -> None:
    policy = Rule(
        name="corporate",
        origin=Origin.POLICY,
        action=Action.KEEP,
        destinations=(
            Destination(ip_network("10.0.0.0/8"), (ip_network("10.128.0.0/9"),)),
            Destination(ip_network("10.128.1.0/24"), (ip_network("10.0.0.0/8"),)),
        ),
    )

    parts = table_parts(decision_order(native=(), policies=[policy]), V4, NOBODY)

    assert texts(parts, "decide")[3] == "ip daddr 10.0.0.0/9 accept"


def test_ports_of_a_rule_are_asked_with_their_protocol() -> None:
    policy = Rule(
        name="p",
        origin=Origin.POLICY,
        action=Action.KEEP,
        ports=(PortRange(6, 443, 445), PortRange(1)),
    )

    parts = table_parts(decision_order(native=(), policies=[policy]), V4, NOBODY)

    assert texts(parts, "decide")[3:5] == [
        "meta nfproto ipv4 meta l4proto 6 th dport 443-445 accept",
        "meta nfproto ipv4 meta l4proto 1 accept",
    ]


def test_rule_with_an_address_translates_its_family_alone() -> None:
    policy = Rule(
        name="p",
        origin=Origin.POLICY,
        action=Action.ADDRESS,
        addresses=(ip_address("fd00::77"), ip_address("fd00::78")),
        destinations=(Destination(ip_network("2001:db8::/32")),),
    )

    parts = table_parts(decision_order(native=(), policies=[policy]), BOTH, NOBODY)

    assert [text for text in texts(parts, "decide") if "snat" in text] == [
        (
            "ip6 daddr 2001:db8::/32 meta l4proto { tcp, udp, ipv6-icmp }"
            " snat ip6 to [fd00::77]:32768-65535"
        ),
    ]
    assert "ip6 daddr 2001:db8::/32 counter drop" in texts(parts, "decide")
    assert "ip6 daddr 2001:db8::/32 counter drop" in texts(parts, "untranslated")


def test_rule_whose_addresses_the_node_lacks_masquerades_by_the_device() -> None:
    policy = Rule(
        name="p",
        origin=Origin.POLICY,
        action=Action.ADDRESS,
        addresses=(ip_address("192.168.10.77"), ip_address("192.168.10.78")),
    )
    rules = decision_order(native=(), policies=[policy])

    has_one = table_parts(rules, replace(V4, held={ip_address("192.168.10.78")}), NOBODY)
    has_none = table_parts(rules, replace(V4, held=()), NOBODY)

    assert "snat ip to 192.168.10.78:" in texts(has_one, "decide")[3]
    assert texts(has_none, "decide")[3].startswith("meta nfproto ipv4 meta l4proto { tcp")
    assert "masquerade to :32768-65535" in texts(has_none, "decide")[3]


def test_rule_with_a_selector_asks_for_the_addresses_of_the_pods_it_selects() -> None:
    policy = Rule(
        name="p",
        origin=Origin.POLICY,
        action=Action.KEEP,
        pods=PodSelector(pool="blue"),
        destinations=(Destination(ip_network("10.0.0.0/8")),),
    )
    pods = set(map(ip_network, ("10.244.0.8/32", "10.244.0.9/32", "fd00:244::8/128")))
    addresses = replace(NOBODY, selected={1: pods})

    parts = table_parts(decision_order(native=(), policies=[policy]), BOTH, addresses)

    assert prefixes(parts, "row1_pods4") == {"10.244.0.8/31"}
    assert prefixes(parts, "row1_pods6") == {"fd00:244::8/128"}
    condition = "ip daddr 10.0.0.0/8 ip saddr @row1_pods4 accept"
    assert condition in texts(parts, "decide")
    assert condition in texts(parts, "untranslated")
    assert set(parts) <= set(part_names(3))


@pytest.mark.parametrize(
    ("interfaces", "places"),
    [((), [""]), (("eth0", "wl*"), ['oifname "eth0" ', 'oifname "wl*" '])],
)
def test_last_row_masquerades_on_the_named_devices_alone(
    interfaces: tuple[str, ...], places: list[str]
) -> None:
    parts = table_parts(decision_order(native=()), replace(V4, interfaces=interfaces), NOBODY)

    ports = "meta l4proto { tcp, udp, icmp } masquerade to :32768-65535"
    expected = [f"{place}meta nfproto ipv4 {ports}" for place in places]
    assert [t for t in texts(parts, "decide") if "masquerade" in t] == expected
    dropped = [f"{place}meta nfproto ipv4 counter drop" for place in places]
    assert [t for t in texts(parts, "untranslated") if t.endswith("drop")] == dropped


def test_protocols_without_ports_are_dropped_and_sctp_keeps_its_port_where_it_is_on() -> None:
    rules = decision_order(native=(), excluded=[ip_network("10.10.1.0/24")])

    without, with_sctp = (
        texts(table_parts(rules, replace(V4, sctp=on), NOBODY), "decide") for on in (False, True)
    )

    assert without[-1] == with_sctp[-1] == "meta nfproto ipv4 counter drop"
    added = [text for text in with_sctp if text not in without]
    assert added == ["meta nfproto ipv4 meta l4proto sctp masquerade"]
    assert with_sctp.index("ip daddr 10.10.1.0/24 accept") < with_sctp.index(added[0])


def test_random_ports_are_asked_of_every_translation() -> None:
    parts = table_parts(decision_order(native=()), replace(BOTH, random_fully=True), NOBODY)

    translations = [text for text in texts(parts, "decide") if "masquerade" in text]
    assert len(translations) == 2
    assert all(text.endswith(" fully-random") for text in translations)


def test_source_of_the_longest_route_is_taken_before_the_devices_address() -> None:
    routes = (
        RouteSource("eth0", ip_network("0.0.0.0/0"), ip_address("10.0.2.15")),
        RouteSource("eth1", ip_network("10.10.0.0/16"), ip_address("192.168.10.100")),
        RouteSource("eth1", ip_network("::/0"), ip_address("fd00:10::100")),
    )

    parts = table_parts(decision_order(native=()), replace(V4, sources=routes), NOBODY)

    assert texts(parts, "decide")[3:] == [
        (
            'meta nfproto ipv4 oifname "eth1" ip daddr 10.10.0.0/16'
            " meta l4proto { tcp, udp, icmp } snat ip to 192.168.10.100:32768-65535"
        ),
        (
            'meta nfproto ipv4 oifname "eth0" ip daddr 0.0.0.0/0'
            " meta l4proto { tcp, udp, icmp } snat ip to 10.0.2.15:32768-65535"
        ),
        "meta nfproto ipv4 meta l4proto { tcp, udp, icmp } masquerade to :32768-65535",
        "meta nfproto ipv4 counter drop",
    ]


def test_nodes_own_address_is_taken_on_its_device_and_the_kernels_choice_elsewhere() -> None:
    own = (
        DeviceSource("eth1", ip_address("192.168.10.100")),
        DeviceSource("eth1", ip_address("fd00:10::100")),
    )

    parts = table_parts(decision_order(native=()), replace(V4, devices=own), NOBODY)

    with_port = "meta l4proto { tcp, udp, icmp } "
    assert texts(parts, "decide")[3:] == [
        f'meta nfproto ipv4 oifname "eth1" {with_port}snat ip to 192.168.10.100:32768-65535',
        f"meta nfproto ipv4 {with_port}masquerade to :32768-65535",
        "meta nfproto ipv4 counter drop",
    ]


def test_while_the_programs_know_flows_they_translate_what_began_before() -> None:
    taking = table_parts(decision_order(native=()), replace(V4, taking_over=True), NOBODY)

    assert texts(taking, "decide")[0] == BEGUN_BEFORE.text
    # What conntrack cannot place is translated by them too.
    assert set(taking) == {"pods4", "cluster4", "decide", "postrouting"}


def test_table_says_whether_the_stack_translates_all_by_itself() -> None:
    whole = table_parts(decision_order(native=()), V4, NOBODY)
    taking = table_parts(decision_order(native=()), replace(V4, taking_over=True), NOBODY)

    assert is_translating(whole)
    assert not is_translating(taking)
    assert not is_translating(hook_alone())
    assert not is_translating({})


def test_table_that_translates_nothing_new_keeps_conntrack_at_work() -> None:
    (rule,) = texts(hook_alone(), "postrouting")

    assert rule.startswith("ct ")
