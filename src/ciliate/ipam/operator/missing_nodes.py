"""CiliumNodes to delete: those without their Node for a whole interval. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.resource import ObjectKey


@dataclass(slots=True)
class MissingNodes:
    """Since when each CiliumNode has been without its Node, in seconds of the caller's clock."""

    grace_s: float
    missing_since: dict[str, float] = field(default_factory=dict)

    def garbage(
        self,
        cilium_nodes: Iterable[CiliumNode],
        nodes: Mapping[ObjectKey, Node],
        now_s: float,
    ) -> list[CiliumNode]:
        """Return the CiliumNodes to delete now, and remember the others without their Node.

        Those with an owner reference are left to Kubernetes' garbage collector.
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
