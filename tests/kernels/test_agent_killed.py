"""kill -9 of an agent: pods go on, and the next agent makes new ones."""

from tests.kernels.conftest import NODES, WAIT_S, SmokeLab
from tests.lab.faulty_node import FaultyNode, frozen, process


def test_pods_go_on_without_an_agent_and_new_ones_come_with_the_next(lab: SmokeLab) -> None:
    node = FaultyNode(lab.cluster, NODES[0])
    remote = lab.addresses("tools-k8s-w1")

    with frozen(process(lab.cluster, "kube")):  # Nobody starts an agent meanwhile.
        killed = node.kill_agent()
        for address in (*remote.values(), "203.0.113.10"):
            assert lab.fetch("tools-k8s-ctr", address)
    node.wait_agent(other_than=killed, within_s=WAIT_S)
    lab.add_pod("after-kill", NODES[0])
    lab.wait_pods("after-kill")

    for address in remote.values():
        assert lab.fetch("after-kill", address)
    for address in lab.addresses("after-kill").values():
        assert lab.fetch("tools-k8s-w1", address)
    assert len(node.pod_links()) == len(node.state_files()) == node.map_size("interfaces")
