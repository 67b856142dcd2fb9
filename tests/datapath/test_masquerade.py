"""bpf/to_uplink.bpf.c and from_uplink.bpf.c: what the world sees of a pod, and the way back."""

import socket
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
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

from ciliate.config.datapath_defaults import SNAT_PORT_MIN
from ciliate.datapath.layout import (
    AttachPoint,
    DropReason,
    MasqueradeAddress,
    TupleDirection,
)
from ciliate.masquerade.maps import CONNTRACK, MASQUERADE_ADDRESSES
from ciliate.node.maps import ENDPOINTS

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


def test_a_port_that_a_socket_of_the_node_has_is_not_given(node: Node) -> None:
    """Connected or not, bound to the address or to all: the answer would go to the pod."""
    for kind, layer in ((socket.SOCK_STREAM, TCP), (socket.SOCK_DGRAM, UDP)):
        for family, bound, version, pod, world in (
            (socket.AF_INET, "0.0.0.0", IP, POD1_4, WORLD_4),
            (socket.AF_INET, NODE_4, IP, POD1_4, WORLD_4),
            (socket.AF_INET6, "::", IPv6, POD1_6, WORLD_6),
        ):
            with socket.socket(family, kind) as own:
                own.bind((bound, 51820))
                if kind == socket.SOCK_STREAM:
                    own.listen()
                left = node.sent_out(version(src=pod, dst=world) / layer(sport=51820, dport=80))
                assert left[layer].sport != 51820, (kind, bound)
            node.forget_flows()
            again = node.sent_out(version(src=pod, dst=world) / layer(sport=51820, dport=80))
            assert again[layer].sport == 51820
            node.forget_flows()


def test_the_nodes_own_packets_are_entered_only_where_a_pod_has_their_port(node: Node) -> None:
    """What the node answers could fill the table otherwise: RSTs to forged SYNs."""
    for flags in ("S", "RA", "A"):
        own = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=50000, dport=80, flags=flags)
        assert node.sent_out(own)[TCP].sport == 50000
    assert not node.connections()

    pods = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    assert node.sent_out(pods)[TCP].sport == 50000
    changed = node.sent_out(own)[TCP].sport
    assert changed != 50000
    assert node.sent_out(own)[TCP].sport == changed


def test_the_nodes_own_ping_and_a_pods_never_share_an_identifier(node: Node) -> None:
    own = IP(src=NODE_4, dst=WORLD_4) / ICMP(id=40000)
    pods = IP(src=POD1_4, dst=WORLD_4) / ICMP(id=40000)

    assert node.sent_out(own)[ICMP].id == 40000
    assert node.sent_out(pods)[ICMP].id != 40000
    node.forget_flows()
    assert node.sent_out(pods)[ICMP].id == 40000
    moved = node.sent_out(own)[ICMP].id
    assert moved != 40000
    answer = node.from_uplink(IN / IP(src=WORLD_4, dst=NODE_4) / ICMP(type=0, id=moved))
    assert ethernet(answer.packet)[ICMP].id == 40000


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
    assert not node.connections()


def test_a_dead_flows_port_is_used_again(node: Node) -> None:
    node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    node.expire()

    assert (
        node.sent_out(IP(src=POD2_4, dst=WORLD_4) / TCP(sport=50000, dport=80))[TCP].sport == 50000
    )


def test_a_flow_that_wakes_after_its_port_went_to_another_gets_a_new_one(node: Node) -> None:
    old = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80, flags="A")
    new = IP(src=POD2_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    node.sent_out(old)
    node.expire()
    assert node.sent_out(new)[TCP].sport == 50000

    assert node.sent_out(old)[TCP].sport != 50000


@pytest.mark.parametrize("lost", list(TupleDirection), ids=["OUT", "IN"])
def test_a_lost_entry_of_a_connection_is_put_back(node: Node, lost: TupleDirection) -> None:
    question = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80)
    node.sent_out(question)
    with node.datapath.opened(CONNTRACK) as conntrack:
        before = dict(conntrack.items())
        assert len(before) == 2
        assert conntrack.remove_many(key for key in before if key.direction == lost) == 1

        # When its time is written anew, which is at most once a second.
        (known,) = node.connections()
        node.change(known, expires_ns=known.expires_ns - 5 * SECOND_NS)
        assert node.sent_out(question)[TCP].sport == 50000

        assert dict(conntrack.items()) == before


