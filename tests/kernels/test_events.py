"""What the programs tell of a packet reaches who listens: the ring, its mapping, the sockets.

The flow server listens already, so of echoes that go on one is told every five seconds.
"""

import json
from typing import Any

import pytest
from tests.kernels.conftest import SmokeLab
from tests.lab.cluster import Cluster

WORLD = {4: "192.168.10.200", 6: "fd00:192:168:10::200"}


def _listened(cluster: Cluster, who: str, target: str) -> list[dict[str, Any]]:
    """Have a pod ping while the monitor runs; return a request and its answer, as it shows them."""
    words = ("timeout", "60", "cilium-dbg", "monitor", "-j", "-t", "trace")
    found: dict[str, dict[str, Any]] = {}
    with (
        cluster.background("k8s-ctr", *words) as monitor,
        cluster.background(who, "ping", "-c", "60", target) as pinging,
    ):
        try:
            assert monitor.stdout is not None
            while len(found) < 2:
                event = json.loads(monitor.stdout.readline())
                if "Echo" in event["summary"]:
                    found[event["summary"]] = event
        finally:
            monitor.kill()
            pinging.kill()
    return [found["EchoRequest"], found["EchoReply"]]


@pytest.mark.parametrize("family", [4, 6])
def test_monitor_shows_a_pods_ping_and_its_answer(lab: SmokeLab, family: int) -> None:
    own = lab.addresses("tools-k8s-ctr")[family]

    request, reply = _listened(lab.cluster, "tools-k8s-ctr", WORLD[family])

    assert request["observationPoint"] == "to-network"
    assert request["state"] in {"new", "established"}
    assert request["source"]["ip"] == own
    assert request["seen"]["ip"] != own
    assert (reply["observationPoint"], reply["state"]) == ("to-endpoint", "reply")
    assert reply["destination"]["ip"] == own
