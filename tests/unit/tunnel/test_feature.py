"""`tunnel/feature.py`: the device, what is said of it to other nodes, and when it goes."""

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import structs
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import NODE, all_listed, cilium_node, new_cluster
from tests.unit.reconcile.memory_target import until

from ciliate.api.cilium_node import (
    TUNNEL_RECEIVED_ANNOTATION,
    TUNNEL_SENT_ANNOTATION,
    CiliumNode,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.config.settings import parse_agent_settings
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device_programs import DeviceRole
from ciliate.net.address import Mac, to_octets
from ciliate.net.link import Link, LinkFlag
from ciliate.net.router_device import RouterDevice
from ciliate.net.tunnel import TunnelProtocol
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.monitor import Change, ChangeKind
from ciliate.netlink.tunnel_link import TunnelLink, TunnelLinkState
from ciliate.node.context import Context
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.own_links import OwnLinks
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.tunnel import feature as module
from ciliate.tunnel.announcement import Announcement
from ciliate.tunnel.feature import TunnelFeature

SETTINGS = {"enable-endpoint-routes": "true", "ipv4-native-routing-cidr": "10.244.0.0/16"}
MAC = Mac("02:00:00:00:00:07")
VXLAN = "vxlan:8472"


def says(name: str, ip: str, *, received: str = "", sent: str = "") -> CiliumNode:
    """Return a CiliumNode with these annotations."""
    annotations = {TUNNEL_RECEIVED_ANNOTATION: received, TUNNEL_SENT_ANNOTATION: sent}
    given = {key: text for key, text in annotations.items() if text}
    return structs.replace(
        cilium_node(name, ip, "10.244.9.0/24"), metadata=ObjectMeta(name=name, annotations=given)
    )


class Node:
    """The feature on node k8s-ctr, on a kernel that has at most one tunnel device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
        self.index = 0  # Of the device; 0: there is none.
        self.is_port_taken = False
        self.made: list[TunnelLink] = []
        self.said: list[Mapping[str, str | None]] = []
        self.cluster = new_cluster()
        self.links = OwnLinks()
        settings = parse_agent_settings(SETTINGS | {"routing-mode": mode})
        devices = NodeDevices((Link(3, "eth1", LinkFlag.UP, 1500),), ())
        self.devices = DeviceWatch(cast("Rtnetlink", None), settings, devices)
        monkeypatch.setattr(module, "ensure_tunnel_link", self._ensure)
        monkeypatch.setattr(module, "observe_tunnel_link", self._observe)
        monkeypatch.setattr(module, "remove_tunnel_links", self._remove)
        context = SimpleNamespace(
            settings=settings,
            own_links=self.links,
            cluster=self.cluster,
            own=self.cluster.own.current,
            devices=self.devices,
            rtnl=None,
            client=SimpleNamespace(patch=self._patch),
        )
        self.feature = TunnelFeature(cast("Context", context))
        all_listed(self.cluster)

    async def _ensure(self, _rtnl: object, link: TunnelLink) -> TunnelLinkState:
        self.made.append(link)
        if self.is_port_taken and not self.index:
            raise NetlinkError(step="set up link", subject="cilium_vxlan", errno=errno.EADDRINUSE)
        self.index = self.index or 100 + len(self.made)
        return TunnelLinkState(self.index, MAC)

    async def _observe(self, _rtnl: object, _kind: TunnelProtocol) -> TunnelLinkState | None:
        return TunnelLinkState(self.index, MAC) if self.index else None

    async def _remove(self, _rtnl: object) -> None:
        self.index = 0

    async def _patch(self, _resource: object, name: str, body: Any) -> None:
        assert name == NODE
        self.said.append(body["metadata"]["annotations"])
        received, sent = self.said[-1].values()
        publish(
            self.cluster.nodes,
            says(NODE, "192.168.10.100", received=received or "", sent=sent or ""),
        )

    def other(self, *, received: str = "", sent: str = "") -> None:
        """Let the CiliumNode of the other node say this."""
        publish(self.cluster.nodes, says("k8s-w1", "192.168.10.101", received=received, sent=sent))

    async def start(self) -> tuple[Reconciler[Any, Any], ...]:
        """Start, as the agent does, up to the first pass; return the reconcilers."""
        await self.feature.start(Progress())
        nothing = cast("Datapath", SimpleNamespace(opened=lambda _which: None))
        return tuple(self.feature.reconcilers(nothing))

    @asynccontextmanager
    async def running(self, announcement: Reconciler[Any, Any]) -> AsyncIterator[None]:
        """Run what runs behind the start, when all programs are those of the settings."""
        runs = (announcement.run, *self.feature.tasks())
        tasks = [asyncio.create_task(run()) for run in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


@pytest.fixture
def encapsulating(monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node(monkeypatch, "tunnel")
    publish(node.cluster.nodes, says(NODE, "192.168.10.100"))
    return node


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node that routes natively by now, and has the device and the words of before."""
    node = Node(monkeypatch, "native")
    publish(node.cluster.nodes, says(NODE, "192.168.10.100", received=VXLAN, sent=VXLAN))
    node.index = 77
    return node


async def test_device_runs_programs_and_is_announced_with_the_first_pass(
    encapsulating: Node,
) -> None:
    encapsulating.links.note_router(RouterDevice(5, ()))

    _, _, announcement = await encapsulating.start()
    assert await announcement.run_once()

    (made,) = encapsulating.made
    assert (made.protocol, made.port, made.mtu) == (TunnelProtocol.VXLAN, 8472, 1500)
    own, nowhere = to_octets(ip_address("192.168.10.100")), bytes(16)
    assert encapsulating.feature._entry()[0] == (own, nowhere, 101, 1450, 8472)
    roles = {name: each.role for name, each in encapsulating.feature._programmed().items() if each}
    assert roles == {"cilium_vxlan": DeviceRole.TUNNEL, "cilium_host": DeviceRole.ROUTER}
    assert encapsulating.said == [
        {TUNNEL_RECEIVED_ANNOTATION: VXLAN, TUNNEL_SENT_ANNOTATION: VXLAN}
    ]


async def test_announcement_is_written_again_where_somebody_removed_it(
    encapsulating: Node,
) -> None:
    _, _, announcement = await encapsulating.start()
    async with encapsulating.running(announcement):
        await until(lambda: len(encapsulating.said) == 1)

        publish(encapsulating.cluster.nodes, says(NODE, "192.168.10.100"))

        await until(lambda: len(encapsulating.said) == 2)


async def test_device_that_somebody_deleted_is_made_anew(encapsulating: Node) -> None:
    _, _, announcement = await encapsulating.start()
    async with encapsulating.running(announcement):
        encapsulating.index = 0
        lost = Link(101, "cilium_vxlan", LinkFlag.UP, 1500)

        encapsulating.devices._take_in(Change(ChangeKind.LINK, removed=True, link=lost))

        await until(lambda: encapsulating.links.tunnel_index == 102)


async def test_others_send_by_routes_while_the_device_cannot_be_made_anew(
    encapsulating: Node,
) -> None:
    _, _, announcement = await encapsulating.start()
    async with encapsulating.running(announcement):
        await until(lambda: len(encapsulating.said) == 1)
        encapsulating.index, encapsulating.is_port_taken = 0, True
        lost = Link(101, "cilium_vxlan", LinkFlag.UP, 1500)

        encapsulating.devices._take_in(Change(ChangeKind.LINK, removed=True, link=lost))

        nothing = {TUNNEL_RECEIVED_ANNOTATION: None, TUNNEL_SENT_ANNOTATION: None}
        await until(lambda: encapsulating.said[-1] == nothing)
    assert encapsulating.feature._programmed() == {}
    assert "EADDRINUSE" in encapsulating.feature.statuses()[0].last_failure


async def test_device_stays_for_as_long_as_a_node_sends_by_it(leaving: Node) -> None:
    leaving.other(received=VXLAN, sent=VXLAN)
    _, _, announcement = await leaving.start()
    async with leaving.running(announcement):
        await until(
            lambda: (
                leaving.said[-1:]
                == [{TUNNEL_RECEIVED_ANNOTATION: VXLAN, TUNNEL_SENT_ANNOTATION: None}]
            )
        )
        assert (leaving.index, leaving.links.tunnel_index) == (77, 77)

        leaving.other(received=VXLAN)

        await until(lambda: leaving.index == 0)
        await until(
            lambda: (
                leaving.said[-1:]
                == [{TUNNEL_RECEIVED_ANNOTATION: None, TUNNEL_SENT_ANNOTATION: None}]
            )
        )
    assert leaving.links.tunnel_index == 0


async def test_nothing_is_unsaid_or_removed_before_the_former_programs_are_replaced(
    leaving: Node,
) -> None:
    _, _, announcement = await leaving.start()

    await announcement.run_once()

    assert (leaving.index, leaving.said) == (77, [])
    assert leaving.feature._announced() is None
    leaving.feature.tasks()
    assert leaving.feature._announced() == {NODE: Announcement(VXLAN, "")}


async def test_node_that_never_had_a_tunnel_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, "native")
    publish(node.cluster.nodes, says(NODE, "192.168.10.100"))
    _, _, announcement = await node.start()
    async with node.running(announcement):
        await until(lambda: node.feature.statuses()[0].successes > 0)
        assert await announcement.run_once()

    assert node.said == []
    assert node.feature._programmed() == {}


async def test_word_that_names_no_tunnel_is_no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, "native")
    publish(node.cluster.nodes, says(NODE, "192.168.10.100", received="wire:1"))
    node.index = 77

    await node.start()

    assert node.links.tunnel_index == 0
