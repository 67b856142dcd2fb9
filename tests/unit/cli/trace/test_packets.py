"""`cli/trace/packets.py`: which events are of one packet, and in which order it met the nodes."""

from dataclasses import replace

from tests.unit.cli.trace.seen_flows import CTR, W1, back, there

from ciliate.cli.trace.connection import Side
from ciliate.cli.trace.event import Event
from ciliate.cli.trace.packets import Packet, clock_differences, packets_of

HOUR_NS = 3600 * 10**9


def packets(sent: list[Event], answered: list[Event]) -> list[Packet]:
    """What the pod sent, and what came back."""
    both = [(Side.REQUEST, each) for each in sent] + [(Side.REPLY, each) for each in answered]
    return packets_of(both, CTR)


def slow(events: list[Event], behind_ns: int) -> list[Event]:
    """The same events, of which the worker's clock is behind."""
    return [replace(e, time_ns=e.time_ns - behind_ns) if e.node == W1 else e for e in events]


def told(found: list[Packet]) -> list[tuple[str, list[str]]]:
    """Packets and the nodes that they met."""
    return [(each.kind, [hop.node for hop in each.hops]) for each in found]


def test_hops_of_a_packet_stand_together_in_the_order_of_its_way() -> None:
    found = packets([*there(0, "SYN"), *there(90, "ACK")], back(60, "SYN, ACK"))

    assert told(found) == [("SYN", [CTR, W1]), ("SYN, ACK", [W1, CTR]), ("ACK", [CTR, W1])]


def test_equal_packets_are_told_apart_by_the_nodes_that_saw_both() -> None:
    found = packets([*there(0, "ACK"), *there(5_000_000, "ACK")], [])

    assert told(found) == [("ACK", [CTR, W1]), ("ACK", [CTR, W1])]


def test_packet_that_one_node_alone_told_of_takes_nothing_of_another() -> None:
    found = packets([there(0, "ACK")[0], *there(5_000_000, "ACK, PSH")], [])

    assert told(found) == [("ACK", [CTR]), ("ACK, PSH", [CTR, W1])]


def test_order_is_that_of_the_way_where_clocks_contradict_it() -> None:
    found = packets(slow(there(0, "SYN"), HOUR_NS), slow(back(60, "SYN, ACK"), HOUR_NS))

    assert told(found) == [("SYN", [CTR, W1]), ("SYN, ACK", [W1, CTR])]


def test_clock_that_is_behind_is_named_with_the_least_difference() -> None:
    found = packets(slow(there(0, "SYN"), 1_000_000), [])

    assert clock_differences(found) == {(W1, CTR): 1_000_000 - 23_000}


def test_clocks_that_do_not_contradict_the_way_are_not_named() -> None:
    assert clock_differences(packets(there(0, "SYN"), back(60, "SYN, ACK"))) == {}
