"""Which remotes have just become nearly full. Pure.

An alarm is raised when the fill passes 80 and 95 per cent, and again only after it was well below:
what hovers around a mark tells it once. One that keeps passing it has a pause.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from ciliate.masquerade.ports.book import Remote, RemotePorts

#: Fill from which a mark is passed, and below which it counts as not passed again, in per cent.
MARKS: Final = ((80, 70), (95, 90))
#: Between two alarms of one remote and mark, in seconds.
PAUSE_S: Final = 600.0
#: Alarms of one round; the rest is raised in the next ones.
ALARMS_MAX: Final = 8


class Alarm(NamedTuple):
    """A remote whose fill has passed a mark, in per cent."""

    page: RemotePorts
    mark: int


class FillAlarms:
    """Remembers which marks are passed, and when that was told."""

    def __init__(self) -> None:
        self._passed: dict[Remote, int] = {}
        self._told_s: dict[tuple[Remote, int], float] = {}

    def look(self, pages: Iterable[RemotePorts], time_s: float) -> list[Alarm]:
        """Return the alarms that these pages, all that there are, give rise to."""
        self._told_s = {
            key: told_s for key, told_s in self._told_s.items() if time_s - told_s < PAUSE_S
        }
        before, self._passed = self._passed, {}
        alarms: list[Alarm] = []
        for page in pages:
            had = before.get(page.remote, 0)
            mark = _mark(page.fill * 100, had)
            if mark > had and len(alarms) >= ALARMS_MAX:
                mark = had
            if mark:
                self._passed[page.remote] = mark
            if mark > had and (page.remote, mark) not in self._told_s:
                self._told_s[page.remote, mark] = time_s
                alarms.append(Alarm(page, mark))
        return alarms


def _mark(fill: float, had: int) -> int:
    """Return the highest mark that counts as passed at `fill` per cent, when `had` was before."""
    return max(
        (mark for mark, clear in MARKS if fill >= (clear if had >= mark else mark)), default=0
    )
