"""bpf/to_uplink.bpf.c and from_uplink.bpf.c: what the world sees of a pod, and the way back."""

from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    OK,
    OTHER_NODE_4,
    OTHER_NODE_6,
    OUT,
    REDIRECT,
    REMOTE_POD_4,
    REMOTE_POD_6,
    ROUTER_4,
    SHOT,
    WORLD_4,
    WORLD_6,
    Node,
    octets,
)
from tests.datapath.soundness import ethernet, sound

from ciliate.config.datapath_defaults import SNAT_PORT_MAX, SNAT_PORT_MIN
from ciliate.datapath.layout import (
    AttachPoint,
    DropReason,
    MasqueradeAddress,
    NatEntry,
    Tuple,
    TupleDirection,
)
from ciliate.masquerade.maps import CONNTRACK, MASQUERADE_ADDRESSES, NAT

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
POD2_4 = "10.244.0.2"
FROM_POD = Ether(src=POD1_MAC, dst="ee:0b:00:00:00:01")
SECOND_NS = 1_000_000_000
BODY = Raw(b"x" * 40)


class Row(NamedTuple):
    """A packet and the row of docs/DATAPATH.md, to_uplink, that decides it."""

    name: str
    packet: Any
    hidden: bool


ROWS = [
    Row("3: inside the native routing prefix", IP(src=POD1_4, dst="10.244.9.9") / UDP(), False),
    Row("3: a remote pod", IP(src=POD1_4, dst=REMOTE_POD_4) / TCP(), False),
    Row("7: another node", IP(src=POD1_4, dst=OTHER_NODE_4) / ICMP(id=30), False),
    Row("9: the router beside the nodes", IP(src=POD1_4, dst=ROUTER_4) / ICMP(id=31), True),
    Row("9: the world by TCP", IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1024), True),
    Row("9: the world by UDP", IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1024), True),
    Row("4: forwarded for another network", IP(src="172.16.0.9", dst=WORLD_4) / UDP(), False),
    Row("4: a remote pod's packet in transit", IP(src=REMOTE_POD_4, dst=WORLD_4) / TCP(), False),
    Row("4: the node, from another address", IP(src="10.0.2.15", dst=WORLD_4) / TCP(), False),
    Row("9: an echo reply", IP(src=POD1_4, dst=WORLD_4) / ICMP(type=0, id=5), False),
    Row("9: a protocol without ports", IP(src=POD1_4, dst=WORLD_4) / GRE(), False),
    Row("v6 3: a remote pod", IPv6(src=POD1_6, dst=REMOTE_POD_6) / TCP(), False),
    Row("v6 7: another node", IPv6(src=POD1_6, dst=OTHER_NODE_6) / ICMPv6EchoRequest(), False),
    Row("v6 9: the world by TCP", IPv6(src=POD1_6, dst=WORLD_6) / TCP(sport=1024), True),
    Row("v6 9: the world by UDP", IPv6(src=POD1_6, dst=WORLD_6) / UDP(sport=1024), True),
    Row("v6 9: by ping", IPv6(src=POD1_6, dst=WORLD_6) / ICMPv6EchoRequest(id=3), True),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_who_sees_the_pods_address(node: Node, row: Row) -> None:
    with node.counted() as counted:
        run = node.to_uplink(OUT / row.packet / BODY)
    left = ethernet(run.packet)

    version = IPv6 if IPv6 in row.packet else IP
    own = {IP: NODE_4, IPv6: NODE_6}[version]
    assert left[version].src == (own if row.hidden else row.packet[version].src)
    assert run.packet == bytes(OUT / row.packet / BODY) or row.hidden
    assert sound(left)
    assert counted == {(DropReason.FORWARDED, AttachPoint.TO_UPLINK): 1}


class Flow(NamedTuple):
    """A question of a pod, and how the world answers to the address that seems to have asked."""

    name: str
    question: Any
    answer: Any  # from the question as the world saw it


def port_of(packet: Any) -> int:
    """Return the source port, or the identifier of an echo."""
    for layer in (TCP, UDP):
        if layer in packet:
            return int(packet[layer].sport)
    for layer in (ICMP, ICMPv6EchoRequest, ICMPv6EchoReply):
        if layer in packet:
            return int(packet[layer].id)
    raise AssertionError(packet)


