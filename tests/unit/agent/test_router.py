"""`agent/ipam/router.py`: the address that `cilium_host` bears is given to no pod, ever."""

from ipaddress import ip_address, ip_network
from typing import Any, cast

import pytest
from tests.unit.agent.cluster_tables import NODE, cilium_node, new_cluster
from tests.unit.identity.identity_api import tell

from ciliate.agent.ipam import router as module
from ciliate.agent.ipam.router import Router
from ciliate.config.settings import IPAMSettings
from ciliate.ipam.errors import IPAMError
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPAddress

X, Y = ip_network("10.0.0.0/29"), ip_network("10.0.1.0/29")


class Life:
    """A router of one life; `borne` is what cilium_host has from the life before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *borne: str) -> None:
        async def observe(_rtnl: object) -> tuple[IPAddress, ...]:
            return tuple(map(ip_address, borne))

        monkeypatch.setattr(module, "observe_router_addresses", observe)
        self.addresses = NodeAddresses((4,))
        settings = IPAMSettings(
            "cluster-pool", ipv4=True, ipv6=False, router_ipv4=None, router_ipv6=None
        )
        cluster = new_cluster()
        tell(cluster.nodes, cilium_node(NODE, "192.168.10.100", router=borne[0] if borne else ""))
        self.router = Router(settings, cluster, self.addresses, cast("Any", None))

    def pods_get(self) -> set[IPAddress]:
        """Everything that pods can be given now."""
        found: set[IPAddress] = set()
        while True:
            try:
                found.update(self.addresses.allocate(f"default/pod-{len(found)}"))
            except IPAMError:
                return found

    @property
    def bears(self) -> set[IPAddress]:
        return {*self.router.current, *self.router._former}


async def test_address_of_a_draining_range_that_comes_back_is_no_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restart in another mode: pods live in X, which is granted again a moment later."""
    life = Life(monkeypatch, "10.0.0.5")
    life.addresses.hold("default", [X])
    life.addresses.take([ip_address("10.0.0.1")], "default/old")
    await life.router.choose(NODE)
    assert life.bears == {ip_address("10.0.0.5")}

    life.addresses.set_current({"default": [X]})
    life.router._move()

    assert not life.bears & life.pods_get()


async def test_range_that_comes_back_gives_the_router_its_address_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life(monkeypatch)
    life.addresses.set_current({"default": [X]})
    await life.router.choose(NODE)
    first = life.router.current
    life.addresses.allocate("default/old")

    life.addresses.set_current({"default": [Y]})
    life.router._move()
    assert life.router.current[0] in Y
    assert life.bears == {*life.router.current, *first}

    life.addresses.set_current({"default": [X]})
    life.router._move()

    assert life.router.current == first
    assert not life.bears & life.pods_get()


async def test_former_address_goes_with_the_last_pod_of_its_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life(monkeypatch)
    life.addresses.set_current({"default": [X]})
    await life.router.choose(NODE)
    old = life.addresses.allocate("default/old")
    life.addresses.set_current({"default": [Y]})
    life.router._move()

    life.addresses.release(old)
    life.router._move()

    assert life.addresses.draining == ()
    assert life.bears == set(life.router.current)
    life.addresses.set_current({"default": [X, Y]})
    assert len(life.pods_get()) == 11, "all but the router's one"
