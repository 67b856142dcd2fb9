"""What the programs tell of a packet reaches who listens: the ring, its mapping, the sockets."""

import json
from typing import Any

import pytest
from tests.kernels.conftest import SmokeLab
from tests.lab.cluster import Cluster, eventually

WORLD = {4: "192.168.10.200", 6: "fd00:192:168:10::200"}


def _listened(cluster: Cluster, who: str, target: str) -> list[dict[str, Any]]:
    """Have a pod ping while the monitor runs; return what it printed of the pod's echoes."""
    words = ("timeout", "60", "cilium-dbg", "monitor", "-j", "-t", "trace")
    found: list[dict[str, Any]] = []
    with cluster.background("k8s-ctr", *words) as monitor:
        assert monitor.stderr is not None
        assert monitor.stdout is not None
        assert "Listening" in monitor.stderr.readline()
        eventually(
            lambda: "1 received" in cluster.exec(who, "ping", "-c", "1", target, check=False),
            within_s=30,
        )
        while len(found) < 2:
            event = json.loads(monitor.stdout.readline())
            if "Echo" in event["summary"]:
                found.append(event)
        monitor.kill()
    return found


@pytest.mark.parametrize("family", [4, 6])
def test_monitor_shows_a_pods_ping_and_its_answer(lab: SmokeLab, family: int) -> None:
    own = lab.addresses("tools-k8s-ctr")[family]

    request, reply = _listened(lab.cluster, "tools-k8s-ctr", WORLD[family])

    assert (request["observationPoint"], request["state"]) == ("to-network", "new")
    assert request["source"]["ip"] == own
    assert request["seen"]["ip"] != own
    assert (reply["observationPoint"], reply["state"]) == ("to-endpoint", "reply")
    assert reply["destination"]["ip"] == own
