"""Which problems of Services are new, and who tells of them in Events. Pure.

A full map may leave thousands of Services out at once, and every node sees most problems alike: so of
those that come together some are told and the rest counted, and one node tells of a Service.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple
from zlib import crc32

from ciliate.services.model import ServiceKey

#: Problems that are told one by one, of those that come together; and shown in `dbg status`.
TOLD_MAX: Final = 32

#: What a Service has to say, and which one it is.
Problem = tuple[ServiceKey, str]


class Changes(NamedTuple):
    """What differs from the last look: those to tell of, and how many more came and went."""

    told: tuple[Problem, ...]
    untold: int
    solved: int


class ProblemChanges:
    """Remembers which problems there were."""

    def __init__(self) -> None:
        self._known: frozenset[Problem] = frozenset()

    def look(self, problems: Iterable[Problem]) -> Changes:
        """Return what is new of these, all that there are, and forget what is not among them."""
        now = dict.fromkeys(problems)
        new = [each for each in now if each not in self._known]
        solved = len(self._known.difference(now))
        self._known = frozenset(now)
        return Changes(tuple(new[:TOLD_MAX]), max(len(new) - TOLD_MAX, 0), solved)


def tells_of(key: ServiceKey, nodes: Iterable[str], own: str) -> bool:
    """Whether this node tells of a Service; of a pod's hostPort its own node does."""
    if key.text.startswith("Pod "):
        return True
    return own == max({*nodes, own}, key=lambda node: (crc32(f"{node} {key}".encode()), node))


def shown(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the first of all problems as lines, and how many more there are."""
    texts = list(dict.fromkeys(text for _, text in problems))
    more = len(texts) - TOLD_MAX
    rest = (f"and {more} more problems of Services",) if more > 0 else ()
    return (*texts[:TOLD_MAX], *rest)
