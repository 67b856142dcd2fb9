"""How long each finding has lasted: what is not seen any more is forgotten. Pure.

Findings of one moment are ordinary while pods come and go; those that last are not. Ages are of a
monotonic clock, which the caller reads: setting the node's clock makes nothing older.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from ciliate.api.ipam_audit import Evidence, Finding

Key = tuple[str, str, str, tuple[Evidence, ...]]


@dataclass(frozen=True, slots=True)
class Aged:
    """A finding, and for how many seconds every look has shown it."""

    finding: Finding
    age_s: float

    def dated(self, now: datetime) -> Finding:
        """Return the finding with the time of its first look."""
        since = now - timedelta(seconds=self.age_s)
        return msgspec.structs.replace(self.finding, since=since)


class FirstSeen:
    """Remembers when each finding of the last look was first seen in an unbroken row."""

    def __init__(self) -> None:
        self._since_s: dict[Key, float] = {}

    def note(self, findings: Iterable[Finding], clock_s: float) -> tuple[Aged, ...]:
        """Return the findings of a look at `clock_s` with their ages."""
        found = tuple(findings)
        self._since_s = {each.key: self._since_s.get(each.key, clock_s) for each in found}
        return tuple(Aged(each, clock_s - self._since_s[each.key]) for each in found)
