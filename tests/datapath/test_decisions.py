"""bpf/lib/decision.h: programs that tell what the live ones do, and do nothing themselves."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from tests.datapath.all_maps import ALL
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    OTHER_NODE_4,
    OTHER_NODE_6,
    REDIRECT,
    REMOTE_POD_4,
    REMOTE_POD_6,
    WORLD_4,
    WORLD_6,
    Node,
)

from ciliate.datapath import test_run
from ciliate.datapath.layout import Decision, DecisionStep, DropReason, MasqueradeAction
from ciliate.masquerade.compile import compile_rules
from ciliate.masquerade.explain.question import Sender, first_packet, read_target
from ciliate.masquerade.maps import DECISIONS
from ciliate.masquerade.rule_table import RuleTable
from ciliate.masquerade.rules import Action, Destination, Origin, PortRange, Rule, decision_order
from ciliate.net.address import Mac, from_octets, host_network

POD = {4: "10.244.0.1", 6: "fd00:244::1"}
SENDER_MACS = Mac("ee:0a:00:00:00:01"), Mac("ee:0b:00:00:00:01")

RULES = decision_order(
    native=[],
    policies=[
        Rule(
            name="web keeps",
            origin=Origin.POLICY,
            action=Action.KEEP,
            destinations=(
                Destination(host_network(ip_address(WORLD_4))),
                Destination(host_network(ip_address(WORLD_6))),
            ),
            ports=(PortRange(6, 443, 443), PortRange(1), PortRange(58)),
        ),
        Rule(
            name="one address",
            origin=Origin.POLICY,
            action=Action.ADDRESS,
            addresses=(ip_address(NODE_4), ip_address(NODE_6)),
            ports=(PortRange(17, 53, 53),),
        ),
    ],
    excluded=[ip_network("198.51.100.0/24"), ip_network("2001:db9::/32")],
)
WORDS = [
    f"{host}{port}"
    for host, port in product(
        (WORLD_4, "198.51.100.1", "192.0.2.1", OTHER_NODE_4, REMOTE_POD_4),
        (":80", ":443", ":53/udp", ":9/udp", "", ":7/sctp"),
    )
] + [
    f"[{host}]{port}"
    for host, port in product(
        (WORLD_6, "2001:db9::1", "2001:dba::1", OTHER_NODE_6, REMOTE_POD_6),
        (":80", ":443", ":53/udp", ":9/udp", "", ":7/sctp"),
    )
]


@pytest.fixture(autouse=True)
def listed(node: Node) -> Iterator[None]:
    RuleTable(node.datapath).replace(compile_rules(RULES))
    node.forget_flows()
    yield
    RuleTable(node.datapath).replace(compile_rules(decision_order(native=[])))


def _frame(word: str, source_port: int = 0) -> bytes:
    target = read_target(word)
    sender = Sender(ip_address(POD[target.address.version]), *SENDER_MACS)
    return first_packet(sender, target, source_port)


def _told(node: Node, frame: bytes, program: str = "from_pod") -> tuple[Decision, test_run.Run]:
    fd = node.datapath.dry_run_fd(program)
    ifindex = node.pod1.host_ifindex if program == "from_pod" else node.uplink_ifindex
    with node.datapath.opened(DECISIONS) as decisions:
        decisions.put(0, Decision.unpack(bytes(Decision.SIZE)))
        run = test_run.run(fd, frame, ifindex=ifindex)
        found = decisions.get(0)
    assert found is not None
    return found, run


def _source(frame: bytes) -> str:
    return str(Ether(frame).payload.src)


@pytest.mark.parametrize("word", WORDS)
def test_what_is_told_is_what_a_packet_gets(node: Node, word: str) -> None:
    frame = _frame(word, source_port=1024)

    told, _ = _told(node, frame)
    live = node.run("from_pod", frame, ifindex=node.pod1.host_ifindex)

    assert bool(told.reason) is (live.verdict != REDIRECT)
    if live.verdict == REDIRECT:
        assert told.ifindex == node.uplink_ifindex
        expected = from_octets(told.seen) if any(told.seen) else ip_address(_source(frame))
        assert ip_address(_source(live.packet)) == expected
    else:
        assert told.reason == DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL


def test_telling_changes_no_map_and_no_packet(node: Node) -> None:
    """Neither of new flows nor of one that is known, over, or about to be decided anew."""
    for word in (f"{WORLD_4}:80", f"{WORLD_4}:9/udp", f"[{WORLD_6}]:443"):
        node.run("from_pod", _frame(word, 1024), ifindex=node.pod1.host_ifindex)
    over = next(iter(node.connections()))
    node.change(over, expires_ns=1)
    before = _contents(node)

    for word, port, program in product(WORDS, (0, 1024, 40000), ("from_pod", "to_uplink")):
        frame = _frame(word, port)
        _, run = _told(node, frame, program)
        assert _source(run.packet) == _source(frame), word

    assert _contents(node) == before


def _contents(node: Node) -> dict[str, Any]:
    contents = {}
    for which in ALL:
        if which is not DECISIONS:
            with node.datapath.opened(which) as opened:
                contents[which.name] = dict(opened.items())
    return contents


def test_rule_that_decides_is_told_by_its_place(node: Node) -> None:
    told, _ = _told(node, _frame(f"{WORLD_4}:443"))
    assert (told.step, told.rule) == (DecisionStep.DECISION_RULE, 1)
    assert told.action == MasqueradeAction.MASQUERADE_KEEP

    told, _ = _told(node, _frame("192.0.2.1:53/udp"))
    assert (told.rule, told.action) == (2, MasqueradeAction.MASQUERADE_ADDRESS)

    told, _ = _told(node, _frame("198.51.100.1:80"))
    assert (told.rule, told.action) == (3, MasqueradeAction.MASQUERADE_KEEP)

    told, _ = _told(node, _frame("192.0.2.1:80"))
    assert told.action == MasqueradeAction.MASQUERADE_NO_RULE

    told, _ = _told(node, _frame(OTHER_NODE_4))
    assert told.step == DecisionStep.DECISION_CLUSTER


def test_flow_that_is_known_is_told_with_its_port_and_the_list_that_decided(node: Node) -> None:
    frame = _frame(f"{WORLD_4}:80", source_port=40000)
    live = node.run("from_pod", frame, ifindex=node.pod1.host_ifindex)
    sent = Ether(live.packet)
    back = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=sent[TCP].sport, flags="SA")
    node.from_uplink(IN / back)
    RuleTable(node.datapath).replace(compile_rules(decision_order(native=[])))

    told, _ = _told(node, frame)

    assert told.step == DecisionStep.DECISION_CONNECTION
    assert (from_octets(told.seen), told.seen_port) == (ip_address(NODE_4), sent[TCP].sport)
    known = next(iter(node.connections()))
    assert told.generation == known.rules_generation


def test_packet_that_may_not_leave_is_told_with_its_reason(node: Node) -> None:
    forged = Ether(_frame(WORLD_4))
    forged[IP].src = "10.244.0.77"
    told, _ = _told(node, bytes(forged))
    assert told.reason == DropReason.DROP_INVALID_SOURCE_IP

    to_group = Ether(_frame(f"[{WORLD_6}]:80"))
    to_group[IPv6].dst = "ff02::1"
    told, _ = _told(node, bytes(to_group))
    assert told.reason == DropReason.DROP_UNKNOWN_L3_TARGET
