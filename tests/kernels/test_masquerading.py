"""Outside sees nodes' addresses, of the device that the packets leave by."""

import pytest
from tests.kernels.conftest import NODES, SmokeLab

#: The internet's servers, and eth0 of every node as they see it.
INTERNET = {4: ("203.0.113.10", "10.0.2.15"), 6: ("2001:db8:113::10", "fd00:10:0:2::15")}
#: A server of the company network, behind the router at eth1; and the nodes' eth1.
COMPANY = {4: "10.10.1.200", 6: "fd00:10:10:1::200"}
ETH1 = {
    "k8s-ctr": {4: "192.168.10.100", 6: "fd00:192:168:10::100"},
    "k8s-w1": {4: "192.168.10.101", 6: "fd00:192:168:10::101"},
}


def client(answer: str) -> str:
    """Return the address that a server of the lab says it was asked from."""
    (line,) = (line for line in answer.splitlines() if line.startswith("client="))
    return line.removeprefix("client=").rpartition(":")[0].strip("[]")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("node", NODES)
def test_internet_sees_the_nodes_first_device(lab: SmokeLab, node: str, family: int) -> None:
    address, seen = INTERNET[family]

    assert client(lab.fetch(f"tools-{node}", address)) == seen


@pytest.mark.parametrize("family", [4, 6])
def test_company_network_sees_the_nodes_second_device(lab: SmokeLab, family: int) -> None:
    assert client(lab.fetch("tools-k8s-w1", COMPANY[family])) == ETH1["k8s-w1"][family]
