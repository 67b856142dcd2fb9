"""The keys of one target that could not be brought to what they should be, each with its retry."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.status import KeyFailure
from ciliate.reconcile.target import Failures

K = TypeVar("K")

#: So many failing keys are shown; the rest is counted in the message.
_SHOWN_MAX = 16


@dataclass(slots=True)
class _Failing:
    error: CiliateError
    since: datetime
    backoff: Backoff
    attempts: int
    due_s: float


class FailingKeys(Generic[K]):
    """Why each key fails, since when, and when it is tried again."""

    def __init__(
        self, backoff: Callable[[], Backoff], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._failing: dict[K, _Failing] = {}

    def __len__(self) -> int:
        return len(self._failing)

    def __iter__(self) -> Iterator[K]:
        return iter(self._failing)

    def note(self, tried: Iterable[K], failures: Failures[K]) -> None:
        """Take in the outcome of the keys that were `tried`."""
        for key in tried:
            if key not in failures:
                self._failing.pop(key, None)
        now_s = self._clock()
        for key, error in failures.items():
            known = self._failing.get(key)
            if known is None:
                known = _Failing(error, datetime.now(UTC), self._backoff(), 0, now_s)
                self._failing[key] = known
            known.error = error
            known.attempts += 1
            known.due_s = now_s + known.backoff.next()

    def replace(self, failures: Failures[K]) -> None:
        """Take in the outcome of all keys: one that is not among the failures is well."""
        self.note([key for key in self._failing if key not in failures], failures)

    def due(self) -> set[K]:
        """Return the keys to try now."""
        now_s = self._clock()
        return {key for key, failing in self._failing.items() if failing.due_s <= now_s}

    def wait_s(self) -> float | None:
        """Return in how many seconds the next key is due; None when none fails."""
        if not self._failing:
            return None
        return max(min(each.due_s for each in self._failing.values()) - self._clock(), 0.0)

    def shown(self) -> dict[str, KeyFailure]:
        """Return the first of them as people read them."""
        now_s, now = self._clock(), datetime.now(UTC)
        return {
            str(key): KeyFailure(
                message=str(each.error),
                since=each.since,
                next_try=now + timedelta(seconds=each.due_s - now_s),
                attempts=each.attempts,
            )
            for key, each in list(self._failing.items())[:_SHOWN_MAX]
        }

    def summary(self) -> str:
        """Return all of them in one line; empty when none fails."""
        if not self._failing:
            return ""
        key, first = next(iter(self._failing.items()))
        return f"{len(self._failing)} failed; first {key}: {first.error}"
