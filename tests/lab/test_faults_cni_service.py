"""What may not end the agent or keep its workers: no descriptor left, pipes, a removed socket."""

import os
import resource
from collections.abc import Iterator

import pytest
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode, fault_lab, frozen
from tests.lab.plugin_calls import (
    Sandbox,
    call_all,
    call_plugin,
    make_sandboxes,
    remove_sandboxes,
)

CONFIG = b'{"cniVersion":"1.1.0","name":"cilium","type":"ciliate-cni"}'


@pytest.fixture(scope="module")
def node() -> Iterator[FaultyNode]:
    with fault_lab("service") as lab:
        yield FaultyNode(lab, "k8s-w1")


@pytest.fixture
def sandboxes(node: FaultyNode) -> Iterator[list[Sandbox]]:
    """Eight containers; the agent that was there before is there after, and serves."""
    made = make_sandboxes(node, 8, "service")
    pid = node.agent_pid
    yield made
    assert node.agent_pid == pid, "the agent lived through it"
    assert all(called.ok for called in call_all(made, "ADD"))
    assert all(called.ok for called in call_all(made, "DEL"))
    node.wait_settled(endpoints=0)
    remove_sandboxes(made)


def test_agent_without_a_descriptor_left_fails_requests_and_serves_again(
    node: FaultyNode, sandboxes: list[Sandbox]
) -> None:
    pid = node.agent_pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    failed = 0
    try:
        for room in (8, 4, 2):  # A connection takes one, and what it asks for some.
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + room, hard))
            for called in call_all(sandboxes, "ADD"):
                failed += not called.ok
            call_all(sandboxes, "DEL")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))

    assert failed, "there was too little room"


def test_pipes_as_namespaces_keep_no_worker(node: FaultyNode, sandboxes: list[Sandbox]) -> None:
    node.run("sh", "-c", "mkdir -p /run/pipes; cd /run/pipes; mkfifo a b c d")
    for name in "abcd":
        environment = {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": f"pipe-{name}",
            "CNI_NETNS": f"/run/pipes/{name}",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": "K8S_POD_NAMESPACE=default;K8S_POD_NAME=pipe",
        }
        called = call_plugin(node, environment, CONFIG)
        assert called.code == 1
        assert "is a pipe, no network namespace" in called.answer["msg"]
        assert call_plugin(node, environment | {"CNI_COMMAND": "DEL"}, CONFIG).ok
    assert sandboxes[0].call("STATUS").ok


def test_removed_socket_comes_back_and_queued_deletions_are_done(
    node: FaultyNode, sandboxes: list[Sandbox]
) -> None:
    assert sandboxes[0].add().ok

    with frozen(node.agent_pid):  # It would be back before the plugin gives it up.
        node.run("rm", "/var/run/cilium/cni.sock")
        assert sandboxes[0].delete().ok

    node.wait_settled(endpoints=0)
    eventually(lambda: sandboxes[0].call("STATUS").ok, what="the socket is there again")
    lines = node.read("/var/run/cilium/cilium-cni.log").splitlines()
    told = [line for line in lines if f"verb=DEL container={sandboxes[0].container_id}" in line]
    assert len(told) == 1, told
    assert " queued=" in told[0]
