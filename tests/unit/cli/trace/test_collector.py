"""`cli/trace/collector.py`: which events are of one connection, and when it is whole."""

from dataclasses import replace

from tests.unit.cli.trace.seen_flows import (
    CTR,
    LXC,
    POD,
    SERVICE,
    SOUGHT,
    W1,
    WEB,
    WORLD,
    back,
    call,
    curl,
    flow,
    forged_ping,
    ping_world,
    there,
    toward,
)

from ciliate.cli.trace.collector import Collector, connections_of
from ciliate.cli.trace.connection import Connection, Side
from ciliate.cli.trace.event import Event
from ciliate.cli.trace.sought import Sought


def collected(events: list[Event], sought: Sought = SOUGHT) -> list[Connection]:
    """What there is when all has been heard."""
    collector = Collector(sought)
    for event in events:
        collector.add(event, 0.0)
    return collector.rest()


def test_call_and_packets_of_both_nodes_are_one_connection() -> None:
    (found,) = collected(curl())

    assert len(found.events) == len(curl())
    assert found.call is not None
    assert found.call.given is not None


def test_order_in_which_nodes_are_heard_does_not_matter() -> None:
    events = curl()
    late = [each for each in events if each.node == CTR]

    (found,) = collected([each for each in events if each.node == W1] + late)

    assert sorted(each.time_ns for each in found.events) == [each.time_ns for each in events]


def test_two_connections_at_once_have_their_own_calls() -> None:
    events = [*call(), *call(5, cookie=2), *there(60, "SYN"), *there(66, "SYN", port=36236)]

    first, second = collected(events)

    assert [each.call.asked.cookie for each in (first, second) if each.call] == [87062, 2]


def test_call_of_long_ago_is_of_another_connection() -> None:
    assert [each.call for each in collected(there(2_000_000, "SYN")[:1])] == [None]
    with_packets = [
        each for each in collected([*call(), *there(2_000_000, "SYN")]) if each.packets
    ]
    assert [each.call for each in with_packets] == [None]


def test_backend_that_the_api_did_not_name_is_learned_of_the_call() -> None:
    stranger = "10.244.1.7"
    events = [
        flow(80, W1, "to-endpoint", f"{POD}:40000", f"{stranger}:80", packet="SYN"),
        *call(backend=f"{stranger}:80"),
        flow(60, CTR, "to-network", f"{POD}:40000", f"{stranger}:80", packet="SYN"),
    ]

    (found,) = collected(events)

    assert len(found.packets) == 2


def test_call_without_a_backend_stands_alone() -> None:
    (found,) = collected(call()[:1])

    assert (found.packets, found.call is not None) == ([], True)


def test_call_for_datagrams_that_sends_none_is_left_out() -> None:
    more = {"protocol": "UDP"}
    asked = flow(0, CTR, "pre-xlate-fwd", POD, f"{SERVICE}:53", **more)
    given = flow(9, CTR, "post-xlate-fwd", POD, f"{WEB}:53", **more)

    assert collected([asked, given]) == []


def test_packets_with_others_are_left_out() -> None:
    other = flow(0, CTR, "to-network", f"{POD}:1", "10.244.1.9:80", packet="SYN")
    foreign = flow(0, CTR, "to-network", "10.244.0.99:1", f"{WEB}:80", packet="SYN")

    assert collected([other, foreign]) == []


def test_connection_that_the_other_side_opened_is_left_out() -> None:
    asks = flow(0, CTR, "to-endpoint", f"{WEB}:80", f"{POD}:8080", packet="SYN", is_reply=False)
    answer = flow(
        9, CTR, "to-network", f"{POD}:8080", f"{WEB}:80", packet="SYN, ACK", is_reply=True
    )

    assert collected([asks, answer]) == []


def test_connection_to_a_backend_itself_is_none_to_its_service() -> None:
    direct = [*there(0, "SYN"), *back(60, "SYN, ACK")]

    assert collected(direct) == []
    assert len(collected(direct, toward(WEB, 80))) == 1


def test_ping_of_the_other_side_is_left_out_beside_ours() -> None:
    sought = toward(WEB)
    icmp = {"protocol": "ICMP"}
    ours = flow(0, CTR, "to-network", POD, WEB, packet="EchoRequest", **icmp)
    theirs = [
        flow(5, CTR, "to-endpoint", WEB, POD, packet="EchoRequest", **icmp),
        flow(7, CTR, "to-network", POD, WEB, packet="EchoReply", **icmp),
    ]

    (found,) = collected([ours, *theirs], sought)

    assert [event for _, event in found.packets] == [ours]