def test_a_connection_whose_port_went_to_another_gets_a_new_one(node: Node) -> None:
    """However its entry was lost: two pods never share one tuple on the wire."""
    first = IP(src=POD1_4, dst=WORLD_4) / UDP(sport=50000, dport=53)
    second = IP(src=POD2_4, dst=WORLD_4) / UDP(sport=50000, dport=53)
    node.sent_out(first)
    with node.datapath.opened(CONNTRACK) as conntrack:
        (lost,) = [key for key, _ in conntrack.items() if key.direction == TupleDirection.TUPLE_IN]
        conntrack.remove(lost)
    assert node.sent_out(second)[UDP].sport == 50000
    (known,) = [each for each in node.connections() if each.local == octets(POD1_4)]
    node.change(known, expires_ns=known.expires_ns - 5 * SECOND_NS)

    port = node.sent_out(first)[UDP].sport

    assert port != 50000
    answer = IP(src=WORLD_4, dst=NODE_4) / UDP(sport=53, dport=port)
    assert ethernet(node.from_uplink(IN / answer).packet)[IP].dst == POD1_4


@pytest.mark.parametrize("still_there", [True, False])
def test_a_flow_keeps_its_address_while_the_device_has_it(
    node: Node, *, still_there: bool
) -> None:
    """A virtual address that comes and goes must not cut what lives."""
    question = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1000, dport=80)
    new = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1001, dport=80)
    node.sent_out(question)
    with (
        node.datapath.opened(MASQUERADE_ADDRESSES) as addresses,
        node.datapath.opened(ENDPOINTS) as endpoints,
    ):
        known, held = addresses.get(node.uplink_ifindex), endpoints.get(octets(NODE_4))
        assert known is not None
        assert held is not None
        addresses.put(node.uplink_ifindex, known._replace(ipv4=octets("192.168.10.110")))
        if not still_there:
            endpoints.put(octets(NODE_4), held._replace(ifindex=0))
        try:
            assert node.sent_out(new)[IP].src == "192.168.10.110"
            kept = NODE_4 if still_there else "192.168.10.110"
            assert node.sent_out(question)[IP].src == kept
            assert len(node.connections()) == 2
        finally:
            addresses.put(node.uplink_ifindex, known)
            endpoints.put(octets(NODE_4), held)


@pytest.mark.parametrize("protocol", [47, 4, 50, 132], ids=["GRE", "IPIP", "ESP", "SCTP"])
def test_what_cannot_be_masqueraded_is_a_counted_drop(node: Node, protocol: int) -> None:
    """Unless the destination is reached with the pod's address anyway."""
    packet = IP(src=POD1_4, dst=WORLD_4, proto=protocol) / BODY
    with node.counted() as counted:
        run = node.to_uplink(OUT / packet)
    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL, AttachPoint.TO_UPLINK): 1}

    for inside in (REMOTE_POD_4, OTHER_NODE_4):
        assert node.to_uplink(OUT / IP(src=POD1_4, dst=inside, proto=protocol)).verdict == OK


def test_what_answers_an_outsider_keeps_the_pods_address_whatever_the_protocol(node: Node) -> None:
    outside = IP(src=WORLD_4, dst=POD1_4, proto=47) / BODY
    assert node.from_uplink(IN / outside).verdict == REDIRECT

    assert node.sent_out(IP(src=POD1_4, dst=WORLD_4, proto=47) / BODY)[IP].src == POD1_4


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
    node.expire()

    own = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=80, dport=4000)
    assert node.sent_out(own)[IP].src == NODE_4


def test_connections_inside_the_cluster_are_not_remembered(node: Node) -> None:
    for source in (REMOTE_POD_4, OTHER_NODE_4):
        node.from_uplink(IN / IP(src=source, dst=POD1_4) / TCP(sport=4000, dport=80))

    assert not node.connections()


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
    node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    with node.datapath.opened(ENDPOINTS) as endpoints:
        known = endpoints.get(octets(POD1_4))
        assert known is not None
        endpoints.remove(octets(POD1_4))
        try:
            with node.counted() as counted:
                run = node.from_uplink(
                    IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=50000)
                )
        finally:
            endpoints.put(octets(POD1_4), known)

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_STALE_OR_UNROUTABLE_IP, AttachPoint.FROM_UPLINK): 1}
