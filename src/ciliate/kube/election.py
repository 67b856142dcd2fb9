"""Who of several processes acts: leader election by a Lease, compatible with client-go's.

A holder renews the lease every `retry_s`. Another takes it once it has seen no renewal for the
lease's duration, measured by its own clock from when it saw the last one, so that the clocks of
machines need not agree. A holder that fails to renew for `renew_deadline_s`, counted from when
its last successful renewal was *sent*, stops acting at once: before anyone else may begin.
Every write carries the resourceVersion it was decided on, so of two that try, one conflicts.

This guards against two acting for long, not against a write already under way when leadership
ends: what a leader writes must itself be conditional (resourceVersion, uid).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ciliate.api.coordination import LEASES, Lease, LeaseSpec
from ciliate.api.metadata import ObjectMeta, format_micro_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    KubeError,
    LeadershipLostError,
    NotFoundError,
)
from ciliate.kube.retrying import pause_after
from ciliate.reconcile.backoff import Backoff

#: First pause of a candidate whose request was not answered; the limit is the usual pause.
_REFUSED_S: Final = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds; the defaults are client-go's and Cilium's operator's.

    `lease_s` must exceed `renew_deadline_s`, and that `retry_s`: the difference is what a slow
    machine may lose between noticing that it leads no more and having stopped.
    """

    lease_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        assert self.lease_s > self.renew_deadline_s > self.retry_s > 0


