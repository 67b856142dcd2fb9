"""Agents that run as plain processes, as a unit of systemd would: they speak for themselves."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.lab.cluster import BIN, Cluster, Done, ciliate, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab
from tests.lab.plugin_calls import Sandbox, make_sandboxes, remove_sandboxes
from tests.lab.tenant import Tenant

from ciliate.api.cilium_node import READY_ANNOTATION, STARTED_ANNOTATION
from ciliate.api.metadata import format_time, parse_time
from ciliate.readiness.statement import VALID_S

#: Where an agent that is not its machine's first keeps what is its own.
STATE = "/run/second"
CONFLIST = f"{STATE}/net.d/05-cilium.conflist"
BPF_ROOT = "--bpf-root=/sys/fs/bpf/second"
STATE_DIR = f"--state-dir={STATE}"
LIST = f"--write-cni-conf-when-ready={CONFLIST}"

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
            started.kubectl("taint", "--overwrite", "node", name, f"{TAINT}=:NoSchedule")
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


def annotations(lab: Cluster, name: str) -> dict[str, str]:
    return dict(lab.object("ciliumnode", name)["metadata"]["annotations"])


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
    version = asked(lab, "version").stdout
    assert "cilium agents without a pod: k8s-ctr, k8s-w1" in version
    written = asked(lab, "config", "set", "debug", "false")
    assert "Not restarted: the agent of k8s-ctr, k8s-w1 has no pod" in written.stderr
    assert "Restarted Cilium pods" not in written.stdout


def test_agent_that_is_stopped_says_so_and_its_node_is_tainted_until_it_is_back(
    lab: Cluster,
) -> None:
    eventually(lambda: not is_tainted(lab, "k8s-w1"), within_s=20, what="no taint")

    started = annotations(lab, "k8s-w1")[STARTED_ANNOTATION]
    os.kill(pid(lab, "k8s-w1"), signal.SIGTERM)
    eventually(lambda: is_tainted(lab, "k8s-w1"), what="the taint of a stopped agent")
    status = asked(lab, "status")
    with agent_process(lab, "k8s-w1"):
        eventually(lambda: not is_tainted(lab, "k8s-w1"), within_s=20, what="no taint")
        assert annotations(lab, "k8s-w1")[STARTED_ANNOTATION] > started, "a restart shows"

    assert status.returncode == 1
    assert "k8s-w1" in status.stdout
    assert "its agent has no pod, and was ready until" in status.stdout


def test_node_whose_agent_was_killed_is_tainted_when_its_statement_ends(lab: Cluster) -> None:
    with agent_process(lab, "k8s-w1"):
        eventually(lambda: not is_tainted(lab, "k8s-w1"), within_s=20, what="no taint")
        os.kill(pid(lab, "k8s-w1"), signal.SIGKILL)
        until = parse_time(annotations(lab, "k8s-w1")[READY_ANNOTATION])
        now = datetime.now(UTC)
        assert now < until <= now + timedelta(seconds=VALID_S)
        assert not is_tainted(lab, "k8s-w1")
        # As if it had been written earlier: the end is not waited for.
        near = format_time(now + timedelta(seconds=2))
        lab.kubectl("annotate", "--overwrite", "ciliumnode/k8s-w1", f"{READY_ANNOTATION}={near}")
        eventually(lambda: is_tainted(lab, "k8s-w1"), within_s=8, what="the taint")


@pytest.fixture(scope="module")
def first(lab: Cluster) -> Tenant:
    """The node k8s-ctr, whose agent has every setting as usual."""
    return Tenant(lab, "k8s-ctr")


@pytest.fixture(scope="module")
def second(lab: Cluster) -> Tenant:
    """The node k8s-w1, without its agent and what that attached: it gets one on k8s-ctr's files."""
    node = FaultyNode(lab, "k8s-w1")
    lab.kubectl("delete", "pod", "here", "--ignore-not-found")
    with contextlib.suppress(OSError):
        os.kill(pid(lab, node.name), signal.SIGKILL)
    eventually(lambda: node.asked("healthz") is None, what="no agent")
    node.run("sh", "-c", "rm -r /sys/fs/bpf/tc /sys/fs/bpf/ciliate /sys/fs/bpf/cilium")
    return Tenant(lab, "k8s-w1", STATE)


