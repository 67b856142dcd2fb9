"""`ipam/agent/router.py`: an address of `cilium_host` is given to no pod, ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any, cast

import pytest
from tests.unit.endpoint.pod_links import until
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import NODE, cilium_node, new_cluster

from ciliate.config.settings import IPAMSettings
from ciliate.ipam.agent import router as module
from ciliate.ipam.agent.router import Router
from ciliate.ipam.errors import IPAMError
from ciliate.ipam.node import ROUTER_OWNER, NodeAddresses
from ciliate.net.address import IPAddress, IPNetwork, Mac
from ciliate.net.router_device import RouterDevice
from ciliate.netlink.router import RouterLink, RouterLinkState

X6, Y6 = ip_network("fd00::/125"), ip_network("fd00:1::/125")
X, Y = ip_network("10.0.0.0/29"), ip_network("10.0.1.0/29")


class Life:
    """A router after a restart; `kept` are the addresses of cilium_host from before."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *kept: str, versions: tuple[int, ...] = (4,)
    ) -> None:
        async def observe(_rtnl: object) -> tuple[IPAddress, ...]:
            return tuple(map(ip_address, kept))

        async def ensure(_rtnl: object, link: RouterLink) -> RouterLinkState:
            self.on_link = set(link.addresses)
            return RouterLinkState(5, 4, Mac("02:00:00:00:00:01"))

        monkeypatch.setattr(module, "observe_router_addresses", observe)
        monkeypatch.setattr(module, "ensure_router_link", ensure)
        self.on_link = set(map(ip_address, kept))
        self.addresses = NodeAddresses(versions)
        settings = IPAMSettings(
            "cluster-pool",
            ipv4=4 in versions,
            ipv6=6 in versions,
            router_ipv4=None,
            router_ipv6=None,
        )
        cluster = new_cluster()
        publish(cluster.nodes, cilium_node(NODE, "192.168.10.100", router=kept[0] if kept else ""))
        self.device = RouterDevice()
        self.router = Router(
            settings, cluster, self.addresses, cast("Any", None), made=self._note_device
        )
        self.reported: list[tuple[IPAddress, ...]] = []
        self.router.listen(lambda: self.reported.append(self.router.current))

    def _note_device(self, device: RouterDevice) -> None:
        self.device = device

    @asynccontextmanager
    async def runs(self) -> AsyncIterator[None]:
        """Let the router follow the node's CIDRs."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self.router.follow(lambda: 1500))
            yield
            following.cancel()

    def pods_get(self) -> set[IPAddress]:
        """Everything that pods can be given now."""
        found: set[IPAddress] = set()
        while True:
            try:
                found.update(self.addresses.allocate(f"default/pod-{len(found)}"))
            except IPAMError:
                return found

    @property
    def owned(self) -> set[IPAddress]:
        return {*self.router.current, *self.router._former}


async def test_address_of_a_draining_range_that_comes_back_is_no_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restart in another mode: pods live in X, which is granted again a moment later."""
    life = Life(monkeypatch, "10.0.0.5")
    life.addresses.hold("default", [X])
    life.addresses.take([ip_address("10.0.0.1")], "default/old")
    await life.router.choose(NODE)
    assert life.owned == {ip_address("10.0.0.5")}

    life.addresses.set_current({"default": [X]})
    life.router._move()

    assert not life.owned & life.pods_get()


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
    assert life.owned == {*life.router.current, *first}

    life.addresses.set_current({"default": [X]})
    life.router._move()

    assert life.router.current == first
    assert not life.owned & life.pods_get()


async def test_former_address_that_a_pod_elsewhere_bears_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The range was another node's meanwhile, and a pod of that one lives on."""
    life = Life(monkeypatch)
    life.addresses.set_current({"default": [X]})
    await life.router.choose(NODE)
    (former,) = life.router.current
    life.addresses.take([X[5]], "default/old")

    async with life.runs():
        life.addresses.set_current({"default": [Y]})
        await until(lambda: life.router.current[0] in Y)
        life.addresses.reserve(former, "default/far (on 192.168.10.101)")
        life.addresses.set_current({"default": [X]})
        await until(lambda: life.router.current[0] in X)

    assert life.router.current != (former,)
    assert former not in life.on_link
    assert life.addresses.owner(former) == "default/far (on 192.168.10.101)"


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
    assert life.owned == set(life.router.current)
    life.addresses.set_current({"default": [X, Y]})
    assert len(life.pods_get()) == 11, "all but the router's one"


async def test_family_without_cidr_does_not_end_a_start_while_pods_of_another_live_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restart that enables IPv6; the operator has not granted anything yet."""
    life = Life(monkeypatch, "10.0.0.5", versions=(4, 6))
    life.addresses.hold("default", [X])
    life.addresses.take([ip_address("10.0.0.1")], "default/old")
    await life.router.choose(NODE)
    assert life.router.current == (ip_address("10.0.0.5"),)

    async with life.runs():
        life.addresses.set_current({"default": [X, X6]})
        pod = life.addresses.allocate("default/first")
        gateways = life.router.current
        await until(lambda: bool(life.reported))

    assert [gateway.version for gateway in gateways] == [4, 6], "the first pod has both"
    assert not set(gateways) & set(pod)
    assert life.reported == [gateways]
    assert life.on_link == set(gateways)


def _fill_up(addresses: NodeAddresses, cidr: IPNetwork) -> None:
    """Reserve every address of a CIDR for pods of other nodes."""
    for address in cidr.hosts():
        addresses.reserve(address, f"default/{address} (on another)")


@pytest.mark.parametrize("returns", [False, True])
async def test_router_moves_with_both_families_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, *, returns: bool
) -> None:
    """The new IPv6 CIDR is full: pods would get an IPv4 gateway that no interface has."""
    monkeypatch.setattr(module, "_RETRY_S", 0)
    life = Life(monkeypatch, versions=(4, 6))
    life.addresses.set_current({"default": [Y if returns else X, X6]})
    await life.router.choose(NODE)
    pods = life.addresses.allocate("default/old")
    if returns:  # The router has the IPv4 address to move to already.
        async with life.runs():
            life.addresses.set_current({"default": [X, X6]})
            await until(lambda: bool(life.reported))
        life.reported.clear()
        pods += life.addresses.allocate("default/later")
    await life.router.ensure_link(1500)
    before, owned = life.router.current, life.owned
    _fill_up(life.addresses, Y6)

    async with life.runs():
        life.addresses.set_current({"default": [Y, Y6]})
        await until(lambda: bool(life.router.status.failures))
        assert life.router.current == before
        assert life.on_link == life.owned == owned
        assert all(life.addresses.owner(address) == ROUTER_OWNER for address in owned)

        freed = ip_address("fd00:1::1")
        life.addresses.unreserve(freed, f"default/{freed} (on another)")
        await until(lambda: bool(life.reported))

    first, second = life.router.current
    assert (first in Y, second in Y6) == (True, True)
    assert life.reported == [life.router.current]
    assert life.on_link == life.owned >= set(before)
    assert not life.owned & {*pods, *life.pods_get()}
