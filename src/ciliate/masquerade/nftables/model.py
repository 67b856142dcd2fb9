"""Sets and chains of our table as values. Pure.

Rules are compared by their comments: each one's ends with a digest of its text. What the kernel
shows of a rule's text differs from what was written, release by release; a comment does not.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.net.address import IPNetwork

#: The kernel takes 128 octets of a comment.
_WHY_MAX: Final = 100

FAMILY: Final = "inet"
TABLE: Final = "ciliate"


@dataclass(frozen=True, slots=True)
class AddressSet:
    """A set of disjoint prefixes of one IP version."""

    version: int
    prefixes: frozenset[IPNetwork]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in nft's language, and why it stands there."""

    text: str
    why: str

    @property
    def comment(self) -> str:
        """What the rule is known by in the kernel."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:12]
        return f"{self.why[:_WHY_MAX]} [{digest}]"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain: where the kernel calls it, and its rules by their comments.

    `hook` is empty for one that only rules lead to. `rules` are what is written, and empty in a
    chain that was read.
    """

    hook: str
    comments: tuple[str, ...]
    rules: tuple[Rule, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, *rules: Rule, hook: str = "") -> "Chain":
        """Return the chain of these rules."""
        return cls(hook, tuple(rule.comment for rule in rules), rules)


Part = AddressSet | Chain

#: What stands in the table, by name: sets before the chains that name them, chains before those
#: that lead to them.
Parts = Mapping[str, Part]
