"""What a previous life left: its endpoints and its router address; the rest is cleaned up.

Truth is what stands in the kernel. A file whose interface stands is an endpoint that lives on; a
file without interface belongs to a pod that went while the agent was away; an interface without a
file belongs to an ADD that was never answered, and the runtime will ask anew.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ciliate.agent.context import Context
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.endpoint.model import Endpoint
from ciliate.endpoint.store import EndpointStore
from ciliate.endpoint.table import EndpointTable
from ciliate.ipam.errors import IPAMError
from ciliate.ipam.node import ROUTER_OWNER, NodeAddresses
from ciliate.net.address import IPAddress, ip_address
from ciliate.netlink.pod_link import ObservedPodLink
from ciliate.netlink.router import observe_router_addresses

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restoration:
    """What to do with what was found."""

    keep: tuple[Endpoint, ...]
    forget: tuple[Endpoint, ...]  # Their files and addresses.
    remove_links: tuple[str, ...]


def plan_restoration(saved: Iterable[Endpoint], links: Sequence[ObservedPodLink]) -> Restoration:
    """Return which endpoints live on, which are forgotten, which interfaces go."""
    indexes = {link.name: link.ifindex for link in links}
    keep: list[Endpoint] = []
    forget: list[Endpoint] = []
    for endpoint in saved:
        lives = indexes.get(endpoint.host_name) == endpoint.ifindex
        if lives and endpoint.state is not EndpointState.DISCONNECTING:
            keep.append(endpoint)
        else:
            forget.append(endpoint)
    kept_names = {endpoint.host_name for endpoint in keep}
    return Restoration(
        keep=tuple(keep),
        forget=tuple(forget),
        remove_links=tuple(sorted(indexes.keys() - kept_names)),
    )


async def restore_endpoints(
    context: Context, addresses: NodeAddresses, store: EndpointStore, table: EndpointTable
) -> tuple[Endpoint, ...]:
    """Take over the endpoints that live, clean up after the others; return those that live.

    Must run before any address is given out.
    """
    found = plan_restoration(store.load(), await context.links.observe())
    for endpoint in found.keep:
        try:
            addresses.take(endpoint.addresses, endpoint.owner)
        except IPAMError as error:
            # The pod lives and keeps its interface; what it holds is not ours to give out.
            _log.warning("endpoint %d of pod %s: %s", endpoint.id, endpoint.owner, error)
        table.put(endpoint)
    for endpoint in found.forget:
        store.remove(endpoint.id)
    if found.remove_links:
        _log.info("removing %d interfaces without an endpoint", len(found.remove_links))
        await asyncio.gather(*map(context.links.remove, found.remove_links))
    if found.keep:
        _log.info("restored %d endpoints", len(found.keep))
    return found.keep


async def take_router_addresses(
    context: Context, addresses: NodeAddresses
) -> tuple[IPAddress, ...]:
    """Return the router's address of each family: as set, as it was, as published, or a new one.

    It is the gateway of every pod, so a restart keeps it (reference/ipam.md, 4.2).
    """
    ipam = context.settings.ipam
    earlier = (
        *await observe_router_addresses(context.rtnl),
        *await _published_router_addresses(context),
    )
    fixed = {4: ipam.router_ipv4, 6: ipam.router_ipv6}
    return tuple(
        fixed[version] or _take_router_address(addresses, version, earlier)
        for version in ipam.versions
    )


def _take_router_address(
    addresses: NodeAddresses, version: int, earlier: Sequence[IPAddress]
) -> IPAddress:
    for address in earlier:
        if address.version != version:
            continue
        try:
            addresses.take((address,), ROUTER_OWNER)
        except IPAMError as error:
            _log.warning(
                "Router IP could not be re-allocated. Need to re-allocate."
                " This will cause brief network disruption: %s",
                error,
            )
        else:
            return address
    block = addresses.block(version)
    assert block is not None, "wait_for_node asks for a CIDR of every family in use"
    return block.allocate(ROUTER_OWNER)


async def _published_router_addresses(context: Context) -> tuple[IPAddress, ...]:
    await context.cluster.nodes.synced()
    node = context.cluster.nodes.get(context.own.name)
    texts = [a.ip for a in node.spec.addresses if a.type == "CiliumInternalIP"] if node else []
    try:
        return tuple(map(ip_address, texts))
    except ValueError as error:
        _log.warning("CiliumNode %s: router address: %s", context.own.name, error)
        return ()
