"""CiliumPodIPPool, cilium.io/v2alpha1: a named range of pod addresses of multi-pool mode.

The operator cuts blocks of `mask_size` out of the CIDRs and gives them to nodes. A pool has no
status: how full it is stands in all CiliumNodes together.
"""

from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import LabelSelector, ObjectMeta
from ciliate.api.resource import Resource


class PoolCIDRs(Struct, frozen=True, gc=False, rename="camel"):
    """The ranges of one family and the prefix length of a node's block."""

    cidrs: tuple[str, ...]
    mask_size: int


class PodIPPoolSpec(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """Ranges per family, and (since Cilium 1.19) which pods take from the pool unasked."""

    ipv4: PoolCIDRs | None = None
    ipv6: PoolCIDRs | None = None
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    allow_first_ip: bool = field(default=False, name="allowFirstIP")
    allow_last_ip: bool = field(default=False, name="allowLastIP")


class CiliumPodIPPool(Struct, frozen=True, gc=False, omit_defaults=True):
    """One pool."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodIPPoolSpec = field(default_factory=PodIPPoolSpec)


CILIUM_POD_IP_POOLS: Final = Resource(
    "cilium.io",
    "v2alpha1",
    "ciliumpodippools",
    "CiliumPodIPPool",
    namespaced=False,
    struct=CiliumPodIPPool,
)
