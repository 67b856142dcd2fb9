"""The nodes of the cluster: CiliumNodes, and deleted ones whose Node still exists.

A CiliumNode may be deleted while its node and pods live on: by hand, or for new CIDRs.
Until its agent has published it anew, packets must still be routed, so its last content stays in
use for as long as the Node exists. After a while its CIDRs only drain: one that another node gets
is routed there.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import NODES
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.net.address import IPAddress, from_octets, to_octets
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.known_node import KnownNode, Seniority, known_node
from ciliate.reconcile.listeners import Listeners

_log = logging.getLogger(__name__)

#: How often Kubernetes is asked whether the Node of a deleted CiliumNode still exists.
_CHECK_S = 15.0

#: Former InternalIPs that are remembered, of all nodes: CiliumEndpoints follow within moments.
_FORMER_IPS_MAX = 1024

#: Called with a node before and after: None before is new, None after is gone.
Listener = Callable[[KnownNode | None, KnownNode | None], object]


def _completed_by_former(known: KnownNode, before: KnownNode) -> KnownNode:
    """Return what is known of a node whose object cannot be read as a whole.

    What was read before stays where the new value is unreadable: pods may still use it.
    """
    former = before.all_cidrs
    draining = dict.fromkeys((*known.draining_cidrs, *former))
    return replace(
        known,
        internal_ips=known.internal_ips or before.internal_ips,
        other_addresses=known.other_addresses or before.other_addresses,
        external_ips=known.external_ips or before.external_ips,
        router_ips=known.router_ips or before.router_ips,
        draining_cidrs=tuple(cidr for cidr in draining if cidr not in known.pod_cidrs),
    )


def _without_claims(known: KnownNode) -> KnownNode:
    """Return a node whose CiliumNode is gone: all its CIDRs drain."""
    former = dict.fromkeys(known.all_cidrs)
    return replace(known, pod_cidrs=(), draining_cidrs=tuple(former))


class KnownNodes:
    """The nodes of `informer`, kept beyond a deletion while the Node exists; `run` is its task."""

    def __init__(
        self, client: ApiClient, informer: Informer[CiliumNode], *, local_name: str
    ) -> None:
        self._client = client
        self._local_name = local_name
        self._nodes: dict[str, KnownNode] = {}
        #: What cannot be read of nodes' objects; logged once.
        self._unreadable: dict[str, tuple[str, ...]] = {}
        self._departed: dict[str, int] = {}  # Name -> how often its Node was found alive.
        self._departure = asyncio.Event()
        self._by_ip: OwnerIndex[bytes, Seniority] = OwnerIndex()
        #: Nodes with an InternalIP that an elder one has, and those two; logged once.
        self._shared: set[tuple[str, IPAddress, str]] = set()
        #: The nodes that had an InternalIP until they changed it; the oldest goes.
        self._by_former_ip: dict[bytes, str] = {}
        self._listeners: Listeners[KnownNode | None, KnownNode | None] = Listeners()
        informer.add_listener(self._changed)

    def __iter__(self) -> Iterator[KnownNode]:
        return iter(tuple(self._nodes.values()))

    def get(self, name: str) -> KnownNode | None:
        """Return the node of that name, or None."""
        return self._nodes.get(name)

    def at(self, internal_ip: bytes) -> KnownNode | None:
        """Return the node that has an InternalIP, given as 16 octets, or None; of two, the elder."""
        owner = min(self._by_ip.owners(internal_ip), default=None)
        return self._nodes[owner.name] if owner is not None else None

    def all_at(self, internal_ip: bytes) -> tuple[KnownNode, ...]:
        """Return all nodes that have an InternalIP, given as 16 octets: two may, for a time."""
        return tuple(self._nodes[owner.name] for owner in self._by_ip.owners(internal_ip))

    def is_named(self, name: str, internal_ip: bytes) -> bool:
        """Whether a CiliumEndpoint with an InternalIP, given as 16 octets, may mean that node.

        Of two that have it each may be meant: the pods of both say the same.
        """
        if self._by_former_ip.get(internal_ip) == name:
            return True
        return any(owner.name == name for owner in self._by_ip.owners(internal_ip))

    def others_have(self, internal_ip: bytes) -> bool:
        """Whether the CiliumNode of another node has an InternalIP, given as 16 octets."""
        owners = self._by_ip.owners(internal_ip)
        return any(owner.name != self._local_name for owner in owners)

    def named(self, internal_ip: bytes) -> KnownNode | None:
        """Return the node that a CiliumEndpoint names by an InternalIP: it may be a former one.

        A node whose address changes publishes its CiliumNode first, then its pods one by one.
        """
        name = self._by_former_ip.get(internal_ip)
        return self.at(internal_ip) or (self._nodes.get(name) if name is not None else None)

    def former_ips(self, names: Collection[str]) -> set[IPAddress]:
        """Return the former InternalIPs by which CiliumEndpoints may still name these nodes."""
        found = self._by_former_ip.items()
        return {from_octets(octets) for octets, name in found if name in names}

    def add_listener(self, listener: Listener) -> None:
        """Call `listener` on every change, and now for every node already known."""
        self._listeners.add(listener)
        for node in self:
            listener(None, node)

    def _changed(self, old: CiliumNode | None, new: CiliumNode | None) -> None:
        if new is None:
            if old is not None and old.metadata.name in self._nodes:
                self._departed[old.metadata.name] = 0
                self._departure.set()
            return
        self._departed.pop(new.metadata.name, None)
        name = new.metadata.name
        known, unreadable = known_node(new, local_name=self._local_name)
        before = self._nodes.get(name)
        if unreadable and before is not None:
            known = _completed_by_former(known, before)
        if unreadable != self._unreadable.get(name, ()):
            self._unreadable[name] = unreadable
            for problem in unreadable:
                _log.warning("CiliumNode %s: %s: ignored", name, problem)
        self._put(name, known)

    def _put(self, name: str, node: KnownNode | None) -> None:
        before = self._nodes.get(name)
        if before == node:
            return
        if before is not None:
            del self._nodes[name]
            for address in before.internal_ips:
                self._by_ip.remove(to_octets(address), before.seniority)
        if node is not None:
            self._nodes[name] = node
            for address in node.internal_ips:
                self._by_ip.add(to_octets(address), node.seniority)
        self._note_former(before, node)
        self._note_shared(before, node)
        self._listeners(before, node)

    def _note_former(self, before: KnownNode | None, node: KnownNode | None) -> None:
        """Note which InternalIPs a node has left; those of a node that is gone name nobody."""
        for address in before.internal_ips if before is not None and node is not None else ():
            if node is not None and address not in node.internal_ips:
                self._by_former_ip.pop(to_octets(address), None)
                self._by_former_ip[to_octets(address)] = node.name
        for address in node.internal_ips if node is not None else ():
            self._by_former_ip.pop(to_octets(address), None)
        while len(self._by_former_ip) > _FORMER_IPS_MAX:
            del self._by_former_ip[next(iter(self._by_former_ip))]

    def _note_shared(self, *states: KnownNode | None) -> None:
        """Tell which InternalIPs of a node, before and after a change, several nodes have now."""
        addresses = {ip for node in states if node is not None for ip in node.internal_ips}
        former = {each for each in self._shared if each[1] in addresses}
        shared = set()
        for address in addresses:
            elder, *others = sorted(self._by_ip.owners(to_octets(address))) or (None,)
            shared |= {(each.name, address, elder.name) for each in others if elder is not None}
        self._shared = self._shared - former | shared
        for name, address, elder_name in sorted(shared - former, key=str):
            _log.warning(
                "CiliumNode %s: InternalIP %s is that of CiliumNode %s too, which is the elder and"
                " counts: correct the one that has it by mistake, or delete that of a node that is"
                " gone",
                name,
                address,
                elder_name,
            )

    async def run(self) -> None:
        """Forget nodes whose CiliumNode and Node are both gone, until cancelled."""
        while True:
            await self._departure.wait()
            self._departure.clear()
            await self._forget_deleted()
            if self._departed:
                await asyncio.sleep(_CHECK_S)
                self._departure.set()

    async def _forget_deleted(self) -> None:
        for name in tuple(self._departed):
            try:
                await self._client.get(NODES, name)
            except NotFoundError:
                if name in self._departed:  # It may have come back while we asked.
                    del self._departed[name]
                    self._unreadable.pop(name, None)
                    self._put(name, None)
            except KubeError as error:  # Not known: kept, and asked again.
                _log.debug("Node %s: %s", name, error)
            else:
                self._outlive(name)

    def _outlive(self, name: str) -> None:
        """Note that a Node exists without its CiliumNode."""
        checks = self._departed.get(name)
        if checks is None:  # It came back while we asked.
            return
        self._departed[name] = checks + 1
        if checks == 0:
            _log.info("CiliumNode %s was deleted, its Node lives: still routed to", name)
        elif checks == 1 and not self._nodes[name].is_local:
            # A running agent would have published it anew: this node allocates no addresses.
            self._put(name, _without_claims(self._nodes[name]))
