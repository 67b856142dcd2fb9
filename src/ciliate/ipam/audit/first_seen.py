"""How long each finding has lasted; one that is not found again is forgotten. Pure.

Short-lived findings are normal while pods come and go; those that last are not. Ages are of a
monotonic clock, which the caller reads: setting the node's clock changes no age.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from ciliate.api.ipam_audit import Evidence, Finding

Key = tuple[str, str, str, tuple[Evidence, ...]]


@dataclass(frozen=True, slots=True)
class Aged:
    """A finding, and for how many seconds every inspection has found it."""

    finding: Finding
    age_s: float

    def dated(self, now: datetime) -> Finding:
        """Return the finding with the time at which it was first seen."""
        since = now - timedelta(seconds=self.age_s)
        return msgspec.structs.replace(self.finding, since=since)


class FirstSeen:
    """Remembers since when each finding of the last inspection was found without a gap."""

    def __init__(self) -> None:
        self._since_s: dict[Key, float] = {}

    def note(self, findings: Iterable[Finding], clock_s: float) -> tuple[Aged, ...]:
        """Return the findings of an inspection at `clock_s` with their ages."""
        found = tuple(findings)
        self._since_s = {each.key: self._since_s.get(each.key, clock_s) for each in found}
        return tuple(Aged(each, clock_s - self._since_s[each.key]) for each in found)
