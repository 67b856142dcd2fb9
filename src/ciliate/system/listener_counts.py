"""What the listeners of this process admitted and ended, for metrics and the log.

One table for the process, as it has one limit of descriptors: a server that is made anew goes on
counting where its predecessor ended.
"""

import enum
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_log = logging.getLogger(__name__)

#: The log has one line of a listener in so many seconds, with what happened since the last.
_LOG_PERIOD_S: Final = 60.0


class Ending(enum.Enum):
    """Why a connection was ended by us."""

    REFUSED = "refused"  # Every other one was busy.
    DISPLACED = "displaced"  # It waited, and another came.
    LATE = "late"  # No whole request in time.
    UNTAKEN = "untaken"  # Nothing of an answer was taken for too long.
    IDLE = "idle"  # No further request in time: nothing is wrong.
    NO_DESCRIPTORS = "no-descriptors"  # The process, or the machine, had none left.


@dataclass(slots=True)
class ListenerCounts:
    """Counts of one listener; `name` as in metrics and log."""

    name: str
    open: int = 0
    accepted: int = 0
    ended: Counter[Ending] = field(default_factory=Counter)
    _untold: Counter[Ending] = field(default_factory=Counter)
    _told_at: float = float("-inf")

    def end(self, ending: Ending, peer: str) -> None:
        """Count a connection that is ended, and tell of it unless that was done just now."""
        self.ended[ending] += 1
        if ending is Ending.IDLE:
            return
        self._untold[ending] += 1
        now = time.monotonic()
        if now - self._told_at < _LOG_PERIOD_S:
            return
        told = ", ".join(f"{count} {each.value}" for each, count in self._untold.items())
        _log.warning(
            "listener %s: connections ended: %s (%d are open); the last one was of %s",
            self.name,
            told,
            self.open,
            peer,
        )
        self._told_at = now
        self._untold.clear()


#: By name: as many as the process has listeners.
_COUNTS: Final[dict[str, ListenerCounts]] = {}


def counts_of(name: str) -> ListenerCounts:
    """Return the counts of the listener `name`."""
    return _COUNTS.setdefault(name, ListenerCounts(name))


def all_counts() -> tuple[ListenerCounts, ...]:
    """Return the counts of every listener that this process has had."""
    return tuple(_COUNTS.values())
