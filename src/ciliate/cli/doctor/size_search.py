"""The greatest size that passes, by halves. Pure.

What passes is taken to be everything up to some size, which is how links behave.
"""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class SizeSearch:
    """`passes` got through, `fails` did not; the answer is `passes` when they are neighbours."""

    passes: int
    fails: int

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to try."""
        return self.fails - self.passes <= 1

    @property
    def next_size(self) -> int:
        """The size to try next."""
        return (self.passes + self.fails) // 2

    def after(self, size: int, *, passed: bool) -> Self:
        """Return the search after `size` was tried."""
        return replace(self, passes=size) if passed else replace(self, fails=size)

    def limited_to(self, told: int) -> Self:
        """Return the search after a router said that more than `told` does not pass."""
        if self.passes <= told < self.fails - 1:
            return replace(self, fails=told + 1)
        return self
