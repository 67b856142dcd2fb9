"""kill -9 at random moments of 50 concurrent ADDs: no address twice, none lost, no veth orphaned."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import LONG, FaultyNode, fault_lab
from tests.lab.plugin_calls import call_all, make_sandboxes, remove_sandboxes

PODS = 50
ROUNDS = 20 if LONG else 4

#: 50 ADDs take 150 to 250 ms: kills fall before, into and after them.
ADDS_S = 0.2

#: A file per endpoint; the last thing of an ADD before its answer.
FOLDER = "/var/run/cilium/state/endpoints"


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("adds") as started:
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


def kill_after(node: FaultyNode, moment_s: float) -> None:
    """Kill -9 in a while; a new pod brings the agent back at once, whatever the kill hit."""
    pid = node.agent_pid
    time.sleep(moment_s)
    os.kill(pid, signal.SIGKILL)
    node.replace_agent()
    node.wait_agent()


def kill_in_the_midst(node: FaultyNode, attached: int) -> None:
    """Kill -9 as soon as so many endpoints have their files: others are half made."""
    pid = node.agent_pid

    def watch_and_kill() -> None:
        deadline = time.monotonic() + 10
        while len(os.listdir(FOLDER)) < attached and time.monotonic() < deadline:
            time.sleep(0.0002)
        os.kill(pid, signal.SIGKILL)

    node.inside(watch_and_kill)
    node.replace_agent()
    node.wait_agent()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_agent_killed_during_direct_adds_keeps_its_records_in_order(
    node: FaultyNode, number: int
) -> None:
    moment_s, attached = random.uniform(0, ADDS_S), random.randrange(1, PODS)
    by_time = number % 3 == 0
    when = f"killed at {moment_s:.3f} s" if by_time else f"killed at {attached} endpoints"
    sandboxes = make_sandboxes(node, PODS, f"adds-{number}")
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(call_all, sandboxes, "ADD")
        if by_time:
            kill_after(node, moment_s)
        else:
            kill_in_the_midst(node, attached)
        answers = adding.result()
    answered = {
        sandbox.container_id: called.address
        for sandbox, called in zip(sandboxes, answers, strict=True)
        if called.ok
    }
    failed = [s for s, called in zip(sandboxes, answers, strict=True) if not called.ok]
    print(f"{when}: {len(failed)} ADDs were cut short")
    for called in answers:
        assert called.ok or called.answer["code"] == 11, f"{when}: {called}"

    # What was answered holds; what was not is asked for anew, or taken back, as runtimes do.
    known = node.endpoint_addresses()
    assert {name: known.get(name) for name in answered} == answered, when
    again, given_up = failed[::2], failed[1::2]
    assert all(called.ok for called in call_all(again, "ADD"))
    assert all(called.ok for called in call_all(given_up, "DEL"))
    records = node.wait_settled(endpoints=PODS - len(given_up))
    assert set(records.endpoints) == {
        sandbox.container_id for sandbox in sandboxes if sandbox not in given_up
    }

    assert all(called.ok for called in call_all(sandboxes, "DEL"))
    node.wait_settled(endpoints=0)
    remove_sandboxes(sandboxes)


def test_containers_that_died_with_the_agent_leave_nothing(node: FaultyNode) -> None:
    """The agent and half of the pods die together, ADDs under way; no DEL comes for those."""
    sandboxes = make_sandboxes(node, PODS, "dead")
    dead, living = sandboxes[::2], sandboxes[1::2]
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(call_all, sandboxes, "ADD")
        time.sleep(ADDS_S / 2)
        node.kill_agent()  # Until it is gone it may hold the namespace that it works in.
        remove_sandboxes(dead)
        node.replace_agent()
        node.wait_agent()
        adding.result()

    # A dead container's interface went with its namespace. ADDs that came later were refused.
    assert all(called.ok for called in call_all(living, "ADD"))
    assert all(called.ok for called in call_all(dead, "DEL"))
    node.wait_settled(endpoints=len(living))
    assert all(called.ok for called in call_all(living, "DEL"))
    node.wait_settled(endpoints=0)
    remove_sandboxes(living)


def deployment(node: str, replicas: int) -> str:
    """A Deployment of plain pods on one node."""
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
                        "nodeSelector": {"kubernetes.io/hostname": node},
                        "terminationGracePeriodSeconds": 0,
                        "containers": [{"name": "pause", "image": "pause"}],
                    },
                },
            },
        }
    )


@pytest.mark.parametrize("number", range(5 if LONG else 2))
def test_agent_killed_while_a_deployment_starts_brings_every_pod_up(
    lab: Cluster, node: FaultyNode, number: int
) -> None:
    moment_s = random.uniform(0.2, 1.5)
    lab.kubectl("apply", "-f", "-", text=deployment(node.name, PODS))

    kill_after(node, moment_s)

    def ready() -> bool:
        status = lab.object("deployment", "many").get("status", {})
        return bool(status.get("readyReplicas", 0) == PODS)

    eventually(ready, within_s=90, what=f"{PODS} pods ready, agent killed at {moment_s:.2f} s")
    records = node.wait_settled(endpoints=PODS)
    pods = lab.object("pods", "-l", "app=many")["items"]
    assert sorted(pod["status"]["podIP"] for pod in pods) == sorted(records.endpoints.values())

    lab.kubectl("delete", "deployment", "many", "--cascade=foreground", "--wait=false")
    kill_after(node, random.uniform(0, 0.5))
    eventually(
        lambda: not lab.object("pods", "-l", "app=many")["items"], within_s=60, what="pods gone"
    )
    node.wait_settled(endpoints=0)
