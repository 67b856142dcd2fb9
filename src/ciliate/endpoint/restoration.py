"""What a previous agent left: its endpoints live on; the rest is cleaned up.

The kernel decides. A file whose interface exists is an endpoint that lives on; a file without
interface belongs to a pod that was removed while no agent ran. An interface without a file that
the datapath knows is of a pod whose file was damaged: it lives on. One that it does not know
belongs to an ADD that was never answered, and the runtime will repeat that.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.datapath import layout
from ciliate.datapath.bpf_map import open_pinned
from ciliate.datapath.errors import DatapathError
from ciliate.errors import CiliateError
from ciliate.net.address import from_octets, mac_from_octets
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.pod_link import HOST_PREFIX, ObservedPodLink
from ciliate.node.address_source import AddressSource
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.errors import EndpointStateError
from ciliate.node.maps import ENDPOINTS, INTERFACES

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restoration:
    """What to do with what was found."""

    keep: tuple[Endpoint, ...]
    forget: tuple[Endpoint, ...]  # Their files and addresses.
    nameless: frozenset[str]  # Interfaces without a file.


def plan_restoration(saved: Iterable[Endpoint], links: Sequence[ObservedPodLink]) -> Restoration:
    """Return which endpoints live on, which are forgotten, which interfaces have no file."""
    indexes = {link.name: link.ifindex for link in links}
    keep: list[Endpoint] = []
    forget: list[Endpoint] = []
    for endpoint in saved:
        lives = indexes.get(endpoint.interface.host_name) == endpoint.ifindex
        if lives and endpoint.state is not EndpointState.DISCONNECTING:
            keep.append(endpoint)
        else:
            forget.append(endpoint)
    kept_names = {endpoint.interface.host_name for endpoint in keep}
    return Restoration(
        keep=tuple(keep),
        forget=tuple(forget),
        nameless=frozenset(indexes.keys() - kept_names),
    )


def remembered_by_kernel(
    link: ObservedPodLink,
    interfaces: Mapping[int, layout.Interface],
    endpoints: Mapping[bytes, layout.Endpoint],
) -> Endpoint | None:
    """Return the endpoint behind an interface as the datapath knows it, or None.

    For a pod whose file is damaged: it lives on, without a name, until the runtime's DEL, which
    finds it by its interface.
    """
    held = interfaces.get(link.ifindex)
    if held is None:
        return None
    octets = [address for address in (held.ipv6, held.ipv4) if any(address)]
    entry = next((endpoints[o] for o in octets if o in endpoints), None)
    if entry is None or entry.ifindex != link.ifindex:
        return None
    is_chained = bool(held.flags & layout.InterfaceFlag.INTERFACE_CHAINED)
    return Endpoint(
        id=held.endpoint_id,
        container_id=f"unknown-{link.name}",
        namespace="",
        pod=link.name,
        pod_uid="",
        interface=PodInterface(
            host_name=link.name,
            host_mac=mac_from_octets(entry.node_mac),  # A bridge's, if it is chained to one.
            pod_name="eth0",
            pod_mac=mac_from_octets(entry.mac),
            netns="",
            mtu=link.mtu,
            route_mtu=link.mtu,
            addresses=tuple(map(from_octets, octets)),
            gateways=(),
        ),
        ifindex=link.ifindex,
        created=datetime.now(UTC),
        identity=held.identity,
        labels=(),
        restored=True,
        external_ipam=is_chained,
        chained=is_chained,
    )


async def restore_endpoints(context: Context, addresses: AddressSource) -> tuple[Endpoint, ...]:
    """Take over the endpoints that live, clean up after the others; return those that live.

    Must run before any address is allocated.
    """
    store = context.endpoint_store
    saved = tuple(store.load())
    memory = await asyncio.to_thread(_remembered, context)
    chained = {endpoint.ifindex for endpoint in saved if endpoint.chained} | memory.chained
    links = await context.links.observe(chained=chained)
    found = plan_restoration(saved, links)
    nameless = [link for link in links if link.name in found.nameless]
    loaded = [
        replace(endpoint, external_ipam=endpoint.external_ipam or addresses.external)
        for endpoint in memory.endpoints_behind(nameless)
    ]
    for endpoint in loaded:
        _log.warning(
            "interface %s has no file: its pod goes on unnamed", endpoint.interface.host_name
        )
        with _full_disk_reported():
            store.save(endpoint)
    kept = (*found.keep, *loaded)
    for endpoint in kept:
        addresses.restore(endpoint)
        context.endpoints.put(endpoint)
    for endpoint in found.forget:
        with _full_disk_reported():
            store.remove(endpoint.id)
    stale = {
        name
        for name in found.nameless - {endpoint.interface.host_name for endpoint in loaded}
        if name.startswith(HOST_PREFIX)  # Another plugin's is that plugin's to remove.
    }
    await _remove_links(context, stale, is_first_life=store.is_new)
    if kept:
        _log.info("restored %d endpoints", len(kept))
    return kept


@contextmanager
def _full_disk_reported() -> Iterator[None]:
    """Go on where a file cannot be changed: the next start finds what this one found."""
    try:
        yield
    except EndpointStateError as error:
        _log.warning("%s", error)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the pinned maps hold of a previous agent's endpoints; nothing at the first start."""

    interfaces: Mapping[int, layout.Interface]
    endpoints: Mapping[bytes, layout.Endpoint]

    @property
    def chained(self) -> set[int]:
        """The interfaces that another plugin made."""
        flag = layout.InterfaceFlag.INTERFACE_CHAINED
        return {index for index, held in self.interfaces.items() if held.flags & flag}

    def endpoints_behind(self, links: Iterable[ObservedPodLink]) -> list[Endpoint]:
        """Return the endpoints behind interfaces without a file."""
        found = (remembered_by_kernel(link, self.interfaces, self.endpoints) for link in links)
        return [endpoint for endpoint in found if endpoint is not None]


def _remembered(context: Context) -> _Memory:
    """Read the pinned maps; blocking."""
    root = Path(context.settings.kernel.bpf_root)
    try:
        with (
            open_pinned(root, INTERFACES) as interfaces,
            open_pinned(root, ENDPOINTS) as endpoints,
        ):
            return _Memory(dict(interfaces.items()), dict(endpoints.items()))
    except DatapathError as error:  # The first agent on this node, or maps of another layout.
        _log.info("maps of a previous agent: %s", error)
        return _Memory({}, {})


async def _remove_links(context: Context, names: set[str], *, is_first_life: bool) -> None:
    """Remove interfaces of ADDs that were never answered."""
    if not names:
        return
    if is_first_life:  # They are another plugin's, whose pods may be alive.
        _log.warning("interfaces of another plugin are left alone: %s", ", ".join(sorted(names)))
        return
    _log.info("removing %d interfaces without an endpoint", len(names))
    outcomes = await asyncio.gather(
        *map(context.links.remove, sorted(names)), return_exceptions=True
    )
    for name, outcome in zip(sorted(names), outcomes, strict=True):
        if isinstance(outcome, CiliateError):
            _log.warning("interface %s stays: %s", name, outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
