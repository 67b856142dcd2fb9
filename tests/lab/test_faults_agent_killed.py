"""kill -9 of the agent: pods' traffic does not notice death, absence and return."""

import os
import time
from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster
from tests.lab.faulty_node import LONG, FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process
from tests.lab.streams import assert_alive, assert_unbroken, tcp_stream, udp_stream

ABSENCE_S = 20.0 if LONG else 2.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("killed") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        yield started


def flow(seconds: float) -> None:
    """Let traffic run: the one thing that only takes time."""
    time.sleep(seconds)


def test_no_packet_is_lost_while_agents_die_stay_away_and_come_back(lab: Cluster) -> None:
    nodes = [FaultyNode(lab, "k8s-ctr"), FaultyNode(lab, "k8s-w1")]
    address = pod_ip(lab, "right")

    with udp_stream(lab, "left", "right", address) as udp, tcp_stream(lab, "left") as tcp:
        flow(0.3)
        with frozen(process(lab, "kube")):  # Nobody starts them anew.
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
    moments_s = [0.05 * number for number in range(1, 21 if LONG else 9)]

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
