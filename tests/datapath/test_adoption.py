"""bpf/adopt.bpf.c: connections that the stack translates have their ports for themselves."""

from ipaddress import ip_address
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from tests.datapath.node_rig import IN, NODE_4, NODE_6, OK, WORLD_4, WORLD_6, Node

from ciliate.datapath.layout import ConnectionOwnerNumber
from ciliate.masquerade.nftables.adoption import adopt_flows
from ciliate.netlink.conntrack import TrackedFlow

POD = {4: ip_address("10.244.0.1"), 6: ip_address("fd00:244::1")}
OTHER_POD = {4: "10.244.0.2", 6: "fd00:244::2"}
NODE = {4: NODE_4, 6: NODE_6}
WORLD = {4: WORLD_4, 6: WORLD_6}
PORT = 40000


def _flow(version: int, protocol: int, port: int) -> TrackedFlow:
    """A flow of a pod's that conntrack translates to the node's address and PORT."""
    return TrackedFlow(
        source=POD[version],
        destination=ip_address(WORLD[version]),
        protocol=protocol,
        port=port,
        seen=ip_address(NODE[version]),
        seen_port=PORT,
        name=b"",
    )


def _adopt(node: Node, *flows: TrackedFlow) -> int:
    return adopt_flows(node.datapath.adopt_fd(), flows)


def _network(version: int, source: str, destination: str) -> Any:
    return (IP if version == 4 else IPv6)(src=source, dst=destination)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("layer", "protocol"), [(TCP, 6), (UDP, 17)])
def test_no_pod_gets_the_port_of_a_connection_that_was_adopted(
    node: Node, version: int, layer: Any, protocol: int
) -> None:
    node.forget_flows()
    assert _adopt(node, _flow(version, protocol, 80)) == 1

    other = _network(version, OTHER_POD[version], WORLD[version]) / layer(sport=PORT, dport=80)
    sent = node.sent_out(other).payload

    assert sent.src == NODE[version]
    assert sent.payload.sport != PORT
    elsewhere = _network(version, OTHER_POD[version], WORLD[version]) / layer(sport=PORT, dport=81)
    assert node.sent_out(elsewhere).payload.payload.sport == PORT


@pytest.mark.parametrize("version", [4, 6])
def test_packets_of_an_adopted_connection_pass_as_they_are_both_ways(
    node: Node, version: int
) -> None:
    """The stack has translated what leaves, and turns back what comes."""
    node.forget_flows()
    _adopt(node, _flow(version, 6, 80))
    leaving = _network(version, NODE[version], WORLD[version]) / TCP(
        sport=PORT, dport=80, flags="A"
    )
    coming = _network(version, WORLD[version], NODE[version]) / TCP(
        sport=80, dport=PORT, flags="A"
    )

    assert bytes(node.sent_out(leaving).payload) == bytes(leaving)
    arrived = node.from_uplink(IN / coming)
    assert arrived.verdict == OK
    assert bytes(Ether(arrived.packet).payload) == bytes(coming)


@pytest.mark.parametrize(
    ("version", "protocol", "ask", "answer"),
    [
        (4, 1, ICMP(type=8, id=PORT), ICMP(type=0, id=PORT)),
        (6, 58, ICMPv6EchoRequest(id=PORT), ICMPv6EchoReply(id=PORT)),
    ],
)
def test_answer_of_an_adopted_ping_stays_the_stacks(
    node: Node, version: int, protocol: int, ask: Any, answer: Any
) -> None:
    node.forget_flows()
    assert _adopt(node, _flow(version, protocol, 0)) == 1

    other = node.sent_out(_network(version, OTHER_POD[version], WORLD[version]) / ask).payload
    arrived = node.from_uplink(IN / (_network(version, WORLD[version], NODE[version]) / answer))

    assert other.payload.id != PORT
    assert arrived.verdict == OK
    assert Ether(arrived.packet).payload.dst == NODE[version]


def test_connection_is_adopted_once_and_none_that_the_programs_know(node: Node) -> None:
    """An agent that starts again in the middle of a change asks again."""
    node.forget_flows()
    flow = _flow(4, 6, 80)
    assert [_adopt(node, flow), _adopt(node, flow)] == [1, 0]
    (known,) = node.connections()
    assert known.owner == ConnectionOwnerNumber.OWNER_NODE

    node.forget_flows()
    mine = IP(src="10.244.0.1", dst=WORLD_4) / TCP(sport=PORT, dport=80)
    assert node.sent_out(mine).payload.payload.sport == PORT
    assert _adopt(node, flow) == 0
