"""Metrics over HTTP: the answer itself, for any server, and a server of its own on a TCP address.

The address is a setting, plain HTTP as Prometheus' operators expect of Cilium, and nothing but
metrics is behind it. A port in use is logged and tried again: metrics are never the reason for a
node without network.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from ciliate.api.agent import MetricSample
from ciliate.config.values import read_listen_address
from ciliate.metrics.family import Family, Source
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.status import RunStatus

if TYPE_CHECKING:
    from ciliate.metrics.exposition import Text

_log = logging.getLogger(__name__)


class Metrics:
    """Answers questions for metrics from a source; one at a time, encoding in a thread.

    The source is read in one go on the event loop, so that the numbers belong together.
    """

    def __init__(self, source: Source, *, process: str) -> None:
        self._source = source
        self._process = process
        self._encoding = asyncio.Lock()

    async def text(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        accept = request.headers.get("Accept", "")
        async with self._encoding:
            answer = await asyncio.to_thread(self._text, tuple(self._source()), accept)
        return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})

    async def samples(self) -> tuple[MetricSample, ...]:
        """Return every series, sorted."""
        async with self._encoding:
            return await asyncio.to_thread(self._samples, tuple(self._source()))

    def _text(self, families: tuple[Family, ...], accept: str) -> "Text":
        from ciliate.metrics.exposition import render_text  # noqa: PLC0415 - 15 ms, 1 MiB

        return render_text(families, process=self._process, accept=accept)

    def _samples(self, families: tuple[Family, ...]) -> tuple[MetricSample, ...]:
        from ciliate.metrics.exposition import render_samples  # noqa: PLC0415 - 15 ms, 1 MiB

        return render_samples(families, process=self._process)


class MetricsServer:
    """Serves GET /metrics on a TCP address while `run` runs."""

    def __init__(self, metrics: Metrics, *, key: str, address: str) -> None:
        self.status = RunStatus("serve-metrics")
        self._metrics = metrics
        self._key = key
        self._address = address

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the body runs, for callers without a task group."""
        task = asyncio.create_task(self.run(), name="metrics")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Listen and serve until cancelled; an address that cannot be had is tried again."""
        application = web.Application()
        application.router.add_get("/metrics", self._metrics.text)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            server = await self._listen(runner)
            try:
                await asyncio.Event().wait()  # Until cancelled; the server works.
            finally:
                server.close()  # Its connections, which may be kept alive, are the runner's.
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        host, port = read_listen_address(self._address)
        loop = asyncio.get_running_loop()
        assert runner.server is not None, "the runner is set up"
        pause = Backoff()
        while True:
            try:
                server = await loop.create_server(runner.server, host or None, port)
            except OSError as error:
                problem = (
                    f"{self._key}: cannot serve metrics on {self._address!r}: {error.strerror}:"
                    " stop who listens there, or set another address"
                )
                if not self.status.consecutive_failures:
                    _log.warning("%s; trying again", problem)
                self.status.failed(problem)
                await asyncio.sleep(pause.next())
            else:
                self.status.succeeded()
                _log.info("serving metrics on %s", self._address)
                return server
