"""Links of a lab that a lesson takes down and up again."""

import pytest
from tests.lab.cluster import Cluster, eventually


def routes(lab: Cluster, machine: str, device: str) -> list[str]:
    """The routes by a device that are no pod's and no node's: what a network manager keeps."""
    listed = lab.exec(machine, "ip", "route", "show", "dev", device).splitlines()
    return sorted(" ".join(line.split()) for line in listed if " via 192.168.10.10" not in line)


@pytest.mark.parametrize(
    ("machine", "device"), [("k8s-w1", "eth1"), ("k8s-w1", "eth0"), ("router", "eth0")]
)
def test_link_that_was_down_comes_back_with_its_routes(
    cluster: Cluster, machine: str, device: str
) -> None:
    before = routes(cluster, machine, device)
    assert any("via" in route for route in before)

    cluster.exec(machine, "ip", "link", "set", device, "down")
    cluster.exec(machine, "ip", "link", "set", device, "up")

    eventually(lambda: routes(cluster, machine, device) == before, what="the routes")
