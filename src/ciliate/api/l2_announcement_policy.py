"""CiliumL2AnnouncementPolicy, cilium.io/v2alpha1: which addresses nodes answer for on layer 2."""

from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import Condition, LabelSelector, ObjectMeta
from ciliate.api.resource import Resource

#: Most of what one object holds, also in the schema.
INTERFACES_MAX: Final = 64
PATTERN_LENGTH_MAX: Final = 256


class L2AnnouncementPolicySpec(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """Which Services, by which nodes, at which devices; what is left out selects all."""

    service_selector: LabelSelector | None = None
    node_selector: LabelSelector | None = None
    interfaces: tuple[str, ...] = ()
    external_ips: bool = field(default=False, name="externalIPs")
    load_balancer_ips: bool = field(default=False, name="loadBalancerIPs")


class L2AnnouncementPolicyStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the operator found wrong."""

    conditions: tuple[Condition, ...] = ()


class CiliumL2AnnouncementPolicy(Struct, frozen=True, gc=False, omit_defaults=True):
    """One policy."""

    metadata: ObjectMeta = ObjectMeta()
    spec: L2AnnouncementPolicySpec = L2AnnouncementPolicySpec()
    status: L2AnnouncementPolicyStatus = L2AnnouncementPolicyStatus()


CILIUM_L2_ANNOUNCEMENT_POLICIES: Final = Resource(
    "cilium.io",
    "v2alpha1",
    "ciliuml2announcementpolicies",
    "CiliumL2AnnouncementPolicy",
    namespaced=False,
    struct=CiliumL2AnnouncementPolicy,
)
