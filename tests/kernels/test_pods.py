"""Pods are made, reach each other between nodes in both families, and are deleted."""

import pytest
from tests.kernels.conftest import NODES, WAIT_S, SmokeLab
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode


@pytest.mark.parametrize("family", [4, 6])
def test_pods_of_two_nodes_reach_each_other_with_their_own_addresses(
    lab: SmokeLab, family: int
) -> None:
    addresses = {node: lab.addresses(f"tools-{node}")[family] for node in NODES}

    for node, other in (NODES, NODES[::-1]):
        assert addresses[node] in lab.fetch(f"tools-{node}", addresses[other])


def test_node_reaches_pods_of_both_nodes(lab: SmokeLab) -> None:
    for node in NODES:
        for address in lab.addresses(f"tools-{node}").values():
            assert "Hostname" in lab.fetch(NODES[0], address)


def test_deleted_pod_leaves_nothing_on_its_node(lab: SmokeLab) -> None:
    node = FaultyNode(lab.cluster, NODES[1])

    def held() -> tuple[set[str], list[str], dict[str, str], int]:
        return node.pod_links(), node.state_files(), node.allocations(), node.map_size("endpoints")

    before = held()
    lab.add_pod("passing", NODES[1])
    lab.wait_pods("passing")
    assert len(node.pod_links()) == len(before[0]) + 1

    lab.cluster.kubectl("delete", "pod", "passing", "--wait=false")

    eventually(lambda: held() == before, within_s=WAIT_S, what="nothing of the pod")
