"""bpf/lib/masquerade_rules.h: the ordered list of rules, as to_uplink asks it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from tests.datapath.node_rig import IN, NODE_4, NODE_6, OUT, WORLD_4, Node, octets

from ciliate.datapath.layout import Endpoint, EndpointFlag, MasqueradeGeneration
from ciliate.masquerade.compile import RuleTables, compile_rules
from ciliate.masquerade.maps import MASQUERADE_GENERATIONS, MASQUERADE_RULES
from ciliate.masquerade.rule_table import RULES, RuleTable
from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    Selection,
    decision_order,
)
from ciliate.masquerade.table_entries import table_entries
from ciliate.node.maps import ENDPOINTS

POD_4, POD_6 = "10.244.0.1", "fd00:244::1"
NONE = RuleTables({}, has_agent=False)
EXCLUDED = [
    ip_network(text)
    for text in ("10.10.1.0/24", "203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32")
]
WEB = Rule(
    name="web",
    origin=Origin.POLICY,
    action=Action.DEVICE,
    destinations=(
        Destination(ip_network("203.0.113.0/24"), (ip_network("203.0.113.128/25"),)),
        Destination(ip_network("2001:db8:1::/48")),
    ),
    ports=(PortRange(6, 443, 444), PortRange(1)),
)


@pytest.fixture
def table(node: Node) -> Iterator[RuleTable]:
    opened = RuleTable(node.datapath)
    opened.replace(NONE)
    node.forget_flows()
    yield opened
    opened.replace(NONE)


def _rules(excluded: list[Any], *policies: Rule) -> RuleTables:
    return compile_rules(decision_order(native=[], policies=policies, excluded=excluded))


class Row(NamedTuple):
    """A packet of a pod, and whether it leaves with the pod's address."""

    packet: Any
    keeps: bool


def _v4(destination: str) -> Any:
    return IP(src=POD_4, dst=destination)


def _v6(destination: str) -> Any:
    return IPv6(src=POD_6, dst=destination)


