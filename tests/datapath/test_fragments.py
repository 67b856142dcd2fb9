"""Datagrams in pieces through the masquerade: bpf/lib/parse.h, fragments."""

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    OK,
    OUT,
    REDIRECT,
    SHOT,
    WORLD_4,
    WORLD_6,
    Node,
)
from tests.datapath.soundness import ethernet, sound

from ciliate.datapath.layout import AttachPoint, DropReason

POD1_4, POD1_6 = "10.244.0.1", "fd00:244::1"
BODY = Raw(b"x" * 40)


def test_every_piece_of_a_datagram_is_hidden_and_only_the_first_is_renumbered(node: Node) -> None:
    whole = IP(src=POD1_4, dst=WORLD_4, id=77) / UDP(sport=1000, dport=53) / Raw(b"y" * 3000)
    pieces = fragment(IP(bytes(whole)), fragsize=1200)

    left = [node.sent_out(piece) for piece in pieces]

    assert len(left) == 3
    assert {each[IP].src for each in left} == {NODE_4}
    assert all(sound(each) for each in left)
    assert [bytes(each[IP].payload) for each in left[1:]] == [bytes(p.payload) for p in pieces[1:]]
    whole_again = b"".join(bytes(each[IP].payload) for each in left)
    again = Ether() / IP(src=NODE_4, dst=WORLD_4, proto=17) / Raw(whole_again)
    assert sound(ethernet(bytes(again)))


def test_pieces_of_an_answer_find_the_pod(node: Node) -> None:
    port = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1000, dport=53) / BODY)[UDP].sport
    answer = IP(src=WORLD_4, dst=NODE_4, id=78) / UDP(sport=53, dport=port) / Raw(b"z" * 3000)

    runs = [node.from_uplink(IN / piece) for piece in fragment(IP(bytes(answer)), fragsize=1200)]

    assert [run.verdict for run in runs] == [REDIRECT] * 3
    frames = [ethernet(run.packet) for run in runs]
    assert {frame[IP].dst for frame in frames} == {POD1_4}
    whole = b"".join(bytes(frame[IP].payload) for frame in frames)
    assert sound(ethernet(bytes(Ether() / IP(src=WORLD_4, dst=POD1_4, proto=17) / Raw(whole))))


def test_a_ping_in_pieces_works_both_ways(node: Node) -> None:
    """They too are masqueraded: the first piece's ports hold for all."""
    question = IP(src=POD1_4, dst=WORLD_4, id=79) / ICMP(id=24) / Raw(b"p" * 3000)
    left = [node.sent_out(piece) for piece in fragment(IP(bytes(question)), fragsize=1200)]
    assert {each[IP].src for each in left} == {NODE_4}

    identifier = int.from_bytes(bytes(left[0][IP].payload)[4:6], "big")
    answer = IP(src=WORLD_4, dst=NODE_4, id=80) / ICMP(type=0, id=identifier) / Raw(b"p" * 3000)
    runs = [node.from_uplink(IN / piece) for piece in fragment(IP(bytes(answer)), fragsize=1200)]
    frames = [ethernet(run.packet) for run in runs]

    assert [run.verdict for run in runs] == [REDIRECT] * 3
    assert {frame[IP].dst for frame in frames} == {POD1_4}
    whole = b"".join(bytes(frame[IP].payload) for frame in frames)
    assert sound(ethernet(bytes(Ether() / IP(src=WORLD_4, dst=POD1_4, proto=1) / Raw(whole))))


def test_v6_pieces_are_hidden_too(node: Node) -> None:
    whole = (
        IPv6(src=POD1_6, dst=WORLD_6)
        / IPv6ExtHdrFragment(id=99)
        / UDP(sport=1000, dport=53)
        / Raw(b"y" * 3000)
    )
    left = [node.sent_out(piece) for piece in fragment6(whole, 1280)]

    assert len(left) >= 3
    assert {each[IPv6].src for each in left} == {NODE_6}


def test_a_piece_whose_first_never_came_is_a_counted_drop(node: Node) -> None:
    whole = IP(src=POD1_4, dst=WORLD_4, id=81) / UDP(sport=1000, dport=53) / Raw(b"y" * 3000)
    second = fragment(IP(bytes(whole)), fragsize=1200)[1]

    with node.counted() as counted:
        run = node.to_uplink(OUT / second)

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_FRAGMENT_NOT_FOUND, AttachPoint.TO_UPLINK): 1}


def _pieces(source: str, destination: str, transport: Any, *, number: int) -> list[Any]:
    """Return the pieces of a datagram of either family."""
    if ":" in source:
        header = IPv6(src=source, dst=destination) / IPv6ExtHdrFragment(id=number)
        return list(fragment6(header / transport, 1280))
    whole = IP(src=source, dst=destination, id=number) / transport
    return list(fragment(IP(bytes(whole)), fragsize=1200))


def _source(packet: Any) -> str:
    return str(packet[IPv6 if IPv6 in packet else IP].src)


def _destination(packet: Any) -> str:
    return str(packet[IPv6 if IPv6 in packet else IP].dst)


@pytest.mark.parametrize(
    ("pod", "world", "node_address"),
    [(POD1_4, WORLD_4, NODE_4), (POD1_6, WORLD_6, NODE_6)],
    ids=["v4", "v6"],
)
def test_piece_that_overtakes_the_first_never_leaves_with_the_pods_address(
    node: Node, pod: str, world: str, node_address: str
) -> None:
    """It is dropped, since nothing says whose flow it is of; those behind the first go on."""
    datagram = UDP(sport=1000, dport=53) / Raw(b"y" * 3000)
    first, second, *rest = _pieces(pod, world, datagram, number=82)

    with node.counted() as counted:
        early = node.to_uplink(OUT / second)
        left = [node.sent_out(piece) for piece in (first, *rest)]

    assert early.verdict == SHOT
    assert counted[DropReason.DROP_FRAGMENT_NOT_FOUND, AttachPoint.TO_UPLINK] == 1
    assert {_source(each) for each in left} == {node_address}
    again = node.sent_out(second)  # As the same piece does that comes once more.
    assert _source(again) == node_address


@pytest.mark.parametrize(
    ("pod", "world", "node_address"),
    [(POD1_4, WORLD_4, NODE_4), (POD1_6, WORLD_6, NODE_6)],
    ids=["v4", "v6"],
)
def test_piece_of_an_answer_that_overtakes_the_first_is_left_to_the_stack(
    node: Node, pod: str, world: str, node_address: str
) -> None:
    """It may be the node's own, and no pod gets it; those behind the first find the pod."""
    question = _pieces(pod, world, UDP(sport=1000, dport=53) / BODY, number=83)[0]
    port = node.sent_out(question)[UDP].sport
    answer = UDP(sport=53, dport=port) / Raw(b"z" * 3000)
    first, second, *rest = _pieces(world, node_address, answer, number=84)

    early = node.from_uplink(IN / second)
    runs = [node.from_uplink(IN / piece) for piece in (first, *rest)]

    assert early.verdict == OK
    assert _destination(ethernet(early.packet)) == node_address
    assert {run.verdict for run in runs} == {REDIRECT}
    assert {_destination(ethernet(run.packet)) for run in runs} == {pod}
