"""What is due with each identity: kept, marked, unmarked, deleted. Pure.

An identity that nothing uses is first *marked* with an annotation and deleted an interval later,
on condition that it has not changed: an agent that begins to use it again removes the mark, and
the deletion conflicts. Annotation and order are Cilium's, whose operators and agents may take
over at any point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.resource import ObjectKey

#: Marks an identity for deletion; its value is the time, RFC 3339. Agents that use the identity
#: remove it.
MARK: Final = "io.cilium.heartbeat"


class IdentityVerdict(Enum):
    """What is due with an identity."""

    KEEP = "keep"
    UNMARK = "unmark"
    MARK = "mark"
    DELETE = "delete"


@dataclass(slots=True)
class IdentityUses:
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
