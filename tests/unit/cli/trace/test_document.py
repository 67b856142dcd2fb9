"""`cli/trace/document.py`: what programs read."""

from typing import Any

import msgspec
from tests.unit.cli.trace.seen_flows import (
    AROUND,
    LXC,
    POD,
    SOUGHT,
    WORLD,
    call,
    curl,
    forged_ping,
    ping_world,
    toward,
    ways,
)

from ciliate.cli.trace.document import way_object
from ciliate.cli.trace.event import Event
from ciliate.cli.trace.sought import Sought


def plain(events: list[Event], sought: Sought = SOUGHT) -> Any:
    """The object of the one way that events make."""
    (way,) = ways(events, sought)
    return msgspec.to_builtins(way_object(way, AROUND))


def test_every_packet_has_its_hops_with_times_since_the_first() -> None:
    found = plain(curl())

    assert found["began"] == "2026-11-30T13:41:04.081000000Z"
    assert found["backend"]["name"] == "default/webpod-n77wf"
    assert [(each["direction"], each["packet"]) for each in found["packets"]][:3] == [
        ("request", "call"),
        ("request", "SYN"),
        ("reply", "SYN, ACK"),
    ]
    assert [hop["time_ms"] for hop in found["packets"][1]["hops"]] == [0.065, 0.088]


def test_translation_of_the_source_is_a_field() -> None:
    (hop,) = plain(ping_world(), toward(WORLD))["packets"][0]["hops"]

    assert (hop["source"]["address"], hop["source_translated"]) == (POD, "10.0.2.15")
    assert (hop["device"], hop["verdict"]) == (LXC, "FORWARDED")


def test_drop_has_number_place_and_words() -> None:
    (hop,) = plain([forged_ping()], toward(WORLD))["packets"][0]["hops"]

    assert (hop["drop"]["reason"], hop["drop"]["file"], hop["drop"]["line"]) == (
        *(132, "from_pod.bpf.c"),
        42,
    )
    assert "enable-source-ip-verification" in hop["drop"]["remedy"]


def test_refused_call_has_its_cause() -> None:
    assert "ECONNREFUSED" in plain(call()[:1])["refused"]["why"]
