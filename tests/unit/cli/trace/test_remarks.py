"""`cli/trace/remarks.py`: what nobody told, and what that means."""

from dataclasses import replace
from typing import Any

from tests.unit.cli.trace.seen_flows import (
    AROUND,
    CTR,
    POD,
    SOUGHT,
    W1,
    WEB,
    WORLD,
    back,
    curl,
    flow,
    ping_world,
    there,
    toward,
    ways,
)

from ciliate.cli.trace.event import Event
from ciliate.cli.trace.remarks import remarks
from ciliate.cli.trace.sought import Sought
from ciliate.cli.trace.way import Surroundings

VACANT = "10.244.1.99"


def said(events: list[Event], sought: Sought = SOUGHT, around: Surroundings = AROUND) -> list[str]:
    """The remarks on the one way that events make."""
    (way,) = ways(events, sought)
    return remarks(way, around)


def test_whole_way_needs_no_remark() -> None:
    assert said(curl()) == []
    assert said(ping_world(), toward(WORLD)) == []


def test_packet_that_never_reached_the_other_node_is_lost_between() -> None:
    first, _ = said(there(0, "SYN")[:1])

    assert first.startswith("no reply was seen: the last that is told is to-network on k8s-ctr;")
    assert "did not see it" in first


def test_packet_that_was_delivered_was_not_answered() -> None:
    assert "got it and did not answer" in said(there(0, "SYN"))[0]


def test_packet_to_the_world_is_followed_no_further() -> None:
    assert "nobody tells" in said(ping_world()[:1], toward(WORLD))[0]


def test_address_that_no_pod_has_is_named_with_the_node_of_its_range() -> None:
    sought = toward(VACANT, nodes={VACANT: W1})
    icmp: dict[str, Any] = {"protocol": "ICMP"}
    request = flow(0, CTR, "to-network", POD, VACANT, packet="EchoRequest", **icmp)
    error = flow(
        *(90, CTR, "to-endpoint", "192.168.10.101", POD),
        packet="DestinationUnreachable(Host)",
        **icmp,
    )

    assert f"no pod has {VACANT}, which is of the range of {W1}" in said([request], sought)[0]
    (remark,) = said([request, error], sought)
    assert remark == (
        "the answer is an error, which 192.168.10.101 sent: DestinationUnreachable(Host);"
        f" no pod has {VACANT}, which is of the range of {W1}"
    )


def test_level_of_aggregation_is_named_where_something_is_missing() -> None:
    unanswered = there(0, "SYN")

    assert said(unanswered)[1].startswith("monitor-aggregation is medium:")
    assert len(said(unanswered, around=Surroundings("none"))) == 1


def test_node_that_tells_nothing_is_named_with_the_reason() -> None:
    around = Surroundings("none", silent={W1: "its agent has no pod to ask"}, lost={CTR: 7})
    half = [each for each in [*there(0, "SYN"), *back(60, "SYN, ACK")] if each.node == CTR]

    assert said(half, toward(WEB, 80), around) == [
        "k8s-w1 tells nothing: its agent has no pod to ask",
        "k8s-ctr lost 7 events meanwhile: hops may be missing",
    ]


def test_clock_that_contradicts_the_way_is_named() -> None:
    late = [replace(e, time_ns=e.time_ns - 10**9) if e.node == W1 else e for e in curl()]

    assert "the clock of k8s-w1 is behind that of k8s-ctr, by 999.977 ms or more" in said(late)[0]


def test_connection_that_was_under_way_says_so() -> None:
    assert said([*there(0, "ACK"), *back(30, "ACK")]) == [
        "the connection was under way before: its opening was not seen"
    ]
