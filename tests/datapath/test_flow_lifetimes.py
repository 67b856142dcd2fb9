"""bpf/lib/flow_state.h and connections.h: how long flows live, and what ends or disturbs them."""

import time
from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP
from tests.datapath.node_rig import IN, NODE_4, OK, REDIRECT, WORLD_4, Node

from ciliate.datapath.layout import Connection as Element
from ciliate.datapath.layout import ConnectionFlag, TupleDirection
from ciliate.masquerade.maps import CONNTRACK

POD1_4, POD2_4 = "10.244.0.1", "10.244.0.2"
SECOND_NS = 1_000_000_000
LONG_S, SYN_S, RESET_S, CLOSED_S = 8000, 60, 240, 10
BOTH_CLOSED = ConnectionFlag.CONNECTION_CLOSING_ORIGINAL | ConnectionFlag.CONNECTION_CLOSING_REPLY


class Connection:
    """A pod's connection to the world, a segment at a time through the programs."""

    def __init__(self, node: Node, *, sport: int = 50000) -> None:
        self.node = node
        self.sport = sport
        self.port = 0

    def says(self, flags: str) -> int:
        """Let the pod send a segment; return the port that the world sees."""
        packet = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=self.sport, dport=80, flags=flags)
        left = self.node.sent_out(packet)
        assert left[IP].src == NODE_4
        self.port = int(left[TCP].sport)
        return self.port

    def hears(self, flags: str) -> None:
        """Let the world answer with a segment."""
        answer = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=self.port, flags=flags)
        assert self.node.from_uplink(IN / answer).verdict == REDIRECT

    def established(self) -> "Connection":
        self.says("S")
        self.hears("SA")
        self.says("A")
        return self

    def element(self) -> Element:
        (element,) = self.node.connections()
        return element

    def lives_s(self) -> float:
        """Return how long the flow goes on from now."""
        return (self.element().expires_ns - time.monotonic_ns()) / SECOND_NS

    def flags(self) -> int:
        return self.element().flags


def about(seconds: float) -> object:
    """Equal within some seconds: the clock's grain, the refresh interval, and a busy machine."""
    return pytest.approx(seconds, abs=5)


def test_flow_lives_short_until_it_stands(node: Node) -> None:
    connection = Connection(node)

    connection.says("S")
    assert connection.lives_s() == about(SYN_S)
    connection.hears("SA")
    connection.says("A")
    assert connection.lives_s() == about(LONG_S)


@pytest.mark.parametrize("ending", ["F", "FA"])
def test_end_of_one_side_does_not_shorten_the_flow(node: Node, ending: str) -> None:
    """The other side goes on."""
    connection = Connection(node).established()

    connection.hears(ending)

    assert connection.lives_s() == about(LONG_S)
    assert connection.flags() & BOTH_CLOSED == ConnectionFlag.CONNECTION_CLOSING_REPLY


@pytest.mark.parametrize("side", ["pod", "world"])
def test_after_a_reset_packets_pass_and_silence_ends_the_flow(node: Node, side: str) -> None:
    """RFC 7857, 2.2: it may be forged, or meant for a former connection."""
    connection = Connection(node).established()
    resets: Callable[[str], object] = connection.says
    answers: Callable[[str], object] = connection.hears
    if side == "world":
        resets, answers = answers, resets

    resets("R")

    assert connection.lives_s() == about(RESET_S)
    answers("A")  # What was on its way, or knows nothing of it.
    assert connection.lives_s() == about(RESET_S)


@pytest.mark.parametrize("side", ["pod", "world"])
def test_reset_of_a_side_that_goes_on_was_forged(node: Node, side: str) -> None:
    """Who is idle for longer than a reset flow lives is not lost by it (RFC 5961)."""
    connection = Connection(node).established()
    resets: Callable[[str], object] = connection.says if side == "pod" else connection.hears
    flags = connection.flags()

    resets("R")
    resets("A")

    assert connection.flags() == flags
    assert connection.lives_s() == about(LONG_S)
    resets("FA")
    resets("R")
    assert connection.lives_s() == about(RESET_S)


def test_lone_segments_that_nobody_answers_live_as_short_as_a_syn(node: Node) -> None:
    for number, flags in enumerate(("A", "FA", "PA")):
        connection = Connection(node, sport=50000 + number)
        connection.says(flags)
        assert connection.lives_s() == about(SYN_S)
        node.forget_flows()


def test_refusal_is_no_answer(node: Node) -> None:
    """Else a scan would leave flows that nobody may end."""
    connection = Connection(node)
    connection.says("S")

    connection.hears("RA")

    assert not connection.flags() & ConnectionFlag.CONNECTION_SEEN_REPLY


@pytest.mark.parametrize("ending", ["FA", "R"])
def test_flow_that_both_sides_ended_is_soon_over(node: Node, ending: str) -> None:
    connection = Connection(node).established()

    connection.says(ending)
    connection.hears(ending)

    assert connection.lives_s() == about(CLOSED_S)