def test_other_protocols_are_left_out_where_one_was_asked_for() -> None:
    assert collected(curl(), replace(SOUGHT, protocol="icmp")) == []


def test_drop_of_a_forged_source_is_known_by_the_pod_s_device() -> None:
    (found,) = collected([forged_ping()], toward(WORLD))

    assert found.packets == [(Side.REQUEST, forged_ping())]
    assert collected([replace(forged_ping(), device="lxc0")], toward(WORLD)) == []


def test_answer_is_known_by_the_address_that_the_request_left_with() -> None:
    more = {"packet": "SYN, ACK", "device": "eth0"}
    syn = flow(0, CTR, "to-network", f"{POD}:37556", f"{WORLD}:80", packet="SYN", seen="10.0.2.15")
    arrived = flow(90, CTR, "from-network", f"{WORLD}:80", "10.0.2.15:37556", **more)
    dropped = flow(
        95,
        CTR,
        "drop",
        f"{WORLD}:80",
        "10.0.2.15:37556",
        drop=(151, "arrive.h", 81),
        **more,
    )
    of_another = flow(96, CTR, "from-network", f"{WORLD}:80", "10.0.2.15:37557", **more)

    (found,) = collected([syn, arrived, dropped, of_another], toward(WORLD))

    assert [side for side, _ in found.packets] == [Side.REQUEST, Side.REPLY, Side.REPLY]


def test_router_s_error_goes_to_the_connection_without_an_answer() -> None:
    error = flow(
        *(150, CTR, "to-endpoint", "192.168.10.101", POD),
        protocol="ICMP",
        packet="DestinationUnreachable(Host)",
    )

    (found,) = collected([*there(0, "SYN")[:1], error])
    answered = collected([*call(), *there(30, "SYN"), *back(60, "SYN, ACK"), error])

    assert len(answered) == 1
    assert found.packets[-1] == (Side.REPLY, error)
    assert all(event is not error for each in answered for event in each.events)


def test_answered_connection_is_whole_when_it_has_been_quiet() -> None:
    collector = Collector(SOUGHT)
    for event in curl():
        collector.add(event, 10.0)

    assert collector.ripe(10.2) == []
    assert len(collector.ripe(10.6)) == 1
    assert collector.ripe(99.0) == []


def test_packet_without_an_answer_is_waited_for() -> None:
    collector = Collector(SOUGHT)
    for event in there(0, "SYN"):
        collector.add(event, 10.0)

    assert collector.ripe(13.0) == []
    assert collector.has_begun
    assert len(collector.ripe(13.5)) == 1


def test_call_of_a_connection_that_lasts_is_not_shown_alone() -> None:
    collector = Collector(SOUGHT)
    for event in [*call(), *there(65, "SYN"), *back(134, "SYN, ACK")]:
        collector.add(event, 10.0)
    collector.add(there(3_000_000, "ACK, PSH")[0], 13.0)

    assert collector.ripe(13.4) == []


def test_drop_is_waited_for_no_longer() -> None:
    collector = Collector(toward(WORLD))
    collector.add(forged_ping(), 10.0)

    assert len(collector.ripe(10.5)) == 1


def test_rest_of_a_connection_that_was_shown_begins_no_other() -> None:
    collector = Collector(SOUGHT)
    for event in [*call(), *there(65, "SYN"), *back(134, "SYN, ACK")]:
        collector.add(event, 10.0)
    assert len(collector.ripe(15.1)) == 1

    collector.add(there(5_000_000, "ACK")[0], 16.0)

    assert not collector.has_begun


def test_ping_that_goes_on_is_another_exchange_after_a_while() -> None:
    collector, sought = Collector(toward(WORLD)), toward(WORLD)
    for event in ping_world():
        collector.add(event, 10.0)
    assert len(collector.ripe(11.0)) == 1

    for event in ping_world():
        collector.add(replace(event, time_ns=event.time_ns + 5_000_000_000), 15.0)

    assert sought.device == LXC
    assert len(collector.ripe(16.0)) == 1


def test_kept_events_are_heard_anew_as_they_happened() -> None:
    later = [replace(each, time_ns=each.time_ns + 60_000_000_000) for each in ping_world()]

    found = connections_of([*later, *ping_world()], toward(WORLD))

    assert [len(each.packets) for each in found] == [2, 2]
    assert found[0].began_ns < found[1].began_ns
