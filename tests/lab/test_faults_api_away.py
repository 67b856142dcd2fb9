"""The API server is away: pods keep their traffic, ADD succeeds or says "again", all converges."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import LONG, FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process
from tests.lab.plugin_calls import Called, make_sandboxes, remove_sandboxes
from tests.lab.streams import assert_alive, assert_unbroken, tcp_stream, udp_stream

ABSENCE_S = 30.0 if LONG else 3.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("api") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


@contextlib.contextmanager
def silent(lab: Cluster) -> Iterator[None]:
    """The API server accepts connections and says nothing."""
    with frozen(process(lab, "apiserver")):
        yield


@contextlib.contextmanager
def dead(lab: Cluster) -> Iterator[None]:
    """The API server was killed; its store is as the kill left it."""
    os.kill(process(lab, "apiserver"), signal.SIGKILL)
    try:
        yield
    finally:
        lab.lab("restart", "apiserver")


AWAY = pytest.mark.parametrize("away", [silent, dead])
Away = Callable[[Cluster], contextlib.AbstractContextManager[None]]


def assert_retryable(called: Called) -> None:
    """A clear answer by which a runtime knows to try again (CNI 1.1, error codes)."""
    assert called.answer["code"] == 11, called
    assert "try again" in called.answer["msg"], called


@AWAY
def test_traffic_and_adds_go_on_and_the_cluster_learns_of_it_afterwards(
    lab: Cluster, node: FaultyNode, away: Away
) -> None:
    name = f"late-{away.__name__}"
    (sandbox,) = make_sandboxes(node, 1, name)
    unscheduled = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": sandbox.name}}
    spec = {"nodeName": node.name, "containers": [{"name": "pause", "image": "pause"}]}
    with frozen(process(lab, "kube")):  # No kubelet attaches this pod: the test does.
        lab.kubectl("create", "-f", "-", text=json.dumps({**unscheduled, "spec": spec}))
        with (
            udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp,
            tcp_stream(lab, "left") as tcp,
            away(lab),
        ):
            began = time.monotonic()
            called = sandbox.add()
            spent_s = time.monotonic() - began
            time.sleep(max(0.0, ABSENCE_S - spent_s))

        assert_unbroken(udp)
        assert_alive(tcp)
        if not called.ok:
            assert_retryable(called)
            called = sandbox.add()
        assert called.ok, called
        assert spent_s < 10

        def published() -> bool:
            found = lab.kubectl(
                "get", "cep", sandbox.name, "-o", "json", "--ignore-not-found", check=False
            )
            if not found.strip():
                return False
            status = json.loads(found)["status"]
            return bool(
                status["networking"]["addressing"][0]["ipv4"] == called.address
                and status["identity"]["id"] >= 256
            )

        eventually(published, within_s=45, what=f"CiliumEndpoint of {sandbox.name}")
        lab.kubectl("delete", "pod", sandbox.name, "--grace-period=0", "--force")
        assert sandbox.delete().ok
    remove_sandboxes([sandbox])
    node.wait_settled(endpoints=1)


@AWAY
def test_agent_restarted_while_the_api_server_is_away_waits_and_costs_no_packet(
    lab: Cluster, node: FaultyNode, away: Away
) -> None:
    (sandbox,) = make_sandboxes(node, 1, f"early-{away.__name__}")
    node.replace_agent()  # The kubelet's first restart of a fresh pod is immediate.
    node.wait_agent()

    with (
        udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp,
        tcp_stream(lab, "right") as tcp,
        away(lab),
    ):
        killed = node.kill_agent()
        eventually(
            lambda: set(node.agent_pids) - {killed}, within_s=15, what="the kubelet's restart"
        )
        # The plugin's own patience is 5 s; what it says at the end is the same.
        refused = sandbox.call("ADD", environment={} if LONG else {"CILIATE_CNI_WAIT_MS": "500"})
        time.sleep(ABSENCE_S / 2)

    assert_retryable(refused)
    assert_unbroken(udp)
    assert_alive(tcp)
    node.wait_agent(within_s=30)
    assert sandbox.add().ok
    assert sandbox.delete().ok
    remove_sandboxes([sandbox])
    node.wait_settled(endpoints=1)


def test_pod_created_right_after_an_absence_runs_soon(lab: Cluster, node: FaultyNode) -> None:
    with silent(lab):
        time.sleep(ABSENCE_S / 3)

    began = time.monotonic()
    apply_pod(lab, "after", node.name)

    assert time.monotonic() - began < 15
    assert "1 received" in lab.exec("left", "ping", "-c1", "-W2", pod_ip(lab, "after"))
    lab.kubectl("delete", "pod", "after")
