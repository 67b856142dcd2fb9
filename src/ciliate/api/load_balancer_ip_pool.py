"""CiliumLoadBalancerIPPool, cilium.io/v2: addresses for Services of type LoadBalancer.

The operator gives them out and says in the status how many are left. Cilium before 1.18 has the
kind as v2alpha1 alone, with the same fields.
"""

from dataclasses import replace
from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import Condition, LabelSelector, ObjectMeta
from ciliate.api.resource import Resource

#: Of `spec.allowFirstLastIPs`: the first and last address of each CIDR are kept back.
KEEPS_FIRST_LAST: Final = "No"


class PoolBlock(Struct, frozen=True, gc=False, omit_defaults=True):
    """Addresses of one family: a prefix, or a first and a last one; without `stop`, one alone."""

    cidr: str = ""
    start: str = ""
    stop: str = ""


class LoadBalancerIPPoolSpec(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """The addresses, and which Services may have them; without a selector, every one."""

    blocks: tuple[PoolBlock, ...] = ()
    service_selector: LabelSelector | None = None
    allow_first_last_ips: str = field(default="", name="allowFirstLastIPs")  # Yes, No; empty: Yes.
    disabled: bool = False


class LoadBalancerIPPoolStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the operator found, a condition each; of numbers the message is the number."""

    conditions: tuple[Condition, ...] = ()


class CiliumLoadBalancerIPPool(Struct, frozen=True, gc=False, omit_defaults=True):
    """One pool."""

    metadata: ObjectMeta = ObjectMeta()
    spec: LoadBalancerIPPoolSpec = LoadBalancerIPPoolSpec()
    status: LoadBalancerIPPoolStatus = LoadBalancerIPPoolStatus()


CILIUM_LOAD_BALANCER_IP_POOLS: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumloadbalancerippools",
    "CiliumLoadBalancerIPPool",
    namespaced=False,
    struct=CiliumLoadBalancerIPPool,
)

#: The same kind as clusters have it whose definition Cilium 1.17 or older installed.
FORMER_LOAD_BALANCER_IP_POOLS: Final = replace(CILIUM_LOAD_BALANCER_IP_POOLS, version="v2alpha1")
