"""Which pods and addresses are gone, and since when: their series go a while later. Pure.

A scraper comes every half a minute or so: what happened last must still be there for it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ciliate.flows.feed import Line, PodGone, PodName
from ciliate.flows.server.metrics.series import Holder

#: How long series stay behind the pod that they are of.
STAY_S: Final = 60.0


class Departures:
    """Follows what the agent tells of pods."""

    def __init__(self) -> None:
        self._told: dict[str, frozenset[Holder]] = {}
        self._present: Counter[Holder] = Counter()
        self._gone: dict[Holder, float] = {}  # Since when; the first is gone longest.

    def take(self, line: Line, now_s: float) -> None:
        """Take in what the agent tells."""
        match line:
            case PodName():
                self._set(line.key, frozenset(_holders(line)), now_s)
            case PodGone():
                self._set(line.key, frozenset(), now_s)

    def note(self, holder: Holder, now_s: float) -> None:
        """A series is of this: where it is not there any more, that series goes too."""
        if not self._present[holder]:
            self._gone.setdefault(holder, now_s)

    def due(self, now_s: float) -> Iterator[Holder]:
        """Yield what is gone for long enough, once."""
        while self._gone:
            holder, since_s = next(iter(self._gone.items()))
            if now_s - since_s < STAY_S:
                return
            del self._gone[holder]
            yield holder

    def _set(self, key: str, holders: frozenset[Holder], now_s: float) -> None:
        before = self._told.pop(key, frozenset())
        if holders:
            self._told[key] = holders
        for holder in holders - before:
            self._present[holder] += 1
            self._gone.pop(holder, None)
        for holder in before - holders:
            self._present[holder] -= 1
            if not self._present[holder]:
                del self._present[holder]
                self._gone[holder] = now_s


def _holders(name: PodName) -> Iterator[Holder]:
    yield name.namespace, name.pod
    yield from name.addresses
