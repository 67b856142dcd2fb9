"""`ciliate trace` beside section 2 of the walk-through: a curl, and a ping to the internet."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from tests.lab.walkthrough.place import CONTROL_PLANE, INTERNET_IP, WORKER, Place

#: Which packets were seen where, by direction and kind.
Hops = dict[tuple[str, str], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def ways(walk: Place) -> Mapping[str, Any]:
    """What traces show while another shell curls and pings: by destination. All at once, for time."""
    web = walk.webpod(WORKER)
    commands = {
        web: f"curl -s -m 5 {walk.webpod_ip(WORKER)}",
        "webpod:80": "curl -s -m 5 webpod",
        INTERNET_IP: f"ping -c 1 -W 1 {INTERNET_IP}",
    }
    traces = {
        destination: subprocess.Popen(
            ["ciliate", "trace", "curl-pod", destination, "--timeout", "90s", "-o", "json"],
            env=walk.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for destination in commands
    }
    for process in traces.values():
        assert process.stderr is not None
        assert "waiting for packets" in process.stderr.readline()
    # Again and again: of pings that follow each other not each is told.
    while waiting := [each for each in traces if traces[each].poll() is None]:
        for destination in waiting:
            walk.in_pod(commands[destination])
    found = {}
    for destination, process in traces.items():
        printed, said = process.communicate()
        assert process.returncode == 0, said
        found[destination] = json.loads(printed)
    return found


def hops(way: Any) -> Hops:
    """Where each packet of a way was seen."""
    return {
        (packet["direction"], packet["packet"]): [
            (hop["node"], hop["point"]) for hop in packet["hops"]
        ]
        for packet in way["packets"]
    }


def test_connection_to_another_node_is_seen_on_both_in_order(
    walk: Place, ways: Mapping[str, Any]
) -> None:
    way = ways[walk.webpod(WORKER)]

    found = hops(way)
    assert found["request", "SYN"] == [(CONTROL_PLANE, "to-network"), (WORKER, "to-endpoint")]
    assert found["reply", "SYN, ACK"] == [(WORKER, "to-network"), (CONTROL_PLANE, "to-endpoint")]
    times = [hop["time_ms"] for packet in way["packets"][:2] for hop in packet["hops"]]
    assert times == sorted(times)
    assert "remarks" not in way


def test_connection_to_a_service_begins_with_the_backend_that_the_socket_got(
    walk: Place, ways: Mapping[str, Any]
) -> None:
    way = ways["webpod:80"]

    service = walk.lab.object("service", "webpod")["spec"]["clusterIP"]
    assert way["destination"]["address"] == service
    assert way["backend"]["address"] in {walk.webpod_ip(CONTROL_PLANE), walk.webpod_ip(WORKER)}
    assert hops(way)["request", "call"] == [
        (CONTROL_PLANE, "pre-xlate-fwd"),
        (CONTROL_PLANE, "post-xlate-fwd"),
    ]


def test_ping_to_the_internet_shows_the_masquerading(walk: Place, ways: Mapping[str, Any]) -> None:
    request, reply = ways[INTERNET_IP]["packets"]

    assert request["hops"][0]["source"]["address"] == walk.curl_ip
    assert request["hops"][0]["source_translated"] == "10.0.2.15"
    assert reply["hops"][-1]["destination"]["address"] == walk.curl_ip
