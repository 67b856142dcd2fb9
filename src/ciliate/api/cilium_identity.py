"""CiliumIdentity, cilium.io/v2: the cluster-wide number of a set of labels.

The name is the number. `security_labels` decides (keys carry their source, "k8s:app"); the
metadata's labels only serve selection and the Namespace column.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource


class CiliumIdentity(Struct, frozen=True, gc=False, omit_defaults=True):
    """One identity."""

    metadata: ObjectMeta = ObjectMeta()
    security_labels: dict[str, str] = field(default_factory=dict, name="security-labels")


CILIUM_IDENTITIES: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumidentities",
    "CiliumIdentity",
    namespaced=False,
    struct=CiliumIdentity,
)


def label_texts(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return "source:key=value" for each, sorted; the "=" is left out when the value is empty."""
    return tuple(sorted(f"{key}={value}" if value else key for key, value in labels.items()))
