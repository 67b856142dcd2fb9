"""A node's listeners: silent connections by the thousand cost nobody else anything."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from benchmarks.silent_connections import LISTENERS
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, process
from tests.lab.plugin_calls import make_sandboxes, remove_sandboxes
from tests.lab.test_metrics import scrape

NODE = "k8s-ctr"
CHECKOUT = Path(__file__).parents[2]
#: More than every listener's bound, and than the descriptors that the agent may have in all.
CONNECTIONS = 5_000
DESCRIPTORS = 4_096


def health(cluster: Cluster, host: str, *headers: str) -> tuple[int, str]:
    """The code and the text of an agent's answer to a probe."""
    words = [word for header in headers for word in ("--header", header)]
    text = cluster.exec(
        NODE,
        *("curl", "--silent", "--write-out", " %{http_code}", *words),
        f"http://{host}:9879/healthz",
        check=False,
    )
    answer, _, code = text.rpartition(" ")
    return int(code), answer.strip()


def test_agent_serves_cni_and_whoever_asks_beside_silent_connections(
    new_cluster: Callable[..., Cluster],
) -> None:
    cluster = new_cluster("--nodes", "1")
    node = FaultyNode(cluster, NODE)
    pid = node.agent_pid
    sandboxes = make_sandboxes(node, 20, "silent")

    def add_and_delete() -> float:
        """The shortest time of an ADD, in seconds: other work on the machine only adds to it."""
        spent = []
        for sandbox in sandboxes:
            began_at = monotonic()
            assert sandbox.add().ok
            spent.append(monotonic() - began_at)
            assert sandbox.delete().ok
        return min(spent)

    add_and_delete()  # Warms.
    alone_s = add_and_delete()
    command = ("env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-m", "benchmarks.silent_clients")
    with cluster.background(NODE, *command, str(CONNECTIONS), *LISTENERS) as clients:
        assert clients.stdout is not None
        assert int(clients.stdout.readline()) > 0
        assert len(os.listdir(f"/proc/{pid}/fd")) < DESCRIPTORS
        beside_s = add_and_delete()
        series = scrape(cluster, NODE)
        assert health(cluster, "127.0.0.1") == (200, "ok")
        assert json.loads(cluster.exec(NODE, "cilium-dbg", "status", "-o", "json"))
        clients.kill()
    remove_sandboxes(sandboxes)

    assert node.agent_pid == pid
    assert beside_s < 3 * alone_s  # Far from what is meant: benchmarks/silent_connections.py.
    for listener in ("metrics", "health", "agent-api", "cni"):
        labels = (("listener", listener), ("reason", "displaced"))
        assert series["ciliate_listener_ended_total", labels] > 1000, listener


def test_health_says_200_on_both_families_and_500_when_the_api_server_is_away(
    new_cluster: Callable[..., Cluster],
) -> None:
    """A liveness probe leaves the API server out: an agent is not killed because it is away."""
    cluster = new_cluster("--nodes", "1", "--dual-stack")
    for host in ("127.0.0.1", "[::1]"):
        assert health(cluster, host, "brief: true") == (200, "ok")

    os.kill(process(cluster, "apiserver"), signal.SIGKILL)

    eventually(
        lambda: health(cluster, "127.0.0.1")[0] == 500, within_s=40.0, what="the probe fails"
    )
    _, why = health(cluster, "127.0.0.1")
    assert "no connection to https://" in why
    assert health(cluster, "127.0.0.1", "require-k8s-connectivity: false") == (200, "ok")
