"""ServiceCIDRs: the ranges that ClusterIPs come out of (networking.k8s.io/v1, Kubernetes 1.33)."""

from typing import Final

from msgspec import Struct

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource
from ciliate.net.address import IPNetwork, ip_network


class ServiceCIDRSpec(Struct, frozen=True, gc=False):
    """The ranges of one ServiceCIDR."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDR(Struct, frozen=True, gc=False):
    """One object: at most one range of each family."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceCIDRSpec = ServiceCIDRSpec()


SERVICE_CIDRS: Final = Resource(
    "networking.k8s.io",
    "v1",
    "servicecidrs",
    "ServiceCIDR",
    namespaced=False,
    struct=ServiceCIDR,
)


def service_ranges(found: ServiceCIDR) -> tuple[tuple[IPNetwork, ...], tuple[str, ...]]:
    """Return the ranges of an object, and what in it is none; bits behind a prefix do not matter."""
    ranges: list[IPNetwork] = []
    unreadable: list[str] = []
    for text in found.spec.cidrs:
        try:
            ranges.append(ip_network(text, strict=False))
        except ValueError as error:
            unreadable.append(f"ServiceCIDR {found.metadata.name}: {error}: ignored")
    return tuple(ranges), tuple(unreadable)
