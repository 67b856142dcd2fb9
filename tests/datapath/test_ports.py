"""bpf/lib/ports.h: who gets a port toward one remote, and who has to give one back."""

from scapy.layers.inet import IP, TCP, UDP
from tests.datapath.floods import flood, tcp
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    OK,
    OUT,
    REDIRECT,
    SHOT,
    WORLD_4,
    Node,
    octets,
)

from ciliate.config.datapath_defaults import SNAT_PORT_MAX, SNAT_PORT_MIN
from ciliate.datapath.layout import AttachPoint, ConnectionFlag, DropReason

POD1_4, POD2_4 = "10.244.0.1", "10.244.0.2"
PORTS = SNAT_PORT_MAX - SNAT_PORT_MIN + 1
WEB = 80


def take_all_ports(node: Node, flags: str) -> None:
    """Let pod 1 hold every port toward the web server."""
    flood(
        node,
        "to_uplink",
        tcp(POD1_4, WORLD_4, flags),
        ((port, WEB) for port in range(SNAT_PORT_MIN, SNAT_PORT_MAX + 1)),
    )
    assert len(node.connections()) == PORTS


def answer_all(node: Node) -> None:
    """Let the web server have answered each connection."""
    flood(
        node,
        "from_uplink",
        tcp(WORLD_4, NODE_4, "SA"),
        ((WEB, port) for port in range(SNAT_PORT_MIN, SNAT_PORT_MAX + 1)),
    )
    flags = {
        bool(each.flags & ConnectionFlag.CONNECTION_SEEN_REPLY) for each in node.connections()
    }
    assert flags == {True}


def test_ports_that_one_pod_took_without_an_answer_go_to_whoever_needs_one(node: Node) -> None:
    take_all_ports(node, "A")

    for number in range(200):
        opened = IP(src=POD2_4, dst=WORLD_4) / TCP(sport=1024 + number, dport=WEB)
        assert node.sent_out(opened)[IP].src == NODE_4
    own = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=1024, dport=WEB)
    assert node.sent_out(own)[IP].src == NODE_4
    assert len(node.connections()) == PORTS


def test_no_port_left_is_a_counted_drop_and_other_remotes_are_not_concerned(node: Node) -> None:
    take_all_ports(node, "S")
    answer_all(node)

    with node.counted() as counted:
        run = node.to_uplink(OUT / IP(src=POD2_4, dst=WORLD_4) / TCP(sport=1000, dport=WEB))
    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_NAT_NO_MAPPING, AttachPoint.TO_UPLINK): 1}
    for other in (TCP(sport=1000, dport=WEB + 1), UDP(sport=1000, dport=WEB)):
        assert node.sent_out(IP(src=POD2_4, dst=WORLD_4) / other)[IP].src == NODE_4

    # By its address: which place in the table a connection has, each processor decides for itself.
    closed = next(each for each in node.connections() if each.local == octets(POD1_4))
    for source, destination, ports in (
        (POD1_4, WORLD_4, (closed.local_port, WEB)),
        (WORLD_4, NODE_4, (WEB, closed.seen_port)),
    ):
        program = "to_uplink" if source == POD1_4 else "from_uplink"
        assert flood(node, program, tcp(source, destination, "FA"), [ports])[0] != SHOT
    node.change(
        next(each for each in node.connections() if each.place == closed.place), expires_ns=1
    )
    freed = IP(src=POD2_4, dst=WORLD_4) / TCP(sport=closed.seen_port, dport=WEB)
    assert node.sent_out(freed)[TCP].sport == closed.seen_port


def test_a_port_that_is_freed_goes_to_who_looked_for_one_in_vain(node: Node) -> None:
    """One of 32,768 is found by chance once in 64 searches, so the sweep that frees it offers it."""
    take_all_ports(node, "S")
    answer_all(node)
    missing = IP(src=POD2_4, dst=WORLD_4) / TCP(sport=1000, dport=WEB)
    assert node.to_uplink(OUT / missing).verdict == SHOT

    for freed in node.connections()[:3]:
        node.change(freed, expires_ns=1)
        assert node.sweeper().tidy() == 1

        assert node.sent_out(missing)[TCP].sport == freed.seen_port
        missing[TCP].sport += 1


def test_who_holds_nearly_all_ports_is_not_offered_what_others_miss(node: Node) -> None:
    few = SNAT_PORT_MIN + PORTS // 8
    for pod, first, last in ((POD2_4, SNAT_PORT_MIN, few), (POD1_4, few, SNAT_PORT_MAX + 1)):
        ports = ((port, WEB) for port in range(first, last))
        flood(node, "to_uplink", tcp(pod, WORLD_4, "S"), ports)
    answer_all(node)
    hers, his = (IP(src=pod, dst=WORLD_4) / TCP(sport=1000, dport=WEB) for pod in (POD1_4, POD2_4))
    assert node.to_uplink(OUT / his).verdict == SHOT
    (freed,) = (each for each in node.connections() if each.seen_port == SNAT_PORT_MAX)
    node.change(freed, expires_ns=1)
    assert node.sweeper().tidy() == 1

    assert node.to_uplink(OUT / hers).verdict == SHOT
    assert node.sent_out(his)[TCP].sport == freed.seen_port


def test_the_nodes_own_connection_never_wants_for_a_port(node: Node) -> None:
    """Not even when pods hold every one by answered connections: it takes one of theirs."""
    take_all_ports(node, "S")
    answer_all(node)

    for number in range(50):
        own = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=40000 + number, dport=WEB)
        run = node.to_uplink(OUT / own)
        assert run.verdict == OK
        left = int.from_bytes(run.packet[34:36])
        assert node.from_uplink(
            IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=WEB, dport=left, flags="SA")
        ).verdict in {OK, REDIRECT}
        again = node.to_uplink(OUT / own)
        assert int.from_bytes(again.packet[34:36]) == left


def test_who_holds_most_pays_with_its_own_when_ports_are_short(node: Node) -> None:
    """Above three quarters a pod that has more than all others gets none by taking more."""
    flood(
        node,
        "to_uplink",
        tcp(POD2_4, WORLD_4, "S"),
        ((port, WEB) for port in range(SNAT_PORT_MIN, SNAT_PORT_MIN + PORTS // 4)),
    )
    flood(
        node,
        "to_uplink",
        tcp(POD1_4, WORLD_4, "S"),
        ((port, WEB) for port in range(SNAT_PORT_MIN + PORTS // 4, SNAT_PORT_MAX)),
    )
    before = sum(each.owner == 2 for each in node.connections())

    flood(node, "to_uplink", tcp(POD1_4, WORLD_4, "S"), ((n, WEB) for n in range(1024, 3000)))

    assert sum(each.owner == 2 for each in node.connections()) >= before - 20
