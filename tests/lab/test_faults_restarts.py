"""Restarts, repeated and unordered CNI requests, and the file that configures the runtime."""

import json
import os
import signal
from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, process
from tests.lab.plugin_calls import Sandbox, make_sandboxes, remove_sandboxes

CONFLIST = "/etc/cni/net.d/05-cilium.conflist"
UNKNOWN_CONTAINER = 3


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("restarts") as started:
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


@pytest.fixture
def sandbox(node: FaultyNode) -> Iterator[Sandbox]:
    (made,) = make_sandboxes(node, 1, "one")
    yield made
    made.delete()
    node.wait_settled(endpoints=0)
    remove_sandboxes([made])


def conflist(node: FaultyNode) -> str:
    """The file's text; empty while it is not there."""
    return node.run("sh", "-c", f"cat {CONFLIST} 2>/dev/null", check=False).stdout


def test_two_quick_restarts_keep_every_pod(lab: Cluster, node: FaultyNode) -> None:
    apply_pod(lab, "keeps", node.name)
    before = node.wait_settled(endpoints=1)
    router = {address for address, owner in node.allocations().items() if owner == "router"}

    for _ in range(2):
        node.replace_agent()  # The second comes while the first still starts.
    node.wait_agent()

    after = node.wait_settled(endpoints=1)
    assert after.endpoints == before.endpoints
    owned = node.allocations()
    assert {address for address, owner in owned.items() if owner == "router"} == router
    assert "1 received" in lab.exec("keeps", "ping", "-c1", "-W2", "192.168.10.100")
    lab.kubectl("delete", "pod", "keeps")
    node.wait_settled(endpoints=0)


def test_del_while_the_agent_is_away_is_queued_and_frees_the_address(
    lab: Cluster, node: FaultyNode, sandbox: Sandbox
) -> None:
    address = sandbox.add().address
    with frozen(process(lab, "kube")):
        node.kill_agent()

        first, second = sandbox.delete(), sandbox.delete()

        queued = node.run("ls", "/var/run/cilium/deleteQueue").stdout
    node.replace_agent()
    node.wait_agent()
    assert (first.code, second.code) == (0, 0)
    assert queued.count(".delete") == 1, "once per attachment"
    node.wait_settled(endpoints=0)
    assert address not in node.allocations()
    assert ".delete" not in node.run("ls", "/var/run/cilium/deleteQueue").stdout


def test_add_while_the_agent_is_away_says_try_again_and_leaves_nothing(
    lab: Cluster, node: FaultyNode, sandbox: Sandbox
) -> None:
    with frozen(process(lab, "kube")):
        node.kill_agent()
        soon = {"CILIATE_CNI_WAIT_MS": "200"}  # Instead of 5 s.
        refused = sandbox.call("ADD", environment=soon)
        status = sandbox.call("STATUS", environment=soon)
    node.replace_agent()
    node.wait_agent()

    assert refused.answer["code"] == 11
    assert "is it running?" in refused.answer["msg"]
    assert status.answer["code"] == 50
    node.wait_settled(endpoints=0)


def test_repeated_add_gives_the_same_answer(node: FaultyNode, sandbox: Sandbox) -> None:
    first = sandbox.add()
    again = sandbox.add()
    node.replace_agent()
    node.wait_agent()
    after_restart = sandbox.add()

    assert first.ok
    assert again.answer == first.answer
    assert after_restart.answer == first.answer
    node.wait_settled(endpoints=1)


def test_add_of_a_container_whose_interface_was_lost_makes_it_anew(
    node: FaultyNode, sandbox: Sandbox
) -> None:
    first = sandbox.add()
    node.run("nsenter", f"--net={sandbox.netns}", "ip", "link", "del", "eth0")

    again = sandbox.add()

    assert first.ok
    assert again.ok, again
    shown = node.run("nsenter", f"--net={sandbox.netns}", "ip", "-4", "addr").stdout
    assert again.address in shown
    node.wait_settled(endpoints=1)


def test_del_of_what_is_unknown_or_gone_succeeds(node: FaultyNode, sandbox: Sandbox) -> None:
    unknown = sandbox.delete()
    assert sandbox.add().ok
    node.run("umount", sandbox.netns)  # The container's namespace went before its DEL.

    first, second = sandbox.delete(), sandbox.delete()

    assert (unknown.code, first.code, second.code) == (0, 0, 0)
    node.wait_settled(endpoints=0)


def test_check_finds_what_differs(node: FaultyNode, sandbox: Sandbox) -> None:
    before = sandbox.call("CHECK")
    added = sandbox.add()
    extra = {"prevResult": added.answer}
    good = sandbox.call("CHECK", extra=extra)
    node.run("nsenter", f"--net={sandbox.netns}", "ip", "addr", "flush", "dev", "eth0")
    bad = sandbox.call("CHECK", extra=extra)

    assert before.answer["code"] == UNKNOWN_CONTAINER
    assert good.ok, good
    assert bad.code == 1
    assert added.address in bad.answer["msg"] + bad.answer.get("details", ""), bad


def test_gc_removes_what_the_runtime_does_not_know(node: FaultyNode) -> None:
    kept, stale = sandboxes = make_sandboxes(node, 2, "gc")
    assert all(sandbox.add().ok for sandbox in sandboxes)
    valid = [{"containerID": kept.container_id, "ifname": "eth0"}]

    done = kept.call("GC", extra={"cni.dev/valid-attachments": valid})

    assert done.ok, done
    records = node.wait_settled(endpoints=1)
    assert set(records.endpoints) == {kept.container_id}
    assert kept.call("GC", extra={"cni.dev/valid-attachments": []}).ok
    node.wait_settled(endpoints=0)
    remove_sandboxes([kept, stale])


def test_conflist_stays_through_restarts_of_every_kind(node: FaultyNode) -> None:
    document = json.loads(conflist(node))
    seen: list[bool] = []

    def ready_again() -> bool:
        seen.append(bool(conflist(node)))
        return node.asked("healthz") is not None

    for number in (signal.SIGKILL, signal.SIGTERM):
        os.kill(node.agent_pid, number)
        node.replace_agent()
        eventually(ready_again, within_s=20, what="agent back")

    assert document["plugins"][0]["type"] == "ciliate-cni"
    assert all(seen)


def test_conflist_removed_by_hand_comes_back_and_others_are_set_aside(
    node: FaultyNode,
) -> None:
    text = conflist(node)

    node.run("sh", "-c", f"rm {CONFLIST}; echo '{{}}' > /etc/cni/net.d/00-x.conflist")

    def is_right() -> bool:
        names = node.run("ls", "/etc/cni/net.d").stdout.split()
        return conflist(node) == text and "00-x.conflist.cilium_bak" in names

    eventually(is_right, within_s=15, what="the file")
    assert "00-x.conflist" not in node.run("ls", "/etc/cni/net.d").stdout.split()


def test_conflist_goes_with_the_daemon_set_and_pods_stay(lab: Cluster) -> None:
    """Last in this file: it leaves the lab without agents."""
    node = FaultyNode(lab, "k8s-w1")
    apply_pod(lab, "outlives", node.name)
    assert conflist(node)

    lab.kubectl("-n", "kube-system", "delete", "daemonset", "cilium", "--wait=false")

    eventually(lambda: not node.agent_pids, within_s=30, what="the agent's end")
    assert conflist(node) == ""
    assert "1 received" in lab.exec("outlives", "ping", "-c1", "-W2", "192.168.10.100")