def test_refused_connection_is_closed_for_both(node: Node) -> None:
    connection = Connection(node)
    connection.says("S")

    connection.hears("RA")

    assert connection.flags() & BOTH_CLOSED == BOTH_CLOSED
    assert connection.lives_s() == about(CLOSED_S)


def test_syn_on_a_closed_flow_starts_a_fresh_life_on_its_port(node: Node) -> None:
    connection = Connection(node).established()
    port = connection.port
    connection.says("FA")
    connection.hears("FA")

    assert connection.says("S") == port

    assert connection.flags() == 0
    assert connection.lives_s() == about(SYN_S)
    connection.hears("SA")
    connection.says("A")
    assert connection.lives_s() == about(LONG_S)


def test_syn_on_a_flow_that_lives_changes_nothing(node: Node) -> None:
    connection = Connection(node).established()
    flags = connection.flags()

    connection.says("S")

    assert connection.flags() == flags
    assert connection.lives_s() == about(LONG_S)


def test_lost_way_out_keeps_its_port(node: Node) -> None:
    """The half that is left is the flow's own, not a collision."""
    connection = Connection(node).established()
    with node.datapath.opened(CONNTRACK) as conntrack:
        before = dict(conntrack.items())
        out = [key for key in before if key.direction == TupleDirection.TUPLE_OUT]
        assert conntrack.remove_many(out) == 1

        assert connection.says("A") == 50000

        assert dict(conntrack.items()) == before
    connection.hears("A")


@pytest.mark.parametrize("sport", [1024, 50000], ids=["below the range", "inside the range"])
def test_flow_that_is_over_begins_anew_with_both_halves(node: Node, sport: int) -> None:
    """A pod uses its ports again before the conntrack GC runs: the answer must find it."""
    connection = Connection(node, sport=sport).established()
    node.expire()

    connection.says("S")
    connection.hears("SA")


def test_packet_to_the_pod_itself_does_not_unmask_its_flow(node: Node) -> None:
    """A remote that guesses a pod's address must not make it show that address to the world."""
    connection = Connection(node).established()
    direct = IP(src=WORLD_4, dst=POD1_4) / TCP(sport=80, dport=50000, flags="A")

    assert node.from_uplink(IN / direct).verdict == REDIRECT

    assert connection.says("A") == 50000  # `says` asserts the node's address.
    connection.hears("A")


def inbound_flags(node: Node, *segments: tuple[str, str]) -> tuple[int, float]:
    """Send segments of a connection from outside; return its flags and remaining seconds."""
    for side, flags in segments:
        if side == "world":
            tcp = TCP(sport=4000, dport=80, flags=flags, ack="A" in flags)
            packet = IP(src=WORLD_4, dst=POD2_4) / tcp
            assert node.from_uplink(IN / packet).verdict == REDIRECT
        else:
            packet = IP(src=POD2_4, dst=WORLD_4) / TCP(sport=80, dport=4000, flags=flags)
            run = node.to_uplink(IN / packet)
            assert (run.verdict, run.packet) == (OK, bytes(IN / packet))
    (known,) = node.connections()
    return known.flags, (known.expires_ns - time.monotonic_ns()) / SECOND_NS


HANDSHAKE = (("world", "S"), ("pod", "SA"), ("world", "A"))


def test_inbound_connection_lives_short_until_its_opener_goes_on(node: Node) -> None:
    """Whoever forges its address never sees the answer."""
    assert inbound_flags(node, *HANDSHAKE[:2])[1] == about(SYN_S)
    assert inbound_flags(node, *HANDSHAKE[2:])[1] == about(LONG_S)


def test_inbound_connection_survives_a_reset_of_one_side(node: Node) -> None:
    flags, lives_s = inbound_flags(node, *HANDSHAKE, ("world", "R"))

    assert flags & ConnectionFlag.CONNECTION_RESET_ORIGINAL
    assert lives_s == about(RESET_S)
    assert inbound_flags(node, ("pod", "R"))[1] == about(CLOSED_S)


def test_refused_inbound_connection_is_soon_over(node: Node) -> None:
    flags, lives_s = inbound_flags(node, ("world", "S"), ("pod", "RA"))

    assert flags & BOTH_CLOSED == BOTH_CLOSED
    assert lives_s == about(CLOSED_S)


@pytest.mark.parametrize("forged", ["A", "SA", "S", "FA"])
def test_pod_opens_a_connection_whatever_an_outsider_sent_before(node: Node, forged: str) -> None:
    """A SYN answers nothing: the forged packet must not keep it from being masqueraded."""
    for number in range(2):
        direct = IP(src=WORLD_4, dst=POD1_4) / TCP(sport=80, dport=50000, flags=forged, seq=number)
        assert node.from_uplink(IN / direct).verdict == REDIRECT
    reset = IP(src=POD1_4, dst=WORLD_4) / TCP(sport=50000, dport=80, flags="R")
    assert node.to_uplink(IN / reset).verdict == OK

    Connection(node).established()