FLOWS = [
    Flow(
        "TCP",
        IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1234, dport=80),
        lambda seen: (
            IP(src=WORLD_4, dst=seen.src) / TCP(sport=80, dport=seen[TCP].sport, flags="SA")
        ),
    ),
    Flow(
        "UDP",
        IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1234, dport=53) / BODY,
        lambda seen: IP(src=WORLD_4, dst=seen.src) / UDP(sport=53, dport=seen[UDP].sport) / BODY,
    ),
    Flow(
        "UDP without checksum",
        IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1234, dport=53, chksum=0) / BODY,
        lambda seen: (
            IP(src=WORLD_4, dst=seen.src) / UDP(sport=53, dport=seen[UDP].sport, chksum=0) / BODY
        ),
    ),
    Flow(
        "ping",
        IP(src=POD1_4, dst=WORLD_4) / ICMP(id=24, seq=3) / BODY,
        lambda seen: IP(src=WORLD_4, dst=seen.src) / ICMP(type=0, id=seen[ICMP].id, seq=3) / BODY,
    ),
    Flow(
        "TCP over IPv6",
        IPv6(src=POD1_6, dst=WORLD_6) / TCP(sport=1234, dport=80) / BODY,
        lambda seen: (
            IPv6(src=WORLD_6, dst=seen.src) / TCP(sport=80, dport=seen[TCP].sport, flags="SA")
        ),
    ),
    Flow(
        "UDP over IPv6",
        IPv6(src=POD1_6, dst=WORLD_6) / UDP(sport=1234, dport=53) / BODY,
        lambda seen: IPv6(src=WORLD_6, dst=seen.src) / UDP(sport=53, dport=seen[UDP].sport) / BODY,
    ),
    Flow(
        "ping over IPv6",
        IPv6(src=POD1_6, dst=WORLD_6) / ICMPv6EchoRequest(id=24) / BODY,
        lambda seen: (
            IPv6(src=WORLD_6, dst=seen.src) / ICMPv6EchoReply(id=seen[ICMPv6EchoRequest].id) / BODY
        ),
    ),
]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_pod_talks_to_the_world_behind_the_nodes_address(node: Node, flow: Flow) -> None:
    """End to end: frames leave the pod, the far end answers, the pod hears the answer."""
    version = IPv6 if IPv6 in flow.question else IP

    node.pod1.port.send(FROM_POD / flow.question)
    seen = node.wire.receive(
        lambda frame: version in frame and frame[version].dst in {WORLD_4, WORLD_6}
    )
    assert seen is not None
    assert seen[version].src in {NODE_4, NODE_6}
    assert port_of(seen) >= SNAT_PORT_MIN
    assert sound(seen)

    node.wire.send(IN / flow.answer(seen[version]))
    heard = node.pod1.port.receive(
        lambda frame: version in frame and frame[version].src in {WORLD_4, WORLD_6}
    )
    assert heard is not None
    assert heard[version].dst in {POD1_4, POD1_6}
    asked = port_of(flow.question)
    assert (
        heard[version].payload.dport if TCP in heard or UDP in heard else port_of(heard)
    ) == asked
    assert (heard.src, heard.dst) == (node.pod1.host_mac, node.pod1.mac)
    assert sound(heard)


def test_a_udp_checksum_of_zero_stays_zero(node: Node) -> None:
    left = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / UDP(sport=9, dport=53, chksum=0) / BODY)
    assert left[UDP].chksum == 0


def test_a_flow_keeps_its_port_and_another_flow_gets_another(node: Node) -> None:
    first = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=80)
    second = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1001, dport=80)

    ports = [node.sent_out(each)[TCP].sport for each in (first, second, first, second)]

    assert ports[:2] == ports[2:]
    assert ports[0] != ports[1]


def test_a_port_inside_the_range_is_kept(node: Node) -> None:
    left = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    assert left[TCP].sport == 50000


