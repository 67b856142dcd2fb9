"""Whether two Services may have one address (annotation lbipam.cilium.io/sharing-key). Pure.

A packet to the address must belong to one of them by its port, and where it is only carried to the
nodes that have an endpoint, both must have theirs on the same nodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: In the list of namespaces: every one.
_ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Sharing:
    """What of a Service decides; `key` is empty where it shares with nobody."""

    key: str
    namespace: str
    namespaces: frozenset[str]  # With whose Services it shares beside its own's.
    ports: frozenset[tuple[int, str]]  # And protocols.
    is_local: bool  # externalTrafficPolicy
    selector: Mapping[str, str]

    def accepts(self, namespace: str) -> bool:
        """Whether it shares with Services of that namespace."""
        return namespace == self.namespace or not self.namespaces.isdisjoint({namespace, _ALL})


def obstacle(one: Sharing, other: Sharing) -> str:
    """Return why the two cannot have one address, empty if they can."""
    if not one.key or one.key != other.key:
        return "sharing keys differ"
    if not (one.accepts(other.namespace) and other.accepts(one.namespace)):
        return (
            "they are in two namespaces, and not both name the other's in"
            " lbipam.cilium.io/sharing-cross-namespace"
        )
    clashes = one.ports & other.ports
    if clashes:
        port, protocol = min(clashes)
        return f"both have port {port}/{protocol}"
    if one.is_local != other.is_local:
        return "externalTrafficPolicy differs"
    if one.is_local and (not one.selector or one.selector != other.selector):
        return "externalTrafficPolicy is Local, and they do not select the same pods"
    return ""
