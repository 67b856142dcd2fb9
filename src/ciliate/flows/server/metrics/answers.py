"""What is asked of a group of records, found once for all groups that agree in what it depends on. Pure.

Each question depends on a few columns: what a metric's own labels are, or how the source is named.
Groups differ in more. What depends on who had an address at the time is forgotten when names change.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from ciliate.flows.server.metrics.groups import Columns, Key
from ciliate.flows.server.record_view import RecordView, Surroundings

#: Answers that are remembered of a question, from round to round.
KNOWN_MAX: Final = 8192

T = TypeVar("T")


class Answers(Generic[T]):
    """Answers to one question about records."""

    def __init__(
        self,
        ask: Callable[[RecordView], T],
        columns: Columns,
        whole: Columns,
        *,
        is_of_names: bool,
        known: dict[Key, T] | None = None,
    ) -> None:
        """Ask of a record that has `columns`; keys have those of `whole`, which holds them.

        `known` are the answers to the same question about groups of other columns.
        """
        self._ask = ask
        self._columns = columns
        self._project = whole.projection(columns)
        self._is_of_names = is_of_names
        self._known: dict[Key, T] = known if known is not None else {}

    def begin(self, *, names_changed: bool) -> None:
        """Begin a round."""
        if (self._is_of_names and names_changed) or len(self._known) > KNOWN_MAX:
            self._known.clear()

    def of(self, whole: Key, time_ns: int, around: Surroundings) -> T:
        """Return the answer for a group."""
        key = self._project(whole)
        known = self._known.get(key)
        if known is not None:
            return known
        view = RecordView(self._columns.event(key, time_ns), 0, around)
        found = self._known[key] = self._ask(view)
        return found
