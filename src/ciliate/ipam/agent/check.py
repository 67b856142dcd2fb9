"""Whether allocator, kernel and API agree about this node's addresses: inspected periodically.

Findings are dated, so that the answer to a user says how long a difference has lasted. An
inspection costs one netlink dump and two map dumps; the pods' own namespaces are entered only for
a user's request.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from ciliate.api.ipam_audit import CheckReport, CheckRequest
from ciliate.errors import CiliateError
from ciliate.ipam.agent.report import held_cidrs
from ciliate.ipam.agent.snapshot import Snapshots
from ciliate.ipam.audit.first_seen import Aged, FirstSeen
from ciliate.ipam.audit.node import audit_node
from ciliate.ipam.audit.node_snapshot import NodeSnapshot
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Between two inspections: the age of a difference is known to this, in seconds.
INTERVAL_S: Final = 15.0

#: A request waits at most so long for differences to settle, whatever its grace time.
GRACE_S_MAX: Final = 60.0

#: How long a request waits for a watch that the API server ended to be opened again.
_WATCH_PAUSE_S: Final = 2.0
_WATCH_POLL_S: Final = 0.05

#: The kind of finding that needs the pods' namespaces entered.
_INSIDE: Final = "pod-side-differs"


class IpamCheck:
    """Inspects, and remembers when each finding was first seen."""

    def __init__(
        self,
        snapshots: Snapshots,
        *,
        clock: Callable[[], float] = time.monotonic,
        watch_pause_s: float = _WATCH_PAUSE_S,
    ) -> None:
        self.status = RunStatus("check-addresses")
        self._snapshots = snapshots
        self._clock = clock
        self._watch_pause_s = watch_pause_s
        self._first_seen = FirstSeen()
        self._first_seen_inside = FirstSeen()
        self._inspecting = asyncio.Lock()

    async def run(self) -> None:
        """Inspect every `INTERVAL_S`, until cancelled."""
        while True:
            try:
                await self.inspect()
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("checking addresses: %s", error)
            else:
                self.status.succeeded()
            await asyncio.sleep(INTERVAL_S)

    async def inspect(self) -> tuple[Aged, ...]:
        """Return what does not agree now, with ages.

        Raises:
            CiliateError: The kernel cannot be asked.
        """
        _, aged = await self._inspect(inside=False)
        return aged

    async def check(self, request: CheckRequest) -> CheckReport:
        """Return what has not agreed for the grace time; waits for what is younger to settle.

        Raises:
            CiliateError: The kernel cannot be asked.
        """
        grace_s = min(request.grace_s, GRACE_S_MAX)
        await self._api_is_back()
        seen, aged = await self._inspect(inside=True)
        ages = [each.age_s for each in aged if each.age_s < grace_s]
        if ages:
            await asyncio.sleep(grace_s - min(ages))
            seen, aged = await self._inspect(inside=True)
        now = datetime.now(UTC)
        due = [each for each in aged if each.age_s >= grace_s]
        return CheckReport(
            node=seen.node,
            now=now,
            findings=tuple(each.dated(now) for each in due),
            young=len(aged) - len(due),
            addresses=len(seen.allocator),
            endpoints=len(seen.endpoints),
            waiting=self._snapshots.ipam.pod_cidrs.missing(),
            cidrs=held_cidrs(self._snapshots.ipam),
            api_problem=self._snapshots.api_problem,
        )

    async def _api_is_back(self) -> None:
        """Wait for watches that the server ended and that are about to be opened again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._watch_pause_s):
                while self._snapshots.api_problem:  # noqa: ASYNC110 - there is no event.
                    await asyncio.sleep(_WATCH_POLL_S)

    async def _inspect(self, *, inside: bool) -> tuple[NodeSnapshot, tuple[Aged, ...]]:
        async with self._inspecting:
            seen = await self._snapshots.take(inside=inside)
            now_s = self._clock()
            found = audit_node(seen)
            if self._snapshots.api_problem:  # What the watch last said may be old.
                found = tuple(
                    each for each in found if all(said.source != "api" for said in each.evidence)
                )
            aged = self._first_seen.note((f for f in found if f.kind != _INSIDE), now_s)
            if inside:
                aged += self._first_seen_inside.note(
                    (f for f in found if f.kind == _INSIDE), now_s
                )
            return seen, aged
