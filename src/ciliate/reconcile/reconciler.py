"""Keeps one target at its desired state: key by key as changes come, and as a whole now and then.

A change names the keys it may have touched, and costs only those: their desired state is read and
goes out in one batch after the settle time. A full walk (`walk`) runs at start, after a failure,
and on a resync: a restarted agent, a map edited by hand and a route that a user deleted are
ordinary cases.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.failing_keys import FailingKeys
from ciliate.reconcile.rewrites import LookingTarget, ObservedTarget, Rewrites, left_alone
from ciliate.reconcile.status import RunStatus
from ciliate.reconcile.target import StreamedTarget, Target
from ciliate.reconcile.walk import Desired, walk, walk_in_pieces

K = TypeVar("K")
V = TypeVar("V")

#: How often everything is compared; each time a quarter more or less, so that the reconcilers of
#: many nodes do not walk in step.
RESYNC_S: Final = 60.0

#: A walk takes at most this part of the time: where it is long, it comes less often.
_WALKING_SHARE: Final = 0.01

#: After a key failed a full walk follows, since a leftover may take the room that it needs: after
#: this time, a quarter more or less, and later where walks are long.
_AFTER_FAILURE_S: Final = 5.0

#: Between tries of one key, and of a walk that failed.
_RETRY_FIRST_S: Final = 0.2
_RETRY_LIMIT_S: Final = 10.0

_log = logging.getLogger(__name__)


class Reconciler(Generic[K, V]):
    """Keeps one target right; `run` is its task, `touch` and `wake` say what to compare.

    `desired` returns None while the desired state is not complete (a watch has not listed yet):
    then nothing is changed, and the next wake or resync asks again. Its answer may be a live view,
    which is asked for single keys, or computed anew each time.
    """

    def __init__(
        self,
        target: Target[K, V],
        desired: Desired[K, V],
        *,
        resync_s: float = RESYNC_S,
        settle_s: float = 0.02,
        after_failure_s: float = _AFTER_FAILURE_S,
        puts_first: bool = False,
    ) -> None:
        self.status = RunStatus(target.name)
        self._target = target
        self._desired = desired
        self._resync_s = resync_s
        self._settle_s = settle_s
        self._after_failure_s = after_failure_s
        self._puts_first = puts_first
        self._woken = asyncio.Event()
        self._touched: set[K] = set()
        self._is_walk_due = True
        self._has_walk_failed = False
        self._walk_backoff = self._new_backoff()
        self._failing: FailingKeys[K] = FailingKeys(self._new_backoff)
        self._rewrites: Rewrites[K, V] = Rewrites()
        self._walked = ObservedTarget(target, self._rewrites)
        self._resync_at_s = 0.0
        self._walking_s = 0.0  # What the last walk took.

    @staticmethod
    def _new_backoff() -> Backoff:
        return Backoff(first_s=_RETRY_FIRST_S, limit_s=_RETRY_LIMIT_S)

    def touch(self, keys: Iterable[K]) -> None:
        """Enqueue these keys; cheap, and may be called from any callback of the loop."""
        self._touched.update(keys)
        if self._touched:
            self._woken.set()

    def wake(self) -> None:
        """Request a full walk."""
        self._is_walk_due = True
        self._woken.set()

    def excuse(self) -> None:
        """Note that the kernel itself has undone writes, or may have: nobody is to be told."""
        self._rewrites.clear()

    async def run_once(self) -> bool:
        """Walk now; return whether nothing failed."""
        return await self._walk() and not self._failing

    async def _walk(self) -> bool:
        """Return whether the target could be read; a key that failed is noted."""
        self._is_walk_due = False
        touched, self._touched = self._touched, set()  # The walk may miss what comes from now on.
        began_s = time.monotonic()
        try:
            walked = walk_in_pieces if isinstance(self._target, StreamedTarget) else walk
            outcome = await walked(self._desired, self._walked, puts_first=self._puts_first)
        except CiliateError as error:
            self._is_walk_due = self._has_walk_failed = True
            self._touched |= touched
            self._failed(str(error))
            return False
        self._has_walk_failed = False
        self._walking_s = time.monotonic() - began_s
        self._resync_at_s = time.monotonic() + self._spread(self._resync_s)
        if outcome is None:
            return True
        self._rewrites.lasts_but(outcome.tried)
        if outcome.tried:
            _log.debug(
                "%s: %d put, %d removed, %d failed",
                self._target.name,
                outcome.put,
                outcome.removed,
                len(outcome.failures),
            )
        self._failing.replace(outcome.failures)
        self._report()
        return True

    def _spread(self, pause_s: float) -> float:
        """Return a pause before a walk: longer where walks are long, and nowhere the same."""
        return max(pause_s, self._walking_s / _WALKING_SHARE) * random.uniform(0.75, 1.25)

    def _report(self) -> None:
        """Note in the status which keys are not as they should be."""
        self.status.failing_keys = self._failing.shown()
        if self._failing:
            self._failed(self._failing.summary())
            return
        if self.status.consecutive_failures:
            _log.info("%s: recovered", self._target.name)
        self.status.succeeded()

    def _failed(self, message: str) -> None:
        if message != self.status.last_failure:  # One line per cause, not per attempt.
            _log.warning("%s: %s", self._target.name, message)
        self.status.failed(message)

    async def run(self) -> None:
        """Keep the target right until cancelled."""
        while True:
            self._woken.clear()
            if not self._is_walk_due:
                await self._apply(self._touched | self._failing.due())
            elif await self._walk():
                self._walk_backoff.reset()
            else:
                await self._go_on_for(self._walk_backoff.next())
                continue
            await self._next()

    async def _next(self) -> None:
        """Wait until there is something to do, and then the settle time for what comes with it."""
        resync_s = max(self._resync_at_s - time.monotonic(), 0.0)
        retry_s = self._failing.wait_s()
        try:
            async with asyncio.timeout(resync_s if retry_s is None else min(resync_s, retry_s)):
                await self._woken.wait()
                await asyncio.sleep(self._settle_s)
        except TimeoutError:
            pass
        if time.monotonic() >= self._resync_at_s:
            self._is_walk_due = True

    async def _go_on_for(self, pause_s: float) -> None:
        """Look at what is touched until the next try of a walk; a wake does not shorten this."""
        end_s = time.monotonic() + pause_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._woken.clear()
            if self._touched:
                await self._apply(self._touched)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._woken.wait()
                    await asyncio.sleep(self._settle_s)

    def _take_out_waiting(self, writes: dict[K, V | None]) -> set[K]:
        """Take out what was written often enough; the walk that follows looks, and writes it."""
        waiting = set()
        if self._rewrites:
            waiting = {k for k, value in writes.items() if self._rewrites.is_suspect(k, value)}
        for key in waiting:
            del writes[key]
        return waiting

    async def _write(self, writes: Mapping[K, V | None]) -> dict[K, CiliateError]:
        """Put what has a value and remove the rest; return what failed."""
        puts = {key: value for key, value in writes.items() if value is not None}
        leftovers = writes.keys() - puts.keys()
        failures: dict[K, CiliateError] = {}
        if self._puts_first and puts:
            failures.update(await self._target.put(puts))
        if leftovers:
            failures.update(await self._target.remove(leftovers))
        if puts and not self._puts_first:
            failures.update(await self._target.put(puts))
        skipped = failures.keys() | set(left_alone(self._target))
        self._rewrites.note(
            {key: each for key, each in writes.items() if key not in skipped},
            lacked=isinstance(self._target, LookingTarget),
        )
        return failures

    async def _apply(self, keys: set[K]) -> None:
        """Bring these keys to what they should be, whatever the target holds for them."""
        wanted = self._desired()
        if wanted is None:  # The walk that follows looks at every key.
            self._is_walk_due = True
            self._failing.replace({})
            self.status.failing_keys = {}
            return
        self._touched = set()
        writes = {key: wanted.get(key) for key in keys}
        waiting = self._take_out_waiting(writes)
        failures = await self._write(writes)
        for key in waiting.union(writes):
            if key not in failures and (error := self._rewrites.error(key)) is not None:
                failures[key] = error
        self._failing.note(keys, failures)
        if failures or waiting:
            soon_s = time.monotonic() + self._spread(self._after_failure_s)
            self._resync_at_s = min(self._resync_at_s, soon_s)
        if self._has_walk_failed:  # That is what the status goes on to say.
            self.status.failing_keys = self._failing.shown()
        else:
            self._report()
