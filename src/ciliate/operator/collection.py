"""Which objects are leftovers: of pods, of nodes, of labels that nothing bears any more.

Pure: tables and times in, decisions out; `collector` carries them out. Whatever a table says may
be old, so nothing is final at first sight. An endpoint's pod is asked for once more before the
deletion. A CiliumNode must be missing its Node for a whole interval. An identity is first
*marked* with an annotation and deleted an interval later, on condition that nobody touched it:
an agent that begins to use it again removes the mark, and the deletion conflicts. Annotation and
order are Cilium's, whose operators and agents may take over at any point.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.resource import ObjectKey
from ciliate.cluster.views import EndpointPresence, PodPresence

#: Marks an identity for deletion; its value is the time, RFC 3339. Agents that use the identity
#: remove it.
MARK: Final = "io.cilium.heartbeat"


def endpoints_without_pod(
    endpoints: Mapping[ObjectKey, EndpointPresence], pods: Mapping[ObjectKey, PodPresence]
) -> list[EndpointPresence]:
    """Return the endpoints whose pod, of the same namespace and name, is gone or has ended.

    The pods of finished jobs stay for long, their addresses do not.
    """
    found = []
    for key, endpoint in endpoints.items():
        pod = pods.get(key)
        if pod is None or pod.ended:
            found.append(endpoint)
    return found


@dataclass(slots=True)
class NodeLedger:
    """Since when each CiliumNode has been without its Node, in seconds of the caller's clock."""

    grace_s: float
    missing_since: dict[str, float] = field(default_factory=dict)

    def leftovers(
        self,
        cilium_nodes: Iterable[CiliumNode],
        nodes: Mapping[ObjectKey, Node],
        now_s: float,
    ) -> list[CiliumNode]:
        """Return the CiliumNodes to delete now, and remember the others that miss their Node.

        One with an owner reference is Kubernetes' to collect.
        """
        missing = {
            cilium_node.metadata.name: cilium_node
            for cilium_node in cilium_nodes
            if not cilium_node.metadata.owner_references
            and ("", cilium_node.metadata.name) not in nodes
        }
        self.missing_since = {name: self.missing_since.get(name, now_s) for name in missing}
        return [
            cilium_node
            for name, cilium_node in missing.items()
            if now_s - self.missing_since[name] >= self.grace_s
        ]


class IdentityVerdict(Enum):
    """What is due with an identity."""

    KEEP = "keep"
    UNMARK = "unmark"
    MARK = "mark"
    DELETE = "delete"


@dataclass(slots=True)
class IdentityLedger:
    """When each identity was last seen in use, in seconds of the caller's clock.

    `began_s` is when watching began: of the time before, nothing is known, so every identity
    counts as used then.
    """

    timeout_s: float
    began_s: float
    used_at: dict[str, float] = field(default_factory=dict)

    def use(self, identity: str, now_s: float) -> None:
        """Note that an endpoint has, or until now had, `identity`; empty is ignored."""
        if identity:
            self.used_at[identity] = now_s

    def verdict(self, identity: CiliumIdentity, now_s: float) -> IdentityVerdict:
        """Return what is due with `identity`."""
        used_s = self.used_at.get(identity.metadata.name, self.began_s)
        marked = MARK in identity.metadata.annotations
        if now_s - used_s < self.timeout_s:
            return IdentityVerdict.UNMARK if marked else IdentityVerdict.KEEP
        return IdentityVerdict.DELETE if marked else IdentityVerdict.MARK

    def forget(self, existing: Mapping[ObjectKey, CiliumIdentity]) -> None:
        """Drop what is remembered of identities that no longer exist."""
        self.used_at = {name: at for name, at in self.used_at.items() if ("", name) in existing}
