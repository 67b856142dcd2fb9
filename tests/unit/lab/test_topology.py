import pytest

from ciliate.lab import topology
from ciliate.lab.topology import NodeCountError, Role, default_machines, node


def test_machines_are_the_walkthroughs() -> None:
    names = [machine.name for machine in default_machines(2)]

    assert names == ["switch", "internet", "router", "k8s-ctr", "k8s-w1"]


@pytest.mark.parametrize("nodes", [0, 101])
def test_a_number_of_nodes_without_addresses_is_refused(nodes: int) -> None:
    with pytest.raises(NodeCountError, match=f"{nodes} nodes"):
        default_machines(nodes)


def test_no_two_machines_share_an_address_or_a_number() -> None:
    machines = [m for m in default_machines(100) if m.role.is_node or m.role is Role.ROUTER]

    addresses = [
        address for m in machines for address in topology.cluster_addresses(m, dual_stack=True)
    ]

    assert len(set(addresses)) == len(addresses) == 202
    assert len({m.index for m in machines}) == len(machines)


def test_nodes_have_the_walkthroughs_addresses() -> None:
    (control_plane,) = topology.cluster_addresses(node(0), dual_stack=False)
    worker = topology.cluster_addresses(node(1), dual_stack=True)

    assert str(control_plane) == "192.168.10.100/24"
    assert [str(address) for address in worker] == ["192.168.10.101/24", "fd00:192:168:10::101/64"]


def test_api_server_is_at_the_control_planes_cluster_address() -> None:
    assert topology.api_url() == "https://192.168.10.100:6443"
