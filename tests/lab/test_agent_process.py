"""Agents that run as plain processes, as a unit of systemd would: they speak for themselves."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator

import pytest
from tests.lab.cluster import BIN, Cluster, Done, ciliate, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab

from ciliate.readiness.statement import VALID_S

TAINT = "node.cilium.io/agent-not-ready"
NODES = ("k8s-ctr", "k8s-w1")
PID = "/run/agent-process.pid"


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    """No DaemonSet runs agents; each node has one that was started by hand."""
    with fault_lab("processes") as started, contextlib.ExitStack() as agents:
        started.kubectl("-n", "kube-system", "delete", "daemonset", "cilium")
        for name in NODES:
            eventually(lambda name=name: not FaultyNode(started, name).agent_pids, what="no agent")  # type: ignore[misc]
            started.kubectl("taint", "node", name, f"{TAINT}=:NoSchedule")
            agents.enter_context(agent_process(started, name))
        yield started


@contextlib.contextmanager
def agent_process(lab: Cluster, name: str) -> Iterator[None]:
    """An agent in a machine, outside of any pod."""
    script = f"echo $$ > {PID}; exec {BIN / 'ciliate'} agent --node {name} >/run/agent.log 2>&1"
    with lab.background(name, "sh", "-c", script) as entered:
        try:
            eventually(
                lambda: FaultyNode(lab, name).asked("healthz"), within_s=30, what="an agent"
            )
            yield
        finally:
            with contextlib.suppress(OSError):
                os.kill(pid(lab, name), signal.SIGKILL)
            entered.kill()


def pid(lab: Cluster, name: str) -> int:
    return int(FaultyNode(lab, name).read(PID))


def is_tainted(lab: Cluster, name: str) -> bool:
    taints = lab.object("node", name)["spec"].get("taints", [])
    return any(taint["key"] == TAINT for taint in taints)


def asked(lab: Cluster, *words: str) -> Done:
    kubeconfig = str(lab.folder / "kubeconfig")
    return ciliate(*words, "--kubeconfig", kubeconfig, check=False)


def test_nodes_lose_their_taint_and_pods_run(lab: Cluster) -> None:
    eventually(
        lambda: not any(is_tainted(lab, name) for name in NODES), within_s=20, what="taints"
    )

    apply_pod(lab, "here", "k8s-w1")
    conditions = lab.object("node", "k8s-w1")["status"]["conditions"]
    assert [c["status"] for c in conditions if c["reason"] == "CiliumIsUp"] == ["False"]


def test_commands_know_agents_without_pods(lab: Cluster) -> None:
    eventually(
        lambda: not any(is_tainted(lab, name) for name in NODES), within_s=20, what="taints"
    )

    status = json.loads(asked(lab, "status", "-o", "json").stdout)
    check = asked(lab, "ipam", "check", "--grace", "1s", "-o", "json")
    shown = asked(lab, "ipam", "status")

    assert status["pod_state"]["cilium"]["type"] == "Process"
    assert status["pod_state"]["cilium"]["ready"] == len(NODES)
    assert "cilium" not in status["findings"]
    kinds = {(each["kind"], each["severity"]) for each in json.loads(check.stdout)["findings"]}
    assert (kinds, check.returncode) == ({("agent-without-pod", "info")}, 0), check.stderr
    assert shown.returncode == 0, shown.stderr
    assert "type `cilium-dbg ipam` on the node" in shown.stdout


def test_agent_that_is_stopped_says_so_and_its_node_is_tainted_until_it_is_back(
    lab: Cluster,
) -> None:
    eventually(lambda: not is_tainted(lab, "k8s-w1"), within_s=20, what="no taint")

    os.kill(pid(lab, "k8s-w1"), signal.SIGTERM)
    eventually(lambda: is_tainted(lab, "k8s-w1"), what="the taint of a stopped agent")
    status = asked(lab, "status")
    with agent_process(lab, "k8s-w1"):
        eventually(lambda: not is_tainted(lab, "k8s-w1"), within_s=20, what="no taint")

    assert status.returncode == 1
    assert "k8s-w1" in status.stdout
    assert "its agent has no pod, and was ready until" in status.stdout


def test_node_whose_agent_was_killed_is_tainted_when_its_statement_ends(lab: Cluster) -> None:
    with agent_process(lab, "k8s-w1"):
        eventually(lambda: not is_tainted(lab, "k8s-w1"), within_s=20, what="no taint")
        os.kill(pid(lab, "k8s-w1"), signal.SIGKILL)
        # The operator looks at least every 19 s.
        eventually(lambda: is_tainted(lab, "k8s-w1"), within_s=VALID_S + 25, what="the taint")
