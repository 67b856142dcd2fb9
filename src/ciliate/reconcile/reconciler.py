"""Keeps one target at its desired state: woken by changes, retried on failure, checked anew.

The target is observed on every pass: a restarted agent, a map edited by hand and a route that
somebody deleted are the ordinary case, not a special one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.plan import plan
from ciliate.reconcile.status import RunStatus
from ciliate.reconcile.target import Target

K = TypeVar("K")
V = TypeVar("V")

_log = logging.getLogger(__name__)


async def reconcile_once(
    desired: Callable[[], Mapping[K, V] | None], target: Target[K, V], *, puts_first: bool = False
) -> dict[K, CiliateError]:
    """Bring `target` to what `desired` says; return the keys that failed: others go on.

    `desired` is asked after observing, so that what somebody put in between is not taken for a
    leftover. When it answers None (not known yet), nothing is changed. A full map needs room for
    what is put, so removals come first; `puts_first` is for targets whose keys stand in for each
    other, as a route for a wider one.

    Raises:
        CiliateError: The target could not be observed; nothing was changed.
    """
    observed = await target.observe()
    wanted = desired()
    if wanted is None:
        return {}
    todo = plan(wanted, observed)
    failures: dict[K, CiliateError] = {}
    if puts_first:
        await _put(todo.put, target, failures)
    for key in todo.remove:
        try:
            await target.remove(key)
        except CiliateError as error:
            failures[key] = error
    if not puts_first:
        await _put(todo.put, target, failures)
    if not todo.is_empty:
        _log.debug(
            "%s: %d put, %d removed, %d failed",
            target.name,
            len(todo.put),
            len(todo.remove),
            len(failures),
        )
    return failures


async def _put(
    entries: Mapping[K, V], target: Target[K, V], failures: dict[K, CiliateError]
) -> None:
    for key, value in entries.items():
        try:
            await target.put(key, value)
        except CiliateError as error:
            failures[key] = error


class Reconciler(Generic[K, V]):
    """Runs `reconcile_once` when woken, after a failure, and every `resync_s` seconds.

    `desired` returns None while the desired state is not complete (a watch has not listed yet):
    then nothing is touched. Wakes that come within `settle_s` seconds are one pass.
    """

    def __init__(
        self,
        target: Target[K, V],
        desired: Callable[[], Mapping[K, V] | None],
        *,
        resync_s: float = 60.0,
        settle_s: float = 0.02,
        puts_first: bool = False,
    ) -> None:
        self.status = RunStatus(target.name)
        self._target = target
        self._desired = desired
        self._resync_s = resync_s
        self._settle_s = settle_s
        self._puts_first = puts_first
        self._woken = asyncio.Event()
        self._backoff = Backoff(first_s=0.2, limit_s=10.0)

    def wake(self) -> None:
        """Ask for a pass; cheap, and may be called from any callback of the loop."""
        self._woken.set()

    async def run_once(self) -> bool:
        """Make one pass; return whether nothing failed."""
        try:
            failures = await reconcile_once(
                self._desired, self._target, puts_first=self._puts_first
            )
        except CiliateError as error:
            self._failed(str(error))
            return False
        if failures:
            key, first = next(iter(failures.items()))
            self._failed(f"{len(failures)} failed; first {key}: {first}")
            return False
        if self.status.consecutive_failures:
            _log.info("%s: recovered", self._target.name)
        self.status.succeeded()
        return True

    def _failed(self, message: str) -> None:
        if message != self.status.last_failure:  # One line per cause, not per attempt.
            _log.warning("%s: %s", self._target.name, message)
        self.status.failed(message)

    async def run(self) -> None:
        """Keep the target right until cancelled."""
        while True:
            self._woken.clear()
            if not await self.run_once():
                await asyncio.sleep(self._backoff.next())  # A wake does not shorten this.
                continue
            self._backoff.reset()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._resync_s):
                    await self._woken.wait()
                    await asyncio.sleep(self._settle_s)
