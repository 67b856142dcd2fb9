"""What each node still lacks after its last decision: blocks it waits for, errors. Pure.

`granting` records decisions here and asks which nodes to serve when blocks become free; the report
and the metrics read it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.operator.node_cidrs import Decision

#: What a node may wait for: a block of a pool, by name and IP version.
Want = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a decision changed for pools: those that ran out, or that no node waits for now."""

    exhausted: frozenset[Want] = frozenset()
    relieved: frozenset[Want] = frozenset()
    outside_changed: bool = False


class NodeStates:
    """The state of every node that lacks something, and how many were served."""

    def __init__(self) -> None:
        self.waiting: dict[str, frozenset[Want]] = {}
        #: The error of each node, written or about to be.
        self.errors: dict[str, str] = {}
        #: Blocks outside their pools' present ranges, by node.
        self.outside: dict[str, tuple[tuple[str, Cidr], ...]] = {}
        self.granted = 0
        self.failed_writes = 0
        #: How many nodes wait for each.
        self._short: Counter[Want] = Counter()

    @property
    def exhausted(self) -> frozenset[Want]:
        """Pools and families that had no block for a node that waits."""
        return frozenset(self._short)

    def record(self, name: str, decision: Decision) -> Turn:
        """Record what is wrong with a node; an empty decision removes it."""
        outside_changed = decision.outside != self.outside.get(name, ())
        self.outside[name] = decision.outside
        if not decision.outside:
            del self.outside[name]
        self.errors[name] = decision.error
        if not decision.error:
            del self.errors[name]
        exhausted, relieved = self._wait(name, decision.short_of)
        return Turn(exhausted, relieved, outside_changed)

    def servable(self, free: Callable[[str, int], int]) -> Iterator[str]:
        """Yield waiting nodes, as many as there are free blocks, the longest waiting first.

        `free` says how many blocks of a pool and family can be given.
        """
        left = {want: free(*want) for want in self._short}
        for name, wants in self.waiting.items():
            if not any(count > 0 for count in left.values()):
                return
            if any(left[want] > 0 for want in wants):
                for want in wants:
                    left[want] -= 1
                yield name

    def promising(
        self, free: Callable[[str, int], int], has_uses: Callable[[str], bool]
    ) -> Iterator[str]:
        """Yield waiting nodes for which there may be a block: a free one, or one they use."""
        there = {want for want in self._short if free(*want) > 0}
        for name, wants in self.waiting.items():
            if wants & there or has_uses(name):
                yield name

    def _wait(
        self, name: str, short_of: frozenset[Want]
    ) -> tuple[frozenset[Want], frozenset[Want]]:
        before = self.waiting.get(name, frozenset())
        if short_of:
            self.waiting[name] = short_of  # In its old place: the longest waiting stays first.
        else:
            self.waiting.pop(name, None)
        if short_of == before:
            return frozenset(), frozenset()
        known = self.exhausted
        self._short.update(short_of - before)
        self._short.subtract(before - short_of)
        self._short = +self._short  # Drops those at zero.
        return self.exhausted - known, known - self.exhausted
