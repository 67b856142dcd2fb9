"""What was counted of one metric: its series, at most so many. Pure.

Labels come from packets: a pod that scans ports makes a series of each. What comes when there are as
many as may be is counted as refused, so that a sum that is too low is seen to be. Series that are of a
pod or its address go when it is told that these are gone.
"""

from collections.abc import Iterable, Iterator
from typing import Final

#: Of a metric. Prometheus takes 10,000 lines of a node without effort; they are 1 MB a scrape.
SERIES_MAX: Final = 10_000

#: (namespace, name) of a pod, or the 16 octets of its address.
Holder = tuple[str, str] | bytes

Labels = tuple[str, ...]


class SeriesTable:
    """Counts by label values."""

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        self._series_max = series_max
        self._counts: dict[Labels, int] = {}
        self._of_holder: dict[Holder, set[Labels]] = {}
        self._holders: dict[Labels, frozenset[Holder]] = {}
        #: Flows that found no room for a further series.
        self.refused = 0

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> Iterator[tuple[Labels, int]]:
        """Yield label values and count of each series."""
        return iter(self._counts.items())

    def add(self, labels: Labels, count: int) -> bool:
        """Count flows in a series that there is, or refuse them where no further one may be.

        Return whether that is done: else `begin` makes the series.
        """
        if labels in self._counts:
            self._counts[labels] += count
            return True
        if len(self._counts) < self._series_max:
            return False
        self.refused += count
        return True

    def begin(self, labels: Labels, count: int, holders: Iterable[Holder] = ()) -> None:
        """Make a series; `holders` are whom it is of."""
        self._counts[labels] = count
        bound = frozenset(holders)
        if bound:
            self._holders[labels] = bound
            for holder in bound:
                self._of_holder.setdefault(holder, set()).add(labels)

    def forget(self, holder: Holder) -> None:
        """Let the series go that are of a pod or an address."""
        for labels in self._of_holder.pop(holder, ()):
            del self._counts[labels]
            for other in self._holders.pop(labels) - {holder}:
                rest = self._of_holder[other]
                rest.discard(labels)
                if not rest:
                    del self._of_holder[other]