ROWS = {
    "inside by TCP": Row(_v4("10.10.1.200") / TCP(sport=1024, dport=80), True),
    "inside by UDP": Row(_v4("10.10.1.200") / UDP(sport=1024, dport=53), True),
    "inside by ping": Row(_v4("10.10.1.0") / ICMP(id=3), True),
    "inside by GRE": Row(_v4("10.10.1.200") / GRE(), True),
    "inside, an error about no known connection": Row(
        _v4("10.10.1.200") / ICMP(type=3, code=3) / IP(src="10.10.1.200", dst=POD_4) / UDP(), True
    ),
    "the last address inside": Row(_v4("10.10.1.255") / UDP(sport=1, dport=1), True),
    "the one before": Row(_v4("10.10.0.255") / UDP(sport=1, dport=1), False),
    "the one behind": Row(_v4("10.10.2.0") / UDP(sport=1, dport=1), False),
    "a single address": Row(_v4("198.51.100.7") / TCP(sport=1024), True),
    "an earlier rule's port": Row(_v4(WORLD_4) / TCP(sport=1024, dport=444), False),
    "behind that port": Row(_v4(WORLD_4) / TCP(sport=1024, dport=445), True),
    "that port of another protocol": Row(_v4(WORLD_4) / UDP(sport=1024, dport=443), True),
    "an earlier rule's protocol without ports": Row(_v4(WORLD_4) / ICMP(id=4), False),
    "what that rule excepts": Row(_v4("203.0.113.129") / TCP(sport=1024, dport=443), True),
    "v6 inside by TCP": Row(_v6("2001:db8::10") / TCP(sport=1024, dport=443), True),
    "v6 inside by ping": Row(_v6("2001:db8::10") / ICMPv6EchoRequest(id=5), True),
    "v6 outside": Row(_v6("2001:db9::10") / TCP(sport=1024, dport=443), False),
    "v6 an earlier rule's port": Row(_v6("2001:db8:1::1") / TCP(sport=1024, dport=443), False),
    "v6 behind that port": Row(_v6("2001:db8:1::1") / TCP(sport=1024, dport=80), True),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_first_rule_for_a_packet_decides_its_source(
    node: Node, table: RuleTable, row: Row
) -> None:
    table.replace(_rules(EXCLUDED, WEB))

    sent = node.sent_out(row.packet).payload

    assert (sent.src == row.packet.src) is row.keeps


def test_ipv6_prefix_of_everything_says_nothing_of_ipv4(node: Node, table: RuleTable) -> None:
    table.replace(_rules([ip_network("::/0")]))

    assert node.sent_out(_v6("2001:db9::1") / UDP(sport=1, dport=1)).payload.src == POD_6
    assert node.sent_out(_v4(WORLD_4) / UDP(sport=1, dport=1)).payload.src == NODE_4


@pytest.mark.parametrize("version", [4, 6])
def test_ranges_of_every_length_are_told_apart(node: Node, table: RuleTable, version: int) -> None:
    """Every other length of one address's prefixes is a rule that hides the pod."""
    world = ip_address("203.0.113.10" if version == 4 else "2001:db8::10")
    whole = world.max_prefixlen
    prefixes = [ip_network((int(world), bits), strict=False) for bits in range(1, whole + 1)]
    hiding = Rule(
        name="hiding",
        origin=Origin.POLICY,
        action=Action.DEVICE,
        destinations=tuple(
            Destination(each, (prefixes[at + 1],) if at + 1 < whole else ())
            for at, each in enumerate(prefixes)
            if at % 2
        ),
    )
    table.replace(_rules(prefixes, hiding))

    for bits in range(1, whole + 1):
        # Inside of the prefix of this length, and of no longer one.
        flipped = 1 << whole - bits - 1 if bits < whole else 0
        destination = str(ip_address(int(world) ^ flipped))
        packet = (_v4 if version == 4 else _v6)(destination) / UDP(sport=bits, dport=9)
        sent = node.sent_out(packet).payload
        assert (sent.src == packet.src) is bool(bits % 2), f"/{bits}: {destination}"


def test_table_that_somebody_changed_is_not_taken_for_the_one_in_force(
    node: Node, table: RuleTable
) -> None:
    table.replace(_rules(EXCLUDED))
    with node.datapath.opened(MASQUERADE_RULES) as rules:
        key, _ = next(rules.items())
        rules.remove(key)

    assert table.read() != _rules(EXCLUDED)


def test_rules_are_read_back_as_they_are_in_force(table: RuleTable) -> None:
    wanted = _rules(EXCLUDED, WEB)

    for _ in range(3):  # Both generations, and the first one anew.
        table.replace(wanted)

        assert table.read() == wanted


def test_what_a_killed_agent_wrote_half_is_not_in_force_and_goes_with_the_next(
    node: Node, table: RuleTable
) -> None:
    table.replace(_rules(EXCLUDED))
    with (
        node.datapath.opened(MASQUERADE_RULES) as rules,
        node.datapath.opened(MASQUERADE_GENERATIONS) as generations,
    ):
        now = generations.get(0)
        assert now is not None
        rules.put_many(table_entries(_rules([ip_network("0.0.0.0/0")]), now.number + 1).rules)

        assert node.sent_out(_v4("192.0.2.1") / TCP(sport=1)).payload.src == NODE_4
        table.replace(NONE)
        assert rules.count() == 0


def test_generation_after_the_last_number_is_not_that_of_a_new_map(
    node: Node, table: RuleTable
) -> None:
    with node.datapath.opened(MASQUERADE_GENERATIONS) as generations:
        generations.put(0, MasqueradeGeneration(number=(1 << 32) - 1, flags=0))

    table.replace(_rules(EXCLUDED))

    assert table.read() == _rules(EXCLUDED)
    assert node.sent_out(_v4("10.10.1.200") / TCP(sport=1)).payload.src == POD_4


def test_no_packet_meets_half_of_a_list(node: Node, table: RuleTable) -> None:
    """Lists that both have a destination follow each other; its packets never miss it."""
    first = [ip_network((0x0B << 24 | n << 8, 24)) for n in range(400)]
    second = [ip_network((0x0C << 24 | n << 8, 24)) for n in range(400)]
    lists = [_rules([*some, ip_network("203.0.113.0/24")]) for some in (first, second)]
    table.replace(lists[0])
    is_over = threading.Event()

    def reload() -> None:
        for turn in range(40):
            table.replace(lists[turn % 2])
        is_over.set()

    reloading = threading.Thread(target=reload)
    reloading.start()
    sent, hidden = 0, 0
    frame = bytes(OUT / _v4(WORLD_4) / UDP(sport=7, dport=7))
    kept = node.run("to_uplink", frame, ifindex=node.uplink_ifindex).packet
    while not is_over.is_set():
        sent += 1
        hidden += node.run("to_uplink", frame, ifindex=node.uplink_ifindex).packet != kept
    reloading.join()

    assert bytes(kept) == frame
    assert sent > 100
    assert hidden == 0


@pytest.mark.parametrize("excluded_first", [True, False])
def test_tcp_keeps_for_its_life_what_was_decided_and_others_follow_the_rules(
    node: Node, table: RuleTable, *, excluded_first: bool
) -> None:
    """A change of its address ends a TCP connection, and a ping shows it."""
    lists = [_rules(EXCLUDED), NONE]
    before, after = lists if excluded_first else reversed(lists)
    tcp, udp = (_v4(WORLD_4) / layer(sport=50000, dport=80) for layer in (TCP, UDP))
    flows = [tcp, udp, _v4(WORLD_4) / ICMP(id=7), _v6("2001:db8::10") / ICMPv6EchoRequest(id=7)]
    new = _v4(WORLD_4) / TCP(sport=50001, dport=80)
    table.replace(before)
    for each in flows:
        assert (node.sent_out(each).payload.src == each.src) is excluded_first
    answer = IP(src=WORLD_4, dst=POD_4 if excluded_first else NODE_4)
    node.from_uplink(IN / answer / TCP(sport=80, dport=50000, flags="SA"))

    table.replace(after)

    kept = [node.sent_out(each).payload.src == each.src for each in (*flows, new)]
    follows = not excluded_first
    assert kept == [excluded_first, follows, follows, follows, follows]


@pytest.mark.parametrize("end", ["never answered", "closed"])
def test_tcp_that_does_not_stand_is_decided_anew_by_its_next_syn(
    node: Node, table: RuleTable, end: str
) -> None:
    """A client with a port of its own comes back, by the rules of now."""
    syn = _v4(WORLD_4) / TCP(sport=50000, dport=80)
    assert node.sent_out(syn).payload.src == NODE_4
    if end == "closed":
        answer = IP(src=WORLD_4, dst=NODE_4)
        node.from_uplink(IN / answer / TCP(sport=80, dport=50000, flags="SA"))
        node.from_uplink(IN / answer / TCP(sport=80, dport=50000, flags="RA"))

    table.replace(_rules(EXCLUDED))

    assert node.sent_out(syn).payload.src == POD_4


BLUE, GREEN = 1, 2
CLASSES = (
    Rule(
        name="blue keeps",
        origin=Origin.POLICY,
        action=Action.KEEP,
        pods=PodSelector(pool="blue"),
        destinations=(Destination(ip_network("203.0.113.0/24")),),
        ports=(PortRange(6, 443, 443),),
    ),
    Rule(
        name="green by an address",
        origin=Origin.POLICY,
        action=Action.ADDRESS,
        pods=PodSelector(pool="green"),
        addresses=(ip_address("192.168.10.77"), ip_address("2001:db8:10::77")),
    ),
    Rule(
        name="all",
        origin=Origin.POLICY,
        action=Action.KEEP,
        destinations=(Destination(ip_network("198.51.100.0/24")),),
    ),
)


def _classes(pods: dict[int, int]) -> RuleTables:
    """Return tables in which the pods of these endpoints are blue or green."""
    rules = decision_order(native=[], policies=CLASSES, excluded=EXCLUDED)
    places = {each.name: at for at, each in enumerate(rules)}
    classes = [
        Selection(frozenset({places[name]}), frozenset({places[name]}))
        for name in ("blue keeps", "green by an address")
    ]
    return replace(compile_rules(rules, classes=classes), pods=pods)


@pytest.fixture
def node_address(node: Node) -> Iterator[str]:
    """An address that the node has, at no device of its programs."""
    entry = Endpoint(0, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))
    with node.datapath.opened(ENDPOINTS) as endpoints:
        endpoints.put(octets("192.168.10.77"), entry)
        yield "192.168.10.77"
        endpoints.remove_many([octets("192.168.10.77")])


