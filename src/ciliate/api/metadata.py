"""What every Kubernetes object has: its metadata, its owners, its conditions, its times.

Times stay the RFC 3339 text of the API: they are shown and compared far more often than computed
with, and text costs no parsing per object. `parse_time` is for the few that compute.
"""

from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct, field


class OwnerReference(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """Another object whose deletion takes this one along."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """Name, labels, owners and version of an object; `namespace` is empty for cluster-wide kinds.

    `resource_version` is opaque (Kubernetes API concepts, "Resource versions"): it may be
    compared for equality and sent back to the server, nothing else.
    """

    name: str = ""
    namespace: str = ""
    generate_name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class ListMeta(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Metadata of a list: where a watch goes on, and the token of the next chunk."""

    resource_version: str = ""
    continue_token: str = field(default="", name="continue")


class KubeObject(Protocol):
    """What any object offers: the client and the caches need no more."""

    @property
    def metadata(self) -> ObjectMeta:
        """The object's metadata."""
        ...


class PartialObject(Struct, frozen=True, gc=False):
    """The metadata of an object of any kind, when its rest does not matter."""

    metadata: ObjectMeta = ObjectMeta()


class Condition(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """One aspect of an object's state, as nodes, pods and workloads report it."""

    type: str
    status: str = "Unknown"
    observed_generation: int = 0
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_heartbeat_time: str | None = None


class LabelExpression(Struct, frozen=True, gc=False, omit_defaults=True):
    """One requirement of a label selector: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Which objects by their labels; all requirements must hold, none means every object."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelExpression, ...] = ()


def parse_time(text: str) -> datetime:
    """Return the moment an API time (RFC 3339, with or without fraction) names.

    Raises:
        ValueError: The text is not a time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone: RFC 3339 requires one")
    return moment


def format_time(moment: datetime) -> str:
    """Return `moment` as metav1.Time: UTC, whole seconds, "2025-07-01T12:00:00Z"."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """Return `moment` as metav1.MicroTime: UTC, six digits of fraction."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
