"""Leases: who of several may act, and until when (coordination.k8s.io/v1)."""

from typing import Final

from msgspec import Struct

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource


class LeaseSpec(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """Holder and times; an empty holder means that the lease was released."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int = 0


class Lease(Struct, frozen=True, gc=False, omit_defaults=True):
    """One lease."""

    metadata: ObjectMeta = ObjectMeta()
    spec: LeaseSpec = LeaseSpec()


LEASES: Final = Resource(
    "coordination.k8s.io", "v1", "leases", "Lease", namespaced=True, struct=Lease
)
