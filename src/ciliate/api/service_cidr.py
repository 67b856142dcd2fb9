"""ServiceCIDRs: the ranges that ClusterIPs come out of (networking.k8s.io/v1, Kubernetes 1.33)."""

from typing import Final

from msgspec import Struct

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource


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
