"""Enters what nodes and pods use into the allocator, event by event of the operator's tables.

It is done inside the tables' events, in their order: a decision considers every event that has
arrived. Decides nothing and writes nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.cluster.tables import Tables
from ciliate.cluster.views import EndpointPresence
from ciliate.ipam.cluster import ClusterAllocator

#: A node's own addresses: no pod may have them, and CiliumEndpoints name their node by them.
_OWN = {"InternalIP", "ExternalIP"}

#: How many nodes are learned at start before other tasks run.
_STEP_NODES: Final = 100


class ClusterUsage:
    """Feeds `allocator` from `tables`, which are complete.

    `enqueue` is called with each node that may need something, `freed` when blocks became free.
    """

    def __init__(
        self,
        tables: Tables,
        allocator: ClusterAllocator,
        *,
        enqueue: Callable[[str], None],
        freed: Callable[[], None],
    ) -> None:
        self._tables = tables
        self._allocator = allocator
        self._enqueue = enqueue
        self._freed = freed
        self._freed_seen = allocator.freed

    async def follow(self) -> None:
        """Enter all objects of the tables, then every change."""
        # The older of two nodes that claim one CIDR keeps it, under every leader.
        nodes = sorted(self._tables.cilium_nodes.objects.values(), key=_age)
        for number, node in enumerate(nodes):
            if number % _STEP_NODES == 0:
                await asyncio.sleep(0)  # Let the lease be renewed.
            self._learn(node)
        # Changes since then are entered now; no other task runs in between.
        for name in set(self._allocator.nodes) - {n for _, n in self._tables.cilium_nodes.objects}:
            self._allocator.forget(name)
            self._place(name)
        self._tables.cilium_nodes.add_listener(self._node_changed)
        self._tables.nodes.add_listener(self._kube_node_changed)
        self._tables.endpoints.add_listener(self._endpoint_changed)

    def _node_changed(self, old: CiliumNode | None, new: CiliumNode | None) -> None:
        if new is not None:
            self._learn(new)
            self._enqueue(new.metadata.name)
        elif old is not None:
            self._allocator.forget(old.metadata.name)
            self._place(old.metadata.name)
            self._enqueue(old.metadata.name)
        self.notify()

    def _kube_node_changed(self, old: Node | None, new: Node | None) -> None:
        node = new or old
        if node is not None:
            self._place(node.metadata.name)
        self.notify()

    def _endpoint_changed(
        self, old: EndpointPresence | None, new: EndpointPresence | None
    ) -> None:
        # The new use first, so that the block is never free.
        for at, address in _addresses(new):
            self._allocator.pod_appeared(at, address)
        for at, address in _addresses(old):
            self._allocator.pod_vanished(at, address)
        for at, address in {*_addresses(new), *_addresses(old)}:
            node = self._allocator.node_at(at)
            if node is not None and not self._allocator.covers(node, address):
                self._enqueue(node)
        self.notify()

    def _learn(self, node: CiliumNode) -> None:
        name = node.metadata.name
        self._place(name)
        self._allocator.learn(name, node.current_cidrs, node.draining_cidrs)

    def _place(self, name: str) -> None:
        addresses = []
        cilium_node = self._tables.cilium_nodes.get(name)
        if cilium_node is not None:
            addresses += [a.ip for a in cilium_node.spec.addresses if a.type in _OWN]
        node = self._tables.nodes.get(name)
        if node is not None:
            addresses += [a.address for a in node.status.addresses if a.type in _OWN]
        self._allocator.place(name, addresses)

    def notify(self) -> None:
        """Enqueue nodes whose conflicts changed since the last call; say if blocks became free."""
        for name in self._allocator.take_touched():
            self._enqueue(name)
        if self._allocator.freed != self._freed_seen:
            self._freed_seen = self._allocator.freed
            self._freed()


def _age(node: CiliumNode) -> tuple[str, str]:
    return node.metadata.creation_timestamp or "", node.metadata.name


def _addresses(endpoint: EndpointPresence | None) -> Iterator[tuple[str, str]]:
    """Yield the address of the node, and each address of the pod on it."""
    networking = endpoint.status.networking if endpoint else None
    for pair in networking.addressing if networking else ():
        for address in (pair.ipv4, pair.ipv6):
            if networking and address:
                yield networking.node, address
