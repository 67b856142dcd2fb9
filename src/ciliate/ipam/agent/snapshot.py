"""What allocator, kernel and API say about this node's addresses, taken for `ipam.audit`.

The kernel is read first: a change meanwhile is then newer in the agent's own tables. The parts are
not of one moment, so a difference counts only when it lasts (`check`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointState
from ciliate.api.core import Pod
from ciliate.datapath import layout
from ciliate.datapath.bpf_map import open_pinned
from ciliate.errors import CiliateError
from ciliate.ipam.agent.node_ipam import NodeIPAM
from ciliate.ipam.audit.node_snapshot import (
    Held,
    Interface,
    ListedPod,
    LocalEndpoint,
    MapEntry,
    NodeSnapshot,
    PodKey,
)
from ciliate.net.address import IPAddress, from_octets, ip_address
from ciliate.netlink.router import observe_router_addresses
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.maps import ENDPOINTS, INTERFACES

_ENDED = ("Succeeded", "Failed")

Maps = tuple[dict[bytes, layout.Endpoint], dict[int, layout.Interface]]


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Takes snapshots from the agent's tables, the kernel and the watches."""

    context: Context
    ipam: NodeIPAM

    async def take(self, *, inside: bool) -> NodeSnapshot:
        """Return a snapshot; `inside` enters the pods' namespaces too.

        Raises:
            CiliateError: The kernel cannot be asked.
        """
        links = await self.context.links.observe()
        router_link = await observe_router_addresses(self.context.rtnl)
        delivered, sources = await asyncio.to_thread(self._maps)
        differing = await self._inside() if inside else {}
        endpoints = tuple(self.context.endpoints)
        return NodeSnapshot(
            node=self.context.own.name,
            allocator=tuple(
                Held(
                    address,
                    owner,
                    held.pool,
                    held.cidr,
                    self.ipam.addresses.is_reserved(address),
                )
                for address, owner, held in self.ipam.addresses.allocations()
            ),
            endpoints=tuple(map(_local, endpoints)),
            leaving=frozenset(e.id for e in endpoints if e.state is EndpointState.DISCONNECTING),
            interfaces=tuple(
                Interface(link.name, link.ifindex, link.is_up, link.addresses) for link in links
            ),
            delivered={
                from_octets(octets): MapEntry(entry.endpoint_id, entry.ifindex)
                for octets, entry in delivered.items()
                if not entry.flags & layout.EndpointFlag.ENDPOINT_HOST
            },
            sources={
                index: tuple(from_octets(o) for o in (entry.ipv4, entry.ipv6) if any(o))
                for index, entry in sources.items()
            },
            inside=differing,
            pods=self._pods(),
            published=self._published(),
            router=self.ipam.router.current,
            router_link=router_link,
        )

    @property
    def api_problem(self) -> str:
        """Why the watched tables may be old; empty when they are current."""
        cluster = self.context.cluster
        for informer in (cluster.pods, cluster.endpoints):
            if not informer.has_synced or not informer.connected:
                return str(informer.last_error or f"{informer.name}: its watch has ended")
        return ""

    def _maps(self) -> Maps:
        """Read the pinned maps; blocking."""
        root = Path(self.context.settings.kernel.bpf_root)
        with (
            open_pinned(root, ENDPOINTS) as endpoints,
            open_pinned(root, INTERFACES) as interfaces,
        ):
            return dict(endpoints.items()), dict(interfaces.items())

    async def _inside(self) -> dict[int, str]:
        """Return what is missing in pods' own namespaces, by endpoint, where anything is."""
        checked = [
            endpoint
            for endpoint in self.context.endpoints
            if endpoint.interface.netns
            and not endpoint.chained
            and endpoint.state is not EndpointState.DISCONNECTING
        ]
        outcomes = await asyncio.gather(
            *(self.context.links.check(endpoint.interface) for endpoint in checked),
            return_exceptions=True,
        )
        found = {}
        for endpoint, outcome in zip(checked, outcomes, strict=True):
            if isinstance(outcome, CiliateError):
                found[endpoint.id] = str(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
        return found

    def _pods(self) -> Mapping[PodKey, ListedPod]:
        found = {}
        for pod in self.context.cluster.pods.objects.values():
            if not pod.spec.host_network and pod.status.phase not in _ENDED:
                key = pod.metadata.namespace, pod.metadata.name
                leaving = pod.metadata.deletion_timestamp is not None
                found[key] = ListedPod(key, _pod_addresses(pod), leaving)
        return found

    def _published(self) -> Mapping[PodKey, tuple[IPAddress, ...]]:
        is_here = self.context.cluster.own.is_named
        return {
            (endpoint.metadata.namespace, endpoint.metadata.name): published_addresses(endpoint)
            for endpoint in self.context.cluster.endpoints.objects.values()
            if endpoint.status.networking is not None and is_here(endpoint.status.networking.node)
        }


def published_addresses(endpoint: CiliumEndpoint) -> tuple[IPAddress, ...]:
    """Return the addresses of a CiliumEndpoint; texts that are no address are left out."""
    networking = endpoint.status.networking
    pairs = networking.addressing if networking is not None else ()
    return _addresses(text for pair in pairs for text in (pair.ipv4, pair.ipv6))


def _pod_addresses(pod: Pod) -> tuple[IPAddress, ...]:
    return _addresses(each.ip for each in pod.status.pod_ips)


def _addresses(texts: Iterable[str]) -> tuple[IPAddress, ...]:
    found = []
    for text in texts:
        try:
            found.append(ip_address(text))
        except ValueError:
            continue
    return tuple(found)


def _local(endpoint: Endpoint) -> LocalEndpoint:
    return LocalEndpoint(
        number=endpoint.id,
        pod=endpoint.pod_key,
        addresses=endpoint.addresses,
        interface=endpoint.interface.host_name,
        ifindex=endpoint.ifindex,
        ours=not endpoint.chained,
        external_ipam=endpoint.external_ipam,
    )