class Seen(NamedTuple):
    """A destination, its port, and with which address pods of each class reach it."""

    destination: str
    port: int
    blue: str
    green: str
    others: str


@pytest.mark.parametrize(
    "seen",
    [
        Seen(WORLD_4, 443, POD_4, "192.168.10.77", POD_4),  # ip-masq-agent's, for those others.
        Seen("192.0.2.1", 443, NODE_4, "192.168.10.77", NODE_4),
        Seen("198.51.100.1", 443, POD_4, "192.168.10.77", POD_4),
        Seen("203.0.114.1", 443, NODE_4, "192.168.10.77", NODE_4),
    ],
)
@pytest.mark.usefixtures("node_address")
def test_pods_of_each_class_get_the_address_of_the_rules_that_are_for_them(
    node: Node, table: RuleTable, seen: Seen
) -> None:
    sources = []
    for sport, pods in enumerate(({1: BLUE}, {1: GREEN}, {2: BLUE}), start=1024):
        table.replace(_classes(pods))
        packet = _v4(seen.destination) / TCP(sport=sport, dport=seen.port)
        sources.append(node.sent_out(packet).payload.src)

    assert sources == [seen.blue, seen.green, seen.others]


def test_connection_keeps_a_rules_address_while_the_node_has_it(
    node: Node, table: RuleTable, node_address: str
) -> None:
    """Answers come to it; without the address the packet gets the device's."""
    table.replace(_classes({1: GREEN}))
    first = _v4(WORLD_4) / TCP(sport=1024, dport=443)
    sent = node.sent_out(first)
    assert sent.payload.src == node_address
    back = IP(src=WORLD_4, dst=node_address) / TCP(sport=443, dport=sent.payload.sport, flags="SA")
    assert Ether(node.from_uplink(IN / back).packet).payload.dst == POD_4
    ack = _v4(WORLD_4) / TCP(sport=1024, dport=443, flags="A")

    table.replace(NONE)

    assert node.sent_out(ack).payload.src == node_address
    with node.datapath.opened(ENDPOINTS) as endpoints:
        endpoints.remove(octets(node_address))
    assert node.sent_out(ack).payload.src == NODE_4