def test_two_pods_with_the_same_port_get_different_ones(node: Node) -> None:
    first = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    second = node.sent_out(IP(src=POD2_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    elsewhere = node.sent_out(IP(src=POD2_4, dst=ROUTER_4) / TCP(sport=50000, dport=80))

    assert (first[TCP].sport, elsewhere[TCP].sport) == (50000, 50000)
    assert second[TCP].sport >= SNAT_PORT_MIN
    assert second[TCP].sport != 50000


def test_the_nodes_own_connection_and_a_pods_never_share_a_port(node: Node) -> None:
    own = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    pods = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80)

    assert node.sent_out(own)[TCP].sport == 50000
    assert node.sent_out(pods)[TCP].sport != 50000
    assert node.sent_out(own)[TCP].sport == 50000


def test_the_nodes_answer_comes_to_the_node_also_after_its_port_was_changed(node: Node) -> None:
    pods = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    own = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    assert node.sent_out(pods)[TCP].sport == 50000
    changed = node.sent_out(own)[TCP].sport
    assert changed != 50000

    run = node.from_uplink(
        IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=changed, flags="SA")
    )

    assert run.verdict == OK
    back = ethernet(run.packet)
    assert (back[IP].dst, back[TCP].dport, sound(back)) == (NODE_4, 50000, True)


def test_the_nodes_own_traffic_below_the_range_leaves_no_trace(node: Node) -> None:
    packet = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=22, dport=50000)
    assert node.to_uplink(OUT / packet).packet == bytes(OUT / packet)
    with node.datapath.opened(NAT) as nat:
        assert nat.count() == 0


def test_no_free_port_is_a_counted_drop(node: Node) -> None:
    """Every port toward one remote is held; a flow to another remote still finds one."""
    now = 1 << 62
    key = Tuple(octets(WORLD_4), octets(NODE_4), 80, 0, 6, TupleDirection.TUPLE_IN)
    held = NatEntry(octets(POD2_4), 1, 0, now, now)
    with node.datapath.opened(NAT) as nat:
        nat.put_many(
            {
                key._replace(destination_port=p): held
                for p in range(SNAT_PORT_MIN, SNAT_PORT_MAX + 1)
            }
        )

        with node.counted() as counted:
            run = node.to_uplink(OUT / IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=80))

        assert run.verdict == SHOT
        assert counted == {(DropReason.DROP_NAT_NO_MAPPING, AttachPoint.TO_UPLINK): 1}
        assert (
            node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=81))[IP].src
            == NODE_4
        )


def test_a_dead_flows_port_is_used_again(node: Node) -> None:
    node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    expire(node)

    assert (
        node.sent_out(IP(src=POD2_4, dst=WORLD_4) / TCP(sport=50000, dport=80))[TCP].sport == 50000
    )


def test_a_flow_that_wakes_after_its_port_went_to_another_gets_a_new_one(node: Node) -> None:
    old = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80, flags="A")
    new = IP(src=POD2_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    node.sent_out(old)
    expire(node)
    assert node.sent_out(new)[TCP].sport == 50000

    assert node.sent_out(old)[TCP].sport != 50000


def expire(node: Node) -> None:
    """Let every flow of the NAT map be long over."""
    with node.datapath.opened(NAT) as nat:
        nat.put_many({key: value._replace(expires_ns=1) for key, value in nat.items()})


@pytest.mark.parametrize("lost", list(TupleDirection), ids=["OUT", "IN"])
def test_an_evicted_half_of_a_flow_is_put_back_when_the_other_is_refreshed(
    node: Node, lost: TupleDirection
) -> None:
    """Which is when its expiry has moved by a second: nat.h, REFRESH_NS."""
    question = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=80)
    port = node.sent_out(question)[TCP].sport
    answer = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=port, flags="SA")
    with node.datapath.opened(NAT) as nat:
        before = dict(nat.items())
        assert nat.remove_many(key for key in before if key.direction == lost) == 1
        ((key, kept),) = nat.items()
        nat.put(key, kept._replace(expires_ns=kept.expires_ns - 2 * SECOND_NS))

        if lost is TupleDirection.TUPLE_IN:
            assert node.sent_out(question)[TCP].sport == port
        else:
            assert node.from_uplink(IN / answer).verdict == REDIRECT

        after = dict(nat.items())
        assert after.keys() == before.keys()
        for key, value in after.items():
            assert value[:2] == before[key][:2]


