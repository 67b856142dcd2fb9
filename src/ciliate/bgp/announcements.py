"""What CiliumBGPAdvertisements announce on this node: prefixes with what they carry. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from ciliate.api.bgp import Advertised, CiliumBGPAdvertisement
from ciliate.api.label_selectors import matches
from ciliate.api.metadata import LabelSelector
from ciliate.api.resource import ObjectKey
from ciliate.bgp.communities import large_communities, standard_communities
from ciliate.net.address import IPAddress, IPNetwork, host_network
from ciliate.node.announced_services import KnownService


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of pod addresses, and what this node holds of it."""

    name: str
    labels: Mapping[str, str]
    cidrs: tuple[IPNetwork, ...]


@dataclass(frozen=True, slots=True)
class Announceable:
    """What this node has that can be announced.

    `local_services` are those with a ready endpoint here, by the endpoint's IP version.
    """

    pod_cidrs: tuple[IPNetwork, ...] = ()
    pools: tuple[Pool, ...] = ()
    services: Collection[KnownService] = ()
    local_services: Collection[tuple[ObjectKey, int]] = frozenset()
    interfaces: Mapping[str, tuple[IPAddress, ...]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)  # The node's.


@dataclass(frozen=True, slots=True)
class Announcement:
    """A prefix and what it carries."""

    prefix: IPNetwork
    communities: frozenset[str] = frozenset()
    large_communities: frozenset[str] = frozenset()
    local_preference: int | None = None

    def merged(self, other: "Announcement") -> "Announcement":
        """Return the one of both that announce one prefix: every mark, the highest preference."""
        preferences = [
            each.local_preference for each in (self, other) if each.local_preference is not None
        ]
        return Announcement(
            self.prefix,
            self.communities | other.communities,
            self.large_communities | other.large_communities,
            max(preferences, default=None),
        )


def announcements(
    selector: LabelSelector,
    advertisements: Iterable[CiliumBGPAdvertisement],
    here: Announceable,
    version: int,
) -> tuple[Sequence[Announcement], Sequence[str]]:
    """Return what a family of that IP version announces, by prefix, and what is left out and why."""
    found: dict[IPNetwork, Announcement] = {}
    problems: list[str] = []
    for advertisement in advertisements:
        if not matches(selector, advertisement.metadata.labels):
            continue
        for index, each in enumerate(advertisement.spec.advertisements):
            try:
                carries = _carries(each)
            except ValueError as error:
                problems.append(
                    f"CiliumBGPAdvertisement {advertisement.metadata.name}:"
                    f" spec.advertisements[{index}].attributes: {error}; it is not announced"
                )
                continue
            for prefix in _prefixes(each, here):
                if prefix.version != version:
                    continue
                new = Announcement(prefix, *carries)
                found[prefix] = found[prefix].merged(new) if prefix in found else new
    return [found[prefix] for prefix in sorted(found, key=_order)], problems


def _order(prefix: IPNetwork) -> tuple[int, int]:
    """Return what sorts prefixes of one family: comparing them themselves takes ten times as long."""
    return (int(prefix.network_address), prefix.prefixlen)


def _carries(each: Advertised) -> tuple[frozenset[str], frozenset[str], int | None]:
    attributes = each.attributes
    return (
        standard_communities(attributes.communities),
        large_communities(attributes.communities),
        attributes.local_preference,
    )


def _prefixes(each: Advertised, here: Announceable) -> Iterator[IPNetwork]:
    kind, selector = each.advertisement_type, each.selector
    if kind == "PodCIDR":
        yield from here.pod_cidrs
    elif kind == "Interface" and each.interface is not None:
        yield from filter(None, map(_outer, here.interfaces.get(each.interface.name, ())))
    elif kind == "CiliumPodIPPool" and selector is not None:
        for pool in here.pools:
            if matches(selector, {**pool.labels, "io.cilium.podippool.name": pool.name}):
                yield from pool.cidrs
    elif kind == "Service" and selector is not None:
        for service in here.services:
            if service.is_served_on(here.labels) and matches(selector, service.selectable):
                yield from _service_prefixes(each, service, here)


def _outer(address: IPAddress) -> IPNetwork | None:
    """Return the prefix of an address that others may reach."""
    is_inner = address.is_loopback or address.is_link_local or address.is_multicast
    return None if is_inner else host_network(address)


def _service_prefixes(
    each: Advertised, service: KnownService, here: Announceable
) -> Iterator[IPNetwork]:
    """Yield a Service's prefixes; where its policy is Local, only with an endpoint on this node."""
    if each.service is None:
        return
    lengths = {
        4: each.service.aggregation_length_ipv4,
        6: each.service.aggregation_length_ipv6,
    }
    of_kind = {
        "LoadBalancerIP": (service.load_balancer_ips, service.external_is_local),
        "ExternalIP": (service.external_ips, service.external_is_local),
        "ClusterIP": (service.cluster_ips, service.internal_is_local),
    }
    for kind in each.service.addresses:
        addresses, is_local = of_kind.get(kind, ((), False))
        for address in addresses:
            length = lengths[address.version]
            if not is_local and length is not None:
                yield ip_network((address, length), strict=False)
            elif not is_local or (service.key, address.version) in here.local_services:
                yield host_network(address)  # A Local one alone: others' may be elsewhere.