class LeaderElector:
    """One candidate for the lease `namespace`/`name`; `identity` must be unique."""

    def __init__(
        self,
        client: ApiClient,
        *,
        name: str,
        namespace: str,
        identity: str,
        timing: Timing | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._timing = timing or Timing()
        self.identity = identity
        #: Who holds the lease as last seen; empty when it is free, or was not read yet.
        self.holder = ""
        #: Why the last try was not answered; None when it was, also by a refusal to yield.
        self.last_error: KubeError | None = None
        self._seen = Lease()
        self._seen_at = 0.0  # By our clock, when `_seen` last changed.
        self._valid_until = float("-inf")

    @property
    def is_leader(self) -> bool:
        """Whether this process may act right now; False as soon as a renewal is overdue."""
        return _clock() < self._valid_until

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, then run `lead` while renewing; return when `lead` returns.

        `lead` is cancelled when leadership is lost. The lease is released in every case in
        which it is still held: after the work has stopped, also on cancellation.

        Raises:
            LeadershipLostError: The lease could not be renewed in time, or was taken.
        """
        await self._acquire()
        try:
            await self._lead_while_renewing(lead)
        finally:
            await self._release()

    async def _acquire(self) -> None:
        waiting_for: str | None = None
        backoff = Backoff(first_s=_REFUSED_S, limit_s=self._timing.retry_s)
        while not await self._try_hold():
            if self.last_error is not None:  # Nobody has said whose the lease is: ask soon.
                await asyncio.sleep(pause_after(self.last_error, backoff))
                continue
            backoff.reset()
            if waiting_for != self.holder:
                waiting_for = self.holder
                _log.info("lease %s: waiting, held by %s", self._label, self.holder or "nobody")
            await asyncio.sleep(self._timing.retry_s)
        _log.info("lease %s: acquired as %s", self._label, self.identity)

    async def _lead_while_renewing(self, lead: Callable[[], Awaitable[None]]) -> None:
        work = asyncio.ensure_future(lead())
        renewal = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((work, renewal), return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost = renewal.done()
            for task in (work, renewal):
                task.cancel()
            # Work that does not stop in time cannot be helped: the caller ends the process.
            grace_s = self._timing.lease_s - self._timing.renew_deadline_s
            await asyncio.wait((work, renewal), timeout=grace_s)
        await (renewal if lost else work)

    async def _renew(self) -> None:
        """Renew until that has failed for too long."""
        while True:
            await asyncio.sleep(min(self._timing.retry_s, self._left_s()))
            if not self.is_leader:
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(self._left_s()):
                    await self._try_hold()
            if self.holder and self.holder != self.identity:
                self._valid_until = float("-inf")
                break
        raise LeadershipLostError(lease=self._label, deadline_s=self._timing.renew_deadline_s)

    async def _try_hold(self) -> bool:
        """Take or renew the lease if it is ours to take; return whether it is held."""
        # Counted from before the request: the others count from when it took effect.
        asked_at = _clock()
        try:
            seen = await self._observe()
            if seen is None:
                held = await self._client.create(LEASES, self._first_lease())
            elif not self._may_take(seen):
                self.last_error = None
                return False
            else:
                held = await self._write(seen)
        except (AlreadyExistsError, ConflictError):
            self.last_error = None
            return False  # Another candidate was faster; the next try shows which.
        except KubeError as error:
            if self.last_error is None or str(self.last_error) != str(error):
                _log.warning("lease %s: %s; trying again", self._label, error)
            self.last_error = error
            return False
        self.last_error = None
        self._note(held)
        self._valid_until = asked_at + self._timing.renew_deadline_s
        return True

    async def _observe(self) -> Lease | None:
        try:
            seen = await self._client.get(LEASES, self._name, namespace=self._namespace)
        except NotFoundError:
            self.holder = ""
            return None
        self._note(seen)
        return seen

    def _note(self, seen: Lease) -> None:
        if seen.metadata.resource_version != self._seen.metadata.resource_version:
            self._seen, self._seen_at = seen, _clock()
        self.holder = seen.spec.holder_identity

    def _may_take(self, seen: Lease) -> bool:
        if seen.spec.holder_identity in {"", self.identity}:
            return True
        # The holder's own leaseDurationSeconds.
        lease_s = seen.spec.lease_duration_seconds or self._timing.lease_s
        return _clock() > self._seen_at + lease_s

    async def _write(self, seen: Lease) -> Lease:
        now = format_micro_time(datetime.now(UTC))
        spec: dict[str, object] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": _whole(self._timing.lease_s),
            "renewTime": now,
        }
        if seen.spec.holder_identity != self.identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = seen.spec.lease_transitions + 1
        return await self._patch(seen, spec)

    async def _patch(self, seen: Lease, spec: dict[str, object]) -> Lease:
        version = {"resourceVersion": seen.metadata.resource_version}
        return await self._client.patch(
            LEASES, self._name, {"metadata": version, "spec": spec}, namespace=self._namespace
        )

    def _first_lease(self) -> Lease:
        now = format_micro_time(datetime.now(UTC))
        return Lease(
            metadata=ObjectMeta(name=self._name, namespace=self._namespace),
            spec=LeaseSpec(
                holder_identity=self.identity,
                lease_duration_seconds=_whole(self._timing.lease_s),
                acquire_time=now,
                renew_time=now,
            ),
        )

    async def _release(self) -> None:
        """Release the lease, so that the next holder need not wait until it expires."""
        held, self._valid_until = self.is_leader, float("-inf")
        if not held:
            return
        # An empty holder and a second's duration, as client-go leaves a released lease.
        spec: dict[str, object] = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": format_micro_time(datetime.now(UTC)),
        }
        try:
            async with asyncio.timeout(self._timing.retry_s):
                await self._patch(self._seen, spec)
        except (KubeError, TimeoutError) as error:
            _log.warning(
                "lease %s: not released, others wait %g s: %s",
                self._label,
                self._timing.lease_s,
                error,
            )
        else:
            self.holder = ""
            _log.info("lease %s: released", self._label)

    def _left_s(self) -> float:
        return max(0.0, self._valid_until - _clock())

    @property
    def _label(self) -> str:
        return f"{self._namespace}/{self._name}"


def _clock() -> float:
    # Unlike the monotonic clock it goes on while the machine is suspended, as the lease does.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _whole(seconds: float) -> int:
    return max(1, round(seconds))
