"""What a node should be given, and what to tell about it: decisions. Pure.

The allocator has learned the node as the object at hand says it is. A grant made here stays the
node's whatever becomes of the write that tells it: asked again, the same blocks come out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ciliate.api.cilium_node import AllocatedPool, CiliumNode
from ciliate.ipam.carving import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.pool_errors import PoolExhaustedError, PoolMissingError
from ciliate.operator.ipam_settings import CLUSTER_POOL

#: Blocks that one decision adds for a node and pool; the rest comes with the next one.
BLOCKS_AT_ONCE_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write into a CiliumNode; None leaves a field as it is.

    `short_of` names the pools and families that had no block left: asked again when one is free.
    `strays` are blocks in which pods live that are not the node's: told when it lasts.
    """

    pod_cidrs: tuple[str, ...] | None = None
    allocated: tuple[AllocatedPool, ...] | None = None
    error: str = ""
    short_of: frozenset[tuple[str, int]] = frozenset()
    strays: tuple[Cidr, ...] = ()

    def complain(self, problem: str) -> "Decision":
        """Return the decision with one more thing to tell."""
        return replace(self, error="; ".join(filter(None, (self.error, problem))))


def fill_pod_cidrs(
    allocator: ClusterAllocator, node: CiliumNode, versions: Sequence[int], *, settled: bool
) -> Decision:
    """Decide on a node of cluster-pool mode: fill families that lack a CIDR, change none.

    An empty list is filled with all families or with none, so that no agent starts with half.
    Not `settled`: a write based on `node` may yet take effect, so that no grant is taken back.
    """
    name = node.metadata.name
    present, unreadable = _parsed(node.spec.ipam.pod_cidrs)
    problems = [*_complaints(allocator, node, unreadable)]
    problems += _foreign(allocator, present, versions)
    missing = [v for v in versions if all(cidr.version != v for cidr in present)]
    given: list[Cidr] = []
    short_of: set[tuple[str, int]] = set()
    if not unreadable:
        for version in missing:
            try:
                given.append(allocator.grant(name, CLUSTER_POOL, version, listed=present))
            except PoolExhaustedError as error:
                short_of.add((CLUSTER_POOL, version))
                problems.append(str(error))
            except PoolMissingError as error:
                problems.append(
                    f"Unable to allocate node CIDR for node {name}: {error}."
                    " Please check that your configuration is correct."
                )
    if len(given) < len(missing) and not present:
        given = []
    if settled:
        _take_back(allocator, name, keep={*present, *given})
    filled = None
    if given:
        filled = tuple(str(c) for c in sorted([*present, *given], key=lambda c: c.version))
    return Decision(
        pod_cidrs=filled,
        error="; ".join(problems),
        short_of=frozenset(short_of),
        strays=tuple(allocator.strays(name)),
    )


def stray_error(strays: Iterable[Cidr], node: CiliumNode) -> str:
    """Return the complaint about pods whose CIDR somebody took from their node by hand."""
    lived = ", ".join(map(str, strays))
    wanted = ", ".join(node.current_cidrs) or "none"
    return (
        f"node has CIDRs allocated ({lived}) that conflict with requested CIDRs ({wanted}):"
        " pods still live in the former: put them back, or list them in"
        " the annotation of draining CIDRs until those pods are gone"
    )


def _parsed(texts: Iterable[str]) -> tuple[list[Cidr], list[str]]:
    cidrs, unreadable = [], []
    for text in texts:
        try:
            cidrs.append(Cidr.parse(text))
        except ValueError:
            unreadable.append(text)
    return cidrs, unreadable


def _complaints(
    allocator: ClusterAllocator, node: CiliumNode, unreadable: Iterable[str]
) -> list[str]:
    problems = [f"{text!r} is no CIDR: correct or remove it" for text in unreadable]
    return problems + [str(c) for c in allocator.conflicts_of(node.metadata.name)]


def _foreign(
    allocator: ClusterAllocator, present: Iterable[Cidr], versions: Iterable[int]
) -> list[str]:
    """Return what is wrong with CIDRs that a node has from elsewhere (ipam.md, 3.3)."""
    problems = []
    for cidr in present:
        if cidr.version not in versions:
            problems.append(
                f"unable to allocate CIDR [{cidr}] since allocator for"
                f" IPv{cidr.version} addresses does not exist"
            )
        elif not any(
            carving.cidr.contains(cidr) and carving.pool == CLUSTER_POOL
            for carving in allocator.pools.active(cidr)
        ):
            problems.append(f"allocator not configured for the requested CIDR {cidr}")
    return problems


def _take_back(allocator: ClusterAllocator, name: str, *, keep: set[Cidr]) -> None:
    """Take back what was granted before and is not part of what is given now."""
    for cidr in allocator.granted(name):
        if cidr not in keep:
            allocator.withdraw(name, cidr)
