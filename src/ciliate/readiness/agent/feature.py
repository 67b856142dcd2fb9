"""The agent states that it is ready, for as long as it serves; when it stops, that it is not."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import ClassVar, Final

from ciliate.api.cilium_node import CILIUM_NODES, READY_ANNOTATION, STARTED_ANNOTATION, CiliumNode
from ciliate.api.core import Pod
from ciliate.api.metadata import format_micro_time, format_time
from ciliate.kube.errors import KubeError
from ciliate.node.context import Context
from ciliate.node.feature import Feature
from ciliate.readiness.statement import is_ready, next_statement
from ciliate.reconcile.status import RunStatus

#: Between tries of a statement that could not be written: well before the last one ends.
_RETRY_S: Final = 5.0

#: A stopping agent is killed if it takes long; an unwritten end comes by itself.
_END_S: Final = 2.0

_log = logging.getLogger(__name__)


class ReadinessFeature(Feature):
    """This agent's own statement in its CiliumNode."""

    name: ClassVar[str] = "readiness"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._status = RunStatus("state-readiness")
        self._woken = asyncio.Event()
        self._stated: datetime | None = None  # What this agent has written.
        self._started = format_micro_time(datetime.now(UTC))
        self._unready_since_s = 0.0  # Since when no pod says that this agent is ready.

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """State readiness inside the block: the other features serve by then."""
        self._unready_since_s = time.monotonic()
        self._context.cluster.pods.add_listener(self._pod_changed)
        stating = self._context.tasks.create_task(self._run())
        try:
            yield
        finally:
            stating.cancel()
            with contextlib.suppress(KubeError, TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self._end()

    def statuses(self) -> Sequence[RunStatus]:
        """Return how stating goes."""
        return (self._status,)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        before, after = (
            (is_ready(each) if each is not None and self._is_agents(each) else None)
            for each in (old, new)
        )
        if before != after:
            self._woken.set()

    def _is_agents(self, pod: Pod) -> bool:
        return self._context.installation.has_agent(pod.metadata)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                pause_s = await self._state()
            except KubeError as error:
                if str(error) != self._status.last_failure:
                    _log.warning("readiness is not stated: %s; trying again", error)
                self._status.failed(str(error))
                pause_s = _RETRY_S
            else:
                self._status.succeeded()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()

    async def _state(self) -> float:
        """Write the statement where it should be another; return when to look again."""
        pods = [
            each for each in self._context.cluster.pods.objects.values() if self._is_agents(each)
        ]
        if any(map(is_ready, pods)):
            self._unready_since_s = time.monotonic()
        node = self._published()
        published = node.agent_ready_until if node is not None else None
        statement = next_statement(
            published,
            pods,
            now=datetime.now(UTC),
            waited_s=time.monotonic() - self._unready_since_s,
        )
        formers = node is not None and node.agent_started != self._started
        if statement.until != published or (published is not None and formers):
            await self._write(statement.until)
        return statement.again_s

    def _published(self) -> CiliumNode | None:
        return self._context.cluster.nodes.get(self._context.own.name)

    async def _write(self, until: datetime | None) -> None:
        ready = format_time(until) if until is not None else None
        started = self._started if until is not None else None
        body = {
            "metadata": {"annotations": {READY_ANNOTATION: ready, STARTED_ANNOTATION: started}}
        }
        await self._context.client.patch(CILIUM_NODES, self._context.own.name, body)
        self._stated = until

    async def _end(self) -> None:
        """State that this agent is not ready from now on, where it stated the contrary."""
        now = datetime.now(UTC)
        if self._stated is not None and self._stated > now:
            await self._write(now)