def test_another_address_of_the_device_starts_the_flow_anew(node: Node) -> None:
    question = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=80)
    node.sent_out(question)
    with node.datapath.opened(MASQUERADE_ADDRESSES) as addresses:
        known = addresses.get(node.uplink_ifindex)
        assert known is not None
        addresses.put(node.uplink_ifindex, known._replace(ipv4=octets("192.168.10.110")))
        try:
            assert node.sent_out(question)[IP].src == "192.168.10.110"
            with node.datapath.opened(NAT) as nat:
                assert nat.count() == 2
        finally:
            addresses.put(node.uplink_ifindex, known)


def test_a_device_without_an_address_leaves_packets_alone(node: Node) -> None:
    with node.datapath.opened(MASQUERADE_ADDRESSES) as addresses:
        known = addresses.get(node.uplink_ifindex)
        assert known is not None
        addresses.put(node.uplink_ifindex, MasqueradeAddress(bytes(16), bytes(16)))
        try:
            packet = OUT / IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=80)
            assert node.to_uplink(packet).packet == bytes(packet)
        finally:
            addresses.put(node.uplink_ifindex, known)


def test_the_reply_of_an_inbound_connection_keeps_the_pods_address(node: Node) -> None:
    """Row 8: a remote that sent to the pod's own address is answered from it."""
    syn = IP(src=WORLD_4, dst=POD1_4) / TCP(sport=4000, dport=80)
    reply = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=80, dport=4000, flags="SA")
    assert node.from_uplink(IN / syn).verdict == REDIRECT

    assert node.sent_out(reply)[IP].src == POD1_4
    other = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=81, dport=4000)
    assert node.sent_out(other)[IP].src == NODE_4


def test_an_inbound_connection_that_is_over_leaves_no_flow_unmasqueraded(node: Node) -> None:
    """A leftover entry must not let a pod's own flow out unmasqueraded (docs/CILIUM.md)."""
    node.from_uplink(IN / IP(src=WORLD_4, dst=POD1_4) / TCP(sport=4000, dport=80))
    with node.datapath.opened(CONNTRACK) as conntrack:
        conntrack.put_many({key: v._replace(expires_ns=1) for key, v in conntrack.items()})

    own = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=80, dport=4000)
    assert node.sent_out(own)[IP].src == NODE_4


def test_connections_inside_the_cluster_are_not_remembered(node: Node) -> None:
    for source in (REMOTE_POD_4, OTHER_NODE_4):
        node.from_uplink(IN / IP(src=source, dst=POD1_4) / TCP(sport=4000, dport=80))

    with node.datapath.opened(CONNTRACK) as conntrack:
        assert conntrack.count() == 0


def test_other_icmp_of_a_pod_is_a_counted_drop(node: Node) -> None:
    with node.counted() as counted:
        run = node.to_uplink(OUT / IP(src=POD1_4, dst=WORLD_4) / ICMP(type=13))

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL, AttachPoint.TO_UPLINK): 1}


def test_a_packet_to_the_node_that_belongs_to_no_flow_goes_to_the_stack(node: Node) -> None:
    for packet in (
        IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=50001),
        IP(src=WORLD_4, dst=NODE_4) / TCP(sport=4000, dport=22),
        IP(src=WORLD_4, dst=NODE_4) / ICMP(type=0, id=50001),
        IP(src=WORLD_4, dst=NODE_4) / ICMP(type=8, id=50001),
        IPv6(src=WORLD_6, dst=NODE_6) / UDP(sport=80, dport=50001),
    ):
        run = node.from_uplink(IN / packet)
        assert (run.verdict, run.packet) == (OK, bytes(IN / packet))


def test_an_answer_for_a_pod_that_is_gone_is_a_counted_drop(node: Node) -> None:
    gone = Tuple(octets(WORLD_4), octets(NODE_4), 80, 50000, 6, TupleDirection.TUPLE_IN)
    with node.datapath.opened(NAT) as nat:
        nat.put(gone, NatEntry(octets("10.244.0.99"), 1000, 0, 1 << 62, 1 << 62))

    with node.counted() as counted:
        run = node.from_uplink(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=50000))

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_STALE_OR_UNROUTABLE_IP, AttachPoint.FROM_UPLINK): 1}
