"""The routing mode of a running cluster is changed, agent by agent, and nothing that talks notices.

The steps are a user's: upgrade, restart the agent of one node, then of the other. Streams run between
pods, between nodes and pods, and to the world, from before the first change to behind the last.
Datagrams of a pod to a node are not among them: with a tunnel they get the node's address, so their
source is another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from tests.lab.cluster import eventually, run
from tests.lab.faulty_node import FaultyNode, fault_lab
from tests.lab.migration_rig import CONTROL_PLANE, NODES, WORKER, Migrating

_SERVERS: Final = {
    "internet": ("203.0.113.10", "2001:db8:113::10"),
    "router": ("192.168.10.200", "fd00:192:168:10::200"),
}
NATIVE: Final = ("routingMode=native", "autoDirectNodeRoutes=true")
TUNNEL: Final = ("routingMode=tunnel", "autoDirectNodeRoutes=false")


@dataclass(slots=True)
class Changing(Migrating):
    """A cluster whose routing mode changes."""

    def _talk_to_the_rest(self, pods: Sequence[str]) -> None:
        here, there = pods
        self.traffic.pair(here, there)
        self.traffic.pair(there, here)
        self.traffic.pair(CONTROL_PLANE, there)
        self.traffic.pair(WORKER, here)
        self.traffic.connection(here, WORKER)
        self.traffic.connection(there, CONTROL_PLANE)
        for pod in pods:
            for server, addresses in _SERVERS.items():
                for address in addresses:
                    self.traffic.to_server(pod, server, address)

    def change(self, settings: Sequence[str], *nodes: str) -> None:
        """Upgrade, and restart the agents in this order."""
        self.lab.lab("upgrade", *(word for each in settings for word in ("--set", each)))
        for node in nodes:
            self.restart("agent", node)

    def shown(self, node: str, *words: str) -> str:
        """What a command prints on a node."""
        return FaultyNode(self.lab, node).run(*words).stdout


@pytest.fixture(scope="module")
def rig() -> Iterator[Changing]:
    with fault_lab("mode-change", "--dual-stack") as lab:
        found = Changing(lab, dual_stack=True)
        try:
            found.start()
            yield found
        finally:
            found.traffic.close()


def uses_tunnel(rig: Changing) -> bool:
    return all(
        "dev cilium_host" in rig.shown(node, "ip", "route", "show", other)
        for node, other in ((CONTROL_PLANE, "10.244.1.0/24"), (WORKER, "10.244.0.0/24"))
    )


def has_tunnel_device(rig: Changing) -> list[str]:
    return [node for node in NODES if "cilium_vxlan" in rig.shown(node, "ip", "-br", "link")]


def test_mode_changes_and_changes_back_under_traffic_and_nothing_is_lost(rig: Changing) -> None:
    rig.change(TUNNEL, CONTROL_PLANE, WORKER)
    eventually(lambda: uses_tunnel(rig), what="routes by the tunnel on both nodes")

    rig.kill_agent(WORKER)
    rig.change(NATIVE, WORKER, CONTROL_PLANE)
    eventually(lambda: not has_tunnel_device(rig), what="the removal of both tunnel devices")

    assert not uses_tunnel(rig)
    problems = rig.traffic.end(*rig.pods())
    assert not problems, "\n".join(problems)


def test_pods_routes_have_the_mtu_of_the_mode(rig: Changing) -> None:
    (pod, *_) = rig.make_pods()
    rig.change(TUNNEL, CONTROL_PLANE, WORKER)
    inside = rig.lab.folder / CONTROL_PLANE / "pods" / f"default_{pod}" / "ns/net"

    def mtu() -> str:
        words = ["nsenter", f"--net={inside}", "ip", "route", "show", "default"]
        return run(words).stdout.partition(" mtu ")[2].strip()

    eventually(lambda: mtu() == "1450", what="the tunnel's MTU in a pod that was there before")
    rig.change(NATIVE, CONTROL_PLANE, WORKER)
    eventually(lambda: mtu() == "1500", what="the device's MTU")
    problems = rig.traffic.end(*rig.pods())
    assert not problems, "\n".join(problems)
