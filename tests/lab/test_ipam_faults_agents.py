"""Agents killed, restarted and left alone while their node waits for CIDRs or drains them.

A lab in multi-pool mode with blocks of eight addresses: growth takes many. The operator stands
still where a test needs ADDs that wait.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process
from tests.lab.node_cidrs import (
    STATE_FILE,
    all_cidrs,
    apply_pool,
    apply_pool_pods,
    assert_mesh,
    audit,
    cidrs_of,
    delete_pods,
    delete_unbound_pods,
    operators,
    wait_ready,
)
from tests.lab.plugin_calls import Sandbox, call_all, make_sandboxes, remove_sandboxes
from tests.lab.streams import assert_unbroken, udp_stream

NODE, OTHER = "k8s-w1", "k8s-ctr"
DEFAULT = "ipam.operator.autoCreateCiliumPodIPPools.default.ipv4"


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab(
        "agents",
        "--set", "ipam.mode=multi-pool",
        "--set", "ipam.ciliumNodeUpdateRate=1s",
        "--set", f"{DEFAULT}.cidrs={{10.50.0.0/16}}",
        "--set", f"{DEFAULT}.maskSize=29",
    ) as started:  # fmt: skip
        apply_pod(started, "left", OTHER)
        apply_pod(started, "right", NODE)
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, NODE)


@pytest.fixture
def containers(lab: Cluster, node: FaultyNode) -> Iterator[Callable[[int, str], list[Sandbox]]]:
    """Makes containers whose pods the API knows and no kubelet attaches; takes them away."""
    made: list[Sandbox] = []

    def make(count: int, prefix: str) -> list[Sandbox]:
        made.extend(make_sandboxes(node, count, prefix))
        apply_pool_pods(lab, [sandbox.name for sandbox in made])
        return made

    yield make
    assert all(called.ok for called in call_all(made, "DEL"))
    node.wait_settled(endpoints=1)
    remove_sandboxes(made)
    delete_unbound_pods(lab)


def restart(node: FaultyNode) -> None:
    """Kill -9, and a new agent at once."""
    pid = node.kill_agent()
    node.replace_agent()
    node.wait_agent(other_than=pid)


def test_agent_killed_while_50_adds_wait_for_cidrs_gives_no_address_twice(
    lab: Cluster, node: FaultyNode, containers: Callable[[int, str], list[Sandbox]]
) -> None:
    made = containers(50, "waits")
    pid = node.agent_pid

    with ThreadPoolExecutor() as pool:
        with frozen(*operators(lab).values()):
            adding = pool.submit(call_all, made, "ADD")
            eventually(lambda: cidrs_of(lab, NODE).requested["default"] > 30, what="demand")
            os.kill(pid, signal.SIGKILL)
        # The operator answers while there is no agent, and a moment later the agent is back.
        node.replace_agent()
        node.wait_agent(other_than=pid)
        first = adding.result()
    second = call_all(made, "ADD")

    assert [called.stdout for called in second if not called.ok] == []
    records = node.wait_settled(endpoints=51)
    assert {called.address for called in second} < set(records.endpoints.values())
    for before, after in zip(first, second, strict=True):
        assert not before.ok or before.address == after.address, "what was answered holds"
    audit(lab)


def test_add_that_waits_outlives_an_api_server_that_stands_still(
    lab: Cluster, node: FaultyNode, containers: Callable[[int, str], list[Sandbox]]
) -> None:
    apply_pool(lab, "slow", "10.60.0.0/28", mask=29)
    (sandbox,) = make_sandboxes(node, 1, "slow")
    apply_pool_pods(lab, [sandbox.name], pool="slow")

    with ThreadPoolExecutor() as pool:
        with frozen(*operators(lab).values()):
            adding = pool.submit(sandbox.add)
            eventually(lambda: "slow" in cidrs_of(lab, NODE).requested, what="an ADD that waits")
            with frozen(process(lab, "apiserver")):
                time.sleep(2)  # The absence itself.
                assert not adding.done()
        called = adding.result()

    assert called.ok, called
    assert called.address.startswith("10.60.0.")
    assert sandbox.delete().ok
    delete_pods(lab, sandbox.name)
    remove_sandboxes([sandbox])
    eventually(lambda: "slow" not in cidrs_of(lab, NODE).requested, what="the CIDR given back")


def test_two_hundred_pods_grow_by_many_cidrs_in_seconds(
    lab: Cluster, node: FaultyNode, containers: Callable[[int, str], list[Sandbox]]
) -> None:
    made = containers(200, "crowd")
    left = list(made)
    began = time.monotonic()

    def all_added() -> bool:
        """As a kubelet does: an ADD that failed with error 11 is repeated."""
        answers = call_all(left, "ADD")
        left[:] = [s for s, called in zip(left, answers, strict=True) if not called.ok]
        return not left

    eventually(all_added, within_s=60, what="200 ADDs")
    took_s = time.monotonic() - began

    print(f"200 ADDs with {len(cidrs_of(lab, NODE).current)} CIDRs in {took_s:.1f} s")
    records = node.wait_settled(endpoints=201)
    assert len(set(records.endpoints.values())) == 201
    audit(lab)


def test_agent_restarted_again_and_again_keeps_what_drains(lab: Cluster, node: FaultyNode) -> None:
    apply_pool(lab, "ends", "10.61.0.0/28", "10.61.1.0/28", mask=29)
    apply_pool_pods(lab, ["old-a", "old-b"], NODE, "ends")
    wait_ready(lab, "old-a", "old-b")
    apply_pool(lab, "ends", "10.61.1.0/28", mask=29)
    eventually(lambda: cidrs_of(lab, NODE).draining == ("10.61.0.0/29",), what="draining")
    before = audit(lab)

    with udp_stream(lab, "left", "old-a", pod_ip(lab, "old-a")) as udp:
        for _ in range(2):
            restart(node)
            assert cidrs_of(lab, NODE).draining == ("10.61.0.0/29",)
    assert_unbroken(udp)
    assert audit(lab) == before
    assert_mesh(lab, before)

    delete_pods(lab, "old-a")
    assert cidrs_of(lab, NODE).draining == ("10.61.0.0/29",)
    delete_pods(lab, "old-b")
    eventually(lambda: not cidrs_of(lab, NODE).draining, what="drained")
    assert "10.61.0.0/29" not in cidrs_of(lab, NODE).current
    lab.kubectl("delete", "ciliumpodippool", "ends")


@pytest.mark.parametrize("fault", ["corrupt", "missing, no room", "missing, no CiliumNode"])
def test_agent_without_its_state_file_loses_no_address(
    lab: Cluster, node: FaultyNode, fault: str
) -> None:
    before = audit(lab)
    cidrs = cidrs_of(lab, NODE)
    pid = node.agent_pid
    with frozen(pid):  # So that it cannot write the file again.
        if fault == "corrupt":
            node.run("sh", "-c", f"head -c 50 /dev/urandom > {STATE_FILE}")
        else:
            node.run("rm", "-f", STATE_FILE)
        if (
            fault == "missing, no room"
        ):  # A folder stands in the way of the draft, as a full disk would.
            node.run("mkdir", f"{STATE_FILE}.new")
        if fault == "missing, no CiliumNode":
            lab.kubectl("delete", "ciliumnode", NODE)
        os.kill(pid, signal.SIGKILL)
    node.replace_agent()
    node.wait_agent(other_than=pid)

    eventually(lambda: set(cidrs_of(lab, NODE).current) >= set(cidrs.current[:1]), what="CIDRs")
    eventually(lambda: not cidrs_of(lab, NODE).draining, what="nothing held one by one")
    assert audit(lab) == before
    assert_mesh(lab, before)
    node.run("rm", "-rf", f"{STATE_FILE}.new")
    assert all(found.current for found in all_cidrs(lab).values())


def test_kills_at_random_moments_of_growth_lose_nothing(
    lab: Cluster, node: FaultyNode, containers: Callable[[int, str], list[Sandbox]]
) -> None:
    made = containers(30, "random")
    rng = random.Random(os.getpid())
    for moment_s in (rng.uniform(0.01, 0.4), rng.uniform(0.01, 0.4)):
        print(f"killed after {moment_s:.3f} s")
        with ThreadPoolExecutor() as pool:
            adding = pool.submit(call_all, made, "ADD")
            time.sleep(moment_s)
            restart(node)
            adding.result()
        assert all(called.ok for called in call_all(made, "DEL"))
        node.wait_settled(endpoints=1)
    audit(lab)
