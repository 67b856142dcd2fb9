"""kill -9 of the agent: pods' traffic goes on during death, absence and return."""

import json
import os
import time
from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster
from tests.lab.faulty_node import LONG, FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process
from tests.lab.streams import assert_alive, assert_unbroken, tcp_stream, udp_stream

ABSENCE_S = 20.0 if LONG else 2.0

#: An agent that has other programs to load is ready some 0.2 s after its start.
KILLED_AFTER_S = (0.04, 0.08, 0.12, 0.16, 0.2) if LONG else (0.12,)


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("killed") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        yield started


def flow(seconds: float) -> None:
    """Let traffic run: the one thing that only takes time."""
    time.sleep(seconds)


def test_stream_notices_the_smallest_interruption(lab: Cluster) -> None:
    """What the other tests rest on: a port of the switch shut for some 20 ms is seen."""
    shut = "bridge link set dev k8s-w1 state 0; sleep 0.02; bridge link set dev k8s-w1 state 3"

    with udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp:
        flow(0.2)
        lab.exec("switch", "sh", "-c", shut)
        flow(0.2)

    with pytest.raises(AssertionError, match="lost"):
        assert_unbroken(udp)
    assert udp["sent"] - udp["received"] < 500, udp


def test_no_packet_is_lost_while_agents_die_stay_away_and_come_back(lab: Cluster) -> None:
    nodes = [FaultyNode(lab, "k8s-ctr"), FaultyNode(lab, "k8s-w1")]
    address = pod_ip(lab, "right")

    with udp_stream(lab, "left", "right", address) as udp, tcp_stream(lab, "left") as tcp:
        flow(0.3)
        with frozen(process(lab, "kube")):  # The kubelet starts none meanwhile.
            killed = [node.kill_agent() for node in nodes]
            flow(ABSENCE_S)
        for node, pid in zip(nodes, killed, strict=True):
            node.wait_agent(other_than=pid)
        flow(0.3)

    assert_unbroken(udp)
    assert_alive(tcp)
    assert tcp["retransmits"] == 0, tcp


def test_agent_killed_again_and_again_in_its_first_moments_costs_no_packet(lab: Cluster) -> None:
    """Each start is cut at another moment: whatever was half done then does no harm."""
    node = FaultyNode(lab, "k8s-w1")
    moments_s = [0.05 * number for number in range(1, 21 if LONG else 7)]

    with (
        udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp,
        tcp_stream(lab, "right") as tcp,
    ):
        for moment_s in moments_s:
            node.replace_agent()
            flow(moment_s)
            for pid in node.agent_pids:
                os.kill(pid, 9)
        node.replace_agent()
        node.wait_agent()
        flow(0.2)

    assert_unbroken(udp)
    assert_alive(tcp)
    node.wait_settled(endpoints=1)


def program_ids(node: FaultyNode) -> set[int]:
    """The pinned programs of a node."""
    script = (
        "for p in $(find /sys/fs/bpf/ciliate -type f); do bpftool -j prog show pinned $p; done"
    )
    lines = node.run("sh", "-c", script).stdout.splitlines()
    return {json.loads(line)["id"] for line in lines}


def map_capacity(node: FaultyNode, name: str) -> int:
    """How many entries a pinned map has room for."""
    path = f"/sys/fs/bpf/tc/globals/{name}"
    return int(node.json("bpftool", "-j", "map", "show", "pinned", path)["max_entries"])


@pytest.mark.parametrize("killed_after_s", [None, *KILLED_AFTER_S])
def test_programs_and_maps_replaced_under_traffic_cost_no_packet(
    lab: Cluster, killed_after_s: float | None
) -> None:
    """Other settings need other programs and larger maps; also when the first try is cut short."""
    nodes = [FaultyNode(lab, "k8s-ctr"), FaultyNode(lab, "k8s-w1")]
    before = [program_ids(node) for node in nodes]
    larger = map_capacity(nodes[0], "conntrack") + 65_536
    settings = {
        "bpf-nat-global-max": str(larger),
        "node-port-range": f"30000,{32767 + larger % 1000}",
    }

    with (
        udp_stream(lab, "left", "right", pod_ip(lab, "right")) as udp,
        tcp_stream(lab, "left") as to_world,
    ):
        flow(0.2)
        patch = json.dumps({"data": settings})
        lab.kubectl("-n", "kube-system", "patch", "configmap", "cilium-config", "-p", patch)
        for node in nodes:
            node.replace_agent()
            if killed_after_s is not None:
                flow(killed_after_s)
                for pid in node.agent_pids:
                    os.kill(pid, 9)
                node.replace_agent()
        for node in nodes:
            node.wait_agent()
        flow(0.2)

    assert_unbroken(udp)
    assert_alive(to_world)
    for node, old in zip(nodes, before, strict=True):
        assert old.isdisjoint(program_ids(node))
        assert map_capacity(node, "conntrack") == larger
