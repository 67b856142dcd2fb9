"""The process of the kubelets dies: pods go on, the next one takes them over, nothing is left."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually

from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.paths import LabPaths
from ciliate.lab.processes import KUBE, Processes, alive
from ciliate.lab.state import read_state

TALKER = """
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  restartPolicy: Never
  nodeName: k8s-w1
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'i=0; while ! test -e /tmp/stop; do i=$((i+1)); echo line $i; sleep 0.02; done; exit 7']
  - {name: reader, image: busybox, stdin: true, command: [sh, -c, 'read line; echo got $line']}
  - {name: shell, image: busybox, stdin: true, tty: true, command: [sh]}
"""

MANY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: 30
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      containers: [{name: c, image: registry.k8s.io/pause}]
"""


@pytest.fixture
def lab(new_cluster: Callable[..., Cluster]) -> Cluster:
    return new_cluster()


def kill_kubelets(lab: Cluster) -> None:
    """End the process without a chance to say good-bye."""
    paths = LabPaths.of(lab.name)
    for pid in LabCgroup(LabCgroup.of(lab.name).path / KUBE).pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(paths)[KUBE], what="the process is gone")


def start_kubelets(lab: Cluster) -> None:
    async def start() -> None:
        paths = LabPaths.of(lab.name)
        child = await Processes(paths).start_kube(read_state(paths))
        child.close()

    asyncio.run(start())


def states(lab: Cluster) -> Any:
    """The states of talker's containers, by name."""
    status = lab.object("pod", "talker")["status"]
    return {c["name"]: c["state"] for c in status["containerStatuses"]}


def attached(lab: Cluster, container: str, text: str) -> str:
    """What a container prints when it is given a text, up to its end."""
    return lab.kubectl("attach", "-i", "talker", "-c", container, text=text)


def test_running_containers_are_adopted_with_their_streams_and_exit_code(lab: Cluster) -> None:
    lab.kubectl("apply", "-f", "-", text=TALKER)
    lab.kubectl("wait", "--for=condition=Ready", "pod/talker", "--timeout=20s")
    before = lab.object("pod", "talker")["status"]

    kill_kubelets(lab)
    pid = int(lab.exec("k8s-w1", "pgrep", "-of", "test -e /tmp/stop"))
    os.kill(pid, 0)  # The container has not noticed anything.
    start_kubelets(lab)

    eventually(
        lambda: (
            "line" in lab.kubectl("exec", "talker", "-c", "c", "--", "echo", "line", check=False)
        )
    )
    after = lab.object("pod", "talker")["status"]
    assert after["podIP"] == before["podIP"]
    assert [c["restartCount"] for c in after["containerStatuses"]] == [0, 0, 0]
    assert attached(lab, "reader", "word\n") == "got word\n"
    assert "x2" in attached(lab, "shell", "echo x$((1+1)); exit\n")
    # The container may end, and with it what was run in it, before that has ended: 137.
    lab.kubectl("exec", "talker", "-c", "c", "--", "touch", "/tmp/stop", check=False)
    try:
        eventually(
            lambda: lab.object("pod", "talker")["status"]["phase"] == "Failed",
            within_s=30,
            what="all three have ended",
        )
    finally:
        lab.exec("k8s-w1", "rm", "-f", "/tmp/stop")
    terminated = states(lab)["c"]
    assert terminated["terminated"]["exitCode"] == 7
    lines = lab.kubectl("logs", "talker", "-c", "c").splitlines()
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]


def node_counts(lab: Cluster, node: str) -> tuple[int, int, int]:
    """Pod interfaces, network namespaces in the node, and sandboxes on disk."""
    links = int(lab.exec(node, "sh", "-c", "ip -br link | grep -c ' *lxc' || true"))
    spaces = int(lab.exec(node, "sh", "-c", "ls /run/netns 2>/dev/null | wc -l"))
    return links, spaces, len(list((lab.folder / node / "pods").glob("default_*/ns")))


def test_kills_amid_creation_and_deletion_leave_nothing_behind(lab: Cluster) -> None:
    lab.kubectl("apply", "-f", "-", text=MANY)
    for replicas in (60, 5, 40):
        lab.kubectl("scale", "deploy/many", f"--replicas={replicas}")
        kill_kubelets(lab)
        start_kubelets(lab)

    lab.kubectl("rollout", "status", "deploy/many", "--timeout=60s")
    eventually(
        lambda: sum(node_counts(lab, node)[0] for node in ("k8s-ctr", "k8s-w1")) == 40,
        within_s=30,
        what="one interface per pod",
    )
    ips = [item["status"]["podIP"] for item in lab.object("pods", "-l", "app=many")["items"]]
    assert len(ips) == len(set(ips)) == 40
    lab.kubectl("delete", "deploy/many")
    eventually(
        lambda: {node_counts(lab, node) for node in ("k8s-ctr", "k8s-w1")} == {(0, 0, 0)},
        within_s=30,
        what="nothing is left of the pods",
    )