def test_rule_with_an_address_that_the_node_lost_means_the_devices(
    node: Node, table: RuleTable
) -> None:
    table.replace(_classes({1: GREEN}))

    assert node.sent_out(_v4(WORLD_4) / TCP(sport=1024)).payload.src == NODE_4
    assert node.sent_out(_v6("2001:db9::1") / TCP(sport=1024)).payload.src == NODE_6


def _has_placed(pods: dict[int, int], tables: RuleTables) -> bool:
    return tables.pods == pods


async def test_pods_that_change_their_class_leave_the_rules_as_they_are(
    node: Node, table: RuleTable
) -> None:
    """A new generation would have every UDP flow decided anew."""
    await table.put({RULES: _classes({2: BLUE})})
    with node.datapath.opened(MASQUERADE_GENERATIONS) as generations:
        before = generations.get(0)
        for pods in ({1: BLUE, 2: BLUE}, {1: GREEN}, {}):
            await table.put({RULES: _classes(pods)})
            await table.reached(partial(_has_placed, pods))

            assert table.read() == _classes(pods)
            assert generations.get(0) == before


def test_connection_says_which_rule_of_which_list_decided(node: Node, table: RuleTable) -> None:
    table.replace(_rules(EXCLUDED, WEB))
    with node.datapath.opened(MASQUERADE_GENERATIONS) as generations:
        now = generations.get(0)
        assert now is not None
    node.sent_out(_v4("203.0.113.129") / TCP(sport=1024, dport=443))
    node.sent_out(_v4(WORLD_4) / TCP(sport=1024, dport=443))

    excluded, web = sorted(node.connections(), key=lambda each: each.remote, reverse=True)
    assert (excluded.rules_generation, web.rules_generation) == (now.number, now.number)
    assert excluded.rule > web.rule
    assert (excluded.seen == excluded.local, web.seen == web.local) == (True, False)
