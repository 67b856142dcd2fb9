"""Operators killed between choosing and writing, two of them, and one in another mode than agents.

Nodes are CiliumNodes without a machine where only the giving counts: forty cost one request.
"""

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip
from tests.lab.node_cidrs import (
    all_cidrs,
    assert_mesh,
    audit,
    cidrs_of,
    kill_operators,
    leader,
    operators,
    set_config,
    twice_claimed,
)
from tests.lab.streams import assert_unbroken, udp_stream

NODE, OTHER = "k8s-w1", "k8s-ctr"
GHOST = "ghost"
LEASE = ("-n", "kube-system", "lease", "cilium-operator-resource-lock")
OPERATOR = ("-n", "kube-system", "deployment/cilium-operator")


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab(
        "operators",
        "--set", "ipam.mode=cluster-pool",
        "--set", "ipam.operator.clusterPoolIPv4PodCIDRList={10.80.0.0/16}",
        "--set", "ipam.operator.clusterPoolIPv4MaskSize=24",
    ) as started:  # fmt: skip
        apply_pod(started, "left", OTHER)
        apply_pod(started, "right", NODE)
        yield started


def make_ghosts(lab: Cluster, names: list[str]) -> None:
    """CiliumNodes that want CIDRs, all at once."""
    ghosts = [
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNode",
            "metadata": {"name": name, "labels": {GHOST: ""}},
            "spec": {},
        }
        for name in names
    ]
    items = {"apiVersion": "v1", "kind": "List", "items": ghosts}
    lab.kubectl("create", "-f", "-", text=json.dumps(items))


@pytest.fixture(autouse=True)
def no_ghosts_stay(lab: Cluster) -> Iterator[None]:
    yield
    # In one call: kubectl takes a third of a second for each.
    lab.kubectl("delete", "--raw", f"/apis/cilium.io/v2/ciliumnodes?labelSelector={GHOST}%3D")


def replace_operator(lab: Cluster) -> None:
    """Kill -9, and another leader soon: a new pod has no restart pause.

    The Lease is cleared, so that its term need not be waited for.
    """
    before, old = leader(lab), set(operators(lab))
    kill_operators(lab)
    on = ("-n", "kube-system", "-l", "name=cilium-operator")
    lab.kubectl("delete", "pods", "--wait=false", "--grace-period=0", "--force", *on)
    eventually(lambda: set(operators(lab)) - old, within_s=20, what="a new operator")
    eventually(lambda: not set(operators(lab)) & old, within_s=20, what="the old one's end")
    lab.kubectl("delete", *LEASE)

    def is_led() -> bool:
        with contextlib.suppress(AssertionError):  # No lease yet.
            return leader(lab) not in ("", before)
        return False

    eventually(is_led, within_s=20, what="another leader")


def test_operator_killed_between_choosing_and_writing_gives_no_cidr_twice(lab: Cluster) -> None:
    rng = random.Random(os.getpid())
    before = {name: found.current for name, found in all_cidrs(lab).items()}
    seen = dict(before)
    wanted = set(before)

    for turn in range(4):
        ghosts = [f"ghost-{turn}-{number}" for number in range(10)]
        wanted.update(ghosts)
        make_ghosts(lab, ghosts)
        moment_s = rng.uniform(0, 0.15)
        print(f"killed {moment_s:.3f} s after ten nodes came")
        time.sleep(moment_s)
        replace_operator(lab)
        for name, found in all_cidrs(lab).items():
            assert seen.get(name, ()) in ((), found.current), "what was given stays"
            seen[name] = found.current

    def all_served() -> bool:
        found = all_cidrs(lab)
        return all(len(found[name].current) == 1 for name in wanted)

    eventually(all_served, within_s=20, what="a CIDR for everybody")
    assert list(twice_claimed(lab)) == []
    after = all_cidrs(lab)
    assert all(after[name].current == cidrs for name, cidrs in seen.items() if cidrs)


def test_second_of_two_operators_takes_over_and_gives_no_cidr_twice(lab: Cluster) -> None:
    lab.kubectl("-n", "kube-system", "scale", "deployment/cilium-operator", "--replicas=2")
    lab.kubectl("rollout", "status", *OPERATOR, "--timeout=30s")
    eventually(lambda: len(operators(lab)) == 2, what="two operators")
    eventually(lambda: leader(lab), what="a leader")
    before = leader(lab)
    place = next(node for node in (OTHER, NODE) if before.startswith(node))
    make_ghosts(lab, [f"ghost-first-{number}" for number in range(20)])

    leading = [pid for pid in operators(lab).values() if _runs_on(lab, pid, place)]
    assert len(leading) == 1
    os.kill(leading[0], signal.SIGKILL)
    make_ghosts(lab, [f"ghost-second-{number}" for number in range(20)])

    eventually(lambda: leader(lab) != before, within_s=30, what="the other one to lead")
    eventually(
        lambda: all(len(found.current) == 1 for found in all_cidrs(lab).values()),
        within_s=20,
        what="a CIDR for everybody",
    )
    assert len(all_cidrs(lab)) == 42
    assert list(twice_claimed(lab)) == []
    lab.kubectl("-n", "kube-system", "scale", "deployment/cilium-operator", "--replicas=1")
    # The one that stays may be the killed one, in its restart pause: it would start in the middle of
    # the next test, and read that one's settings.
    replace_operator(lab)


def _runs_on(lab: Cluster, pid: int, node: str) -> bool:
    """Whether a process is in the control group of that machine."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        return f"ciliate-lab-{lab.name}." in (group := file.read()) and f"/{node}/" in group


@pytest.mark.parametrize("changed", ["agent", "operator"])
def test_agent_and_operator_of_different_modes_lose_no_packet_and_write_no_storm(
    lab: Cluster, changed: str
) -> None:
    node = FaultyNode(lab, NODE)
    before = audit(lab)
    cidrs = all_cidrs(lab)

    def change_mode(mode: str) -> None:
        set_config(lab, ipam=mode)
        if changed == "operator":
            replace_operator(lab)
        else:
            pid = node.agent_pid
            node.replace_agent()
            node.wait_agent(other_than=pid)

    with udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp:
        change_mode("multi-pool")
        writes = count_writes(lab, NODE, for_s=2)
        print(f"{writes} writes in 2 s: {cidrs_of(lab, NODE)}")
        change_mode("cluster-pool")

    assert writes <= 5, f"{writes} writes of a CiliumNode in 2 s"
    assert_unbroken(udp)
    eventually(
        lambda: cidrs_of(lab, NODE).current == cidrs[NODE].current, within_s=15, what="its CIDR"
    )
    eventually(lambda: not cidrs_of(lab, NODE).draining, what="nothing drains")
    assert audit(lab) == before
    assert_mesh(lab, before)


def count_writes(lab: Cluster, node: str, *, for_s: float) -> int:
    """How often a CiliumNode changes: every version is one write."""
    seen = set()
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        found = lab.object("ciliumnode", node)
        seen.add(found["metadata"]["resourceVersion"])
    return len(seen) - 1
