"""MasqueradePolicy, ciliate.io/v1alpha1: which source address pods' packets leave the cluster with.

An object holds ordered rules. `spec` is kept as the API server has it: `masquerade/policy/read.py`
says of a wrong one which field is wrong, and one that cannot be read must not be missed.
"""

from typing import Any, Final

from msgspec import Struct, field

from ciliate.api.metadata import Condition, LabelSelector, ObjectMeta
from ciliate.api.resource import Resource

#: Of `spec.priority`.
PRIORITY_MAX: Final = 1000

#: Most of what one object holds, also in the schema; an object of the API has at most 1.5 MiB.
RULES_MAX: Final = 64
DESTINATIONS_MAX: Final = 256
EXCEPTS_MAX: Final = 64
PORTS_MAX: Final = 16
ADDRESSES_MAX: Final = 1024
LABELS_MAX: Final = 64

#: The condition that says whether nodes use the object.
ACCEPTED: Final = "Accepted"


class PolicyDestination(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A prefix, without those inside it that are excepted."""

    cidr: str
    excepts: tuple[str, ...] = field(default=(), name="except")


class PolicyPort(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Ports of one protocol; without a port, all of it."""

    protocol: str
    port: int | None = None
    end_port: int | None = None


class PolicyRule(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Which packets of which pods, and their source address; what is left out matches all.

    A field that this version does not know may narrow the rule: with one it is refused.
    """

    source: str
    name: str | None = None
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None
    pool: str | None = None
    destinations: tuple[PolicyDestination, ...] | None = None
    ports: tuple[PolicyPort, ...] | None = None
    addresses: tuple[str, ...] | None = None


class MasqueradePolicySpec(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The rules in their order; objects of a lower priority come first, of equal ones by name."""

    priority: int
    rules: tuple[PolicyRule, ...]


class MasqueradePolicyStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the operator found: condition Accepted, and how many rules nodes use."""

    rules: int = 0
    conditions: tuple[Condition, ...] = ()


class MasqueradePolicy(Struct, frozen=True, gc=False, omit_defaults=True):
    """One policy; `spec` is a MasqueradePolicySpec as plain data."""

    metadata: ObjectMeta = ObjectMeta()
    spec: Any = None
    status: MasqueradePolicyStatus = MasqueradePolicyStatus()


MASQUERADE_POLICIES: Final = Resource(
    "ciliate.io",
    "v1alpha1",
    "masqueradepolicies",
    "MasqueradePolicy",
    namespaced=False,
    struct=MasqueradePolicy,
)
