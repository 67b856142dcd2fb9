"""The lab that every file of this folder tries its feature in: two nodes, both families, pods.

`make kernels` runs this folder inside a guest of each kernel (tools/kernels); a file per feature,
found by itself. On the machine's own kernel it runs as any other tests do. Emulation is ten times
slower than the machine: waits are long, and there are few commands.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.lab.cluster import Cluster, ciliate, eventually

HERE: Final = Path(__file__).parent
NODES: Final = ("k8s-ctr", "k8s-w1")

#: Without flow servers, which ask no kernel for more than the monitor does: emulated, their start and what
#: they take of events made the tests half as long again.
_WORDS: Final = ("--no-dns", "--dual-stack", "--set", "hubble.enabled=false")

#: A wait in a guest whose two processors are emulated on one.
WAIT_S: Final = 90.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="labs need root"))


@dataclass(frozen=True, slots=True)
class SmokeLab:
    """A lab with pod `tools-NODE` on each node: the host's tools and a web server."""

    cluster: Cluster

    def add_pod(self, name: str, node: str) -> None:
        """Apply a pod of the host's tools on `node`; `wait_pods` waits for it."""
        container = {"name": "tools", "image": "nicolaka/netshoot"}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "containers": [container, {"name": "web", "image": "traefik/whoami"}],
            },
        }
        self.cluster.kubectl("apply", "-f", "-", text=json.dumps(pod))

    def wait_pods(self, *names: str) -> None:
        """Return when these pods are ready."""
        pods = [f"pod/{name}" for name in names]
        self.cluster.kubectl("wait", *pods, "--for=condition=Ready", "--timeout=55s")

    def addresses(self, name: str) -> dict[int, str]:
        """Return a pod's address of each family: 4 and 6."""
        found = self.cluster.object("pod", name)["status"]["podIPs"]
        return {6 if ":" in each["ip"] else 4: each["ip"] for each in found}

    def fetch(self, pod: str, address: str) -> str:
        """Return what the web server at `address` tells a pod: who it was asked by."""
        host = f"[{address}]" if ":" in address else address
        return self.cluster.exec(pod, "curl", "-sS", "--max-time", "20", f"http://{host}/")

    def node_status(self, node: str) -> Any:
        """Return what the agent of `node` says of itself."""
        return json.loads(self.cluster.exec(node, "cilium-dbg", "status", "-o", "json"))


@pytest.fixture(scope="session")
def lab() -> Iterator[SmokeLab]:
    cluster = Cluster(f"kernels-{os.getpid()}")
    try:
        ciliate("lab", "up", "--name", cluster.name, *_WORDS, timeout_s=480)
        lab = SmokeLab(cluster)
        for node in NODES:
            lab.add_pod(f"tools-{node}", node)
        lab.wait_pods(*(f"tools-{node}" for node in NODES))
        yield lab
    finally:
        cluster.lab("down")
    eventually(lambda: not cluster.folder.exists(), within_s=WAIT_S, what="the lab is gone")