@pytest.fixture
def sandboxes(first: Tenant, second: Tenant) -> Iterator[tuple[Sandbox, Sandbox]]:
    made = (*make_sandboxes(first, 1, "one"), *make_sandboxes(second, 1, "two"))
    yield made[0], made[1]
    remove_sandboxes(made)


def reaches(sandbox: Sandbox, address: str) -> bool:
    words = ("nsenter", f"--net={sandbox.netns}", "ping", "-c", "1", "-W", "1", address)
    return "1 received" in sandbox.node.run(*words, check=False).stdout


def is_healthy(node: Tenant) -> bool:
    health = node.asked("healthz")
    return health is not None and not any(
        each["status"].get("consecutive-failure-count") for each in health["controllers"]
    )


def test_two_agents_of_one_machine_serve_their_own_pods_and_outlive_each_other(
    first: Tenant, second: Tenant, sandboxes: tuple[Sandbox, Sandbox]
) -> None:
    here, there = sandboxes
    own_list = first.read("/etc/cni/net.d/05-cilium.conflist")
    with second.agent("second", STATE_DIR, BPF_ROOT, LIST) as process:
        eventually(lambda: second.asked("healthz"), within_s=30, what="the second agent")
        added = first.call(here, "ADD"), second.call(there, "ADD")
        assert all(called.ok for called in added), added
        addresses = [called.address for called in added]

        assert (first.pods(), second.pods()) == ({here.container_id}, {there.container_id})
        eventually(lambda: reaches(here, addresses[1]), what="the second's pod")
        assert reaches(there, addresses[0])
        assert first.pod_links() & second.pod_links() == set()
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert reaches(here, addresses[1]), "the datapath of a killed agent goes on"
    assert second.call(there, "DEL").ok, "into the second's own queue"
    with second.agent("second", STATE_DIR, BPF_ROOT, LIST):
        eventually(lambda: second.asked("healthz"), within_s=30, what="the second agent again")
        eventually(lambda: not second.pods(), what="the queued DEL")
        assert first.pods() == {here.container_id}
        assert there.container_id in second.requests()
        assert there.container_id not in first.requests()
        assert first.call(here, "CHECK").ok
        assert first.call(here, "DEL").ok
        eventually(lambda: is_healthy(first) and is_healthy(second), what="no error of either")
    assert first.read("/etc/cni/net.d/05-cilium.conflist") == own_list
    assert second.read(CONFLIST)


@pytest.mark.parametrize(
    ("tenant", "flags", "shared"),
    [
        ("k8s-w1", (STATE_DIR, LIST), "holds /sys/fs/bpf"),
        ("k8s-ctr", (STATE_DIR, BPF_ROOT, LIST), "holds /proc/self/ns/net"),
        ("k8s-w1", (BPF_ROOT, LIST), "of this node still runs"),
    ],
    ids=["bpf-root", "network namespace", "state directory"],
)
def test_agent_that_would_share_anothers_own_waits_and_touches_nothing(
    first: Tenant,
    sandboxes: tuple[Sandbox, Sandbox],
    tenant: str,
    flags: tuple[str, ...],
    shared: str,
) -> None:
    """It would empty the maps of the first, and take its routes for leftovers."""
    here, _ = sandboxes
    address = first.call(here, "ADD").address
    node = Tenant(first.lab, tenant)

    def waits() -> bool:
        log = node.read("/run/third.log")
        return f"{shared}: waiting" in log

    with node.agent("third", *flags):
        eventually(waits, what="an agent that waits for the end of the first")
    assert address in first.run("cilium-dbg", "bpf", "endpoint", "list").stdout
    assert first.call(here, "DEL").ok
