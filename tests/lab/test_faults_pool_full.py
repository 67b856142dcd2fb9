"""A node whose addresses are all in use, and a node with many pods."""

import json
import os
import time
from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, fault_lab
from tests.lab.plugin_calls import Sandbox, call_all, make_sandboxes, remove_sandboxes

TRY_AGAIN = 11

#: Of 256 addresses two (first, last) are given to no pod, one is the router's.
POOL, USABLE, FOR_PODS = "10.244.1.0/24", 254, 253


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("pool") as started:
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


@pytest.fixture
def full(node: FaultyNode) -> Iterator[list[Sandbox]]:
    """As many containers as there are addresses, and one more that has none."""
    made = make_sandboxes(node, FOR_PODS + 1, "full")
    answers = call_all(made[:-1], "ADD")
    assert [called.stdout for called in answers if not called.ok] == []
    yield made
    assert all(called.ok for called in call_all(made, "DEL"))
    node.wait_settled(endpoints=0)
    remove_sandboxes(made)


def test_add_to_a_full_pool_names_it_and_succeeds_after_a_del(
    node: FaultyNode, full: list[Sandbox]
) -> None:
    one_too_many = full[-1]

    refused = one_too_many.add()
    status = one_too_many.call("STATUS")
    records = node.wait_settled(endpoints=FOR_PODS)
    freed = records.endpoints[full[0].container_id]
    assert full[0].delete().ok
    eventually(lambda: one_too_many.add().ok, what="an ADD after the DEL")

    assert refused.answer["code"] == TRY_AGAIN
    assert POOL in refused.answer["msg"]
    assert str(USABLE) in refused.answer["msg"]
    assert status.ok, "a full pool is no failure of the node: it stays Ready"
    after = node.wait_settled(endpoints=FOR_PODS)
    assert after.endpoints[one_too_many.container_id] == freed


def test_full_pool_survives_a_restart_of_the_agent(node: FaultyNode, full: list[Sandbox]) -> None:
    before = node.wait_settled(endpoints=FOR_PODS).endpoints

    node.kill_agent()
    node.replace_agent()
    began = time.monotonic()
    node.wait_agent()

    assert time.monotonic() - began < 10
    assert node.wait_settled(endpoints=FOR_PODS).endpoints == before
    assert full[-1].add().answer["code"] == TRY_AGAIN
    assert node.run("ip", "-4", "addr", "show", "cilium_host").stdout.count("inet ") == 1


def many(node: str, replicas: int) -> str:
    """A Deployment of plain pods bound to one node, past the scheduler and its limit of 110."""
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "many"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "many"}},
                "template": {
                    "metadata": {"labels": {"app": "many"}},
                    "spec": {
                        "nodeName": node,
                        "terminationGracePeriodSeconds": 0,
                        "containers": [{"name": "pause", "image": "pause"}],
                    },
                },
            },
        }
    )


def ready_pods(lab: Cluster) -> int:
    """How many pods of the Deployment are ready."""
    return int(lab.object("deployment", "many").get("status", {}).get("readyReplicas", 0))


def test_two_hundred_pods_on_a_node_work_and_too_many_wait_for_room(
    lab: Cluster, node: FaultyNode
) -> None:
    began = time.monotonic()
    lab.kubectl("apply", "-f", "-", text=many(node.name, 200))
    eventually(lambda: ready_pods(lab) == 200, within_s=90, what="200 pods ready")
    print(f"200 pods ready after {time.monotonic() - began:.1f} s")
    records = node.wait_settled(endpoints=200)
    sample = " ".join(sorted(records.endpoints.values())[::20])
    node.run("sh", "-c", f"for ip in {sample}; do ping -c1 -W2 $ip || exit 1; done")

    lab.kubectl("scale", "deployment", "many", f"--replicas={FOR_PODS + 2}")
    eventually(lambda: ready_pods(lab) == FOR_PODS, within_s=60, what="a full node")

    def problem() -> bool:
        return POOL in lab.kubectl("get", "events", "--field-selector", "type=Warning")

    eventually(problem, within_s=20, what="an event that names the pool")
    lab.kubectl("delete", "deployment", "many", "--cascade=foreground", "--wait=false")
    eventually(
        lambda: not lab.object("pods", "-l", "app=many")["items"], within_s=90, what="pods gone"
    )
    node.wait_settled(endpoints=0)


def test_two_hundred_containers_are_attached_and_removed_in_seconds(node: FaultyNode) -> None:
    made = make_sandboxes(node, 200, "many")
    began = time.monotonic()

    added = call_all(made, "ADD")
    adding_s = time.monotonic() - began
    node.wait_settled(endpoints=200)
    began = time.monotonic()
    deleted = call_all(made, "DEL")
    deleting_s = time.monotonic() - began

    assert all(called.ok for called in (*added, *deleted))
    print(f"200 ADDs in {adding_s:.2f} s, 200 DELs in {deleting_s:.2f} s, {os.cpu_count()} CPUs")
    assert adding_s < 10
    node.wait_settled(endpoints=0)
    remove_sandboxes(made)
