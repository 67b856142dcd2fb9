"""An HTTP application on addresses that settings name, kept open for as long as `run` runs.

An address that is in use is logged once and tried again: what people and probes ask is never the
reason for a node without network.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.status import RunStatus
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer
from ciliate.system.tcp_socket import listen_tcp

_log = logging.getLogger(__name__)

#: A few scrapers and probes, each with one or two connections.
CONNECTIONS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Place:
    """Where an endpoint listens, and the setting that says so."""

    key: str
    value: str
    addresses: Sequence[tuple[str, int]]


class HttpEndpoint:
    """Serves an application on the addresses of a place."""

    def __init__(self, name: str, application: web.Application, place: Place) -> None:
        """Serve `application`; `name`, such as "metrics", is the listener's."""
        self.status = RunStatus(f"serve-{name}")
        self._name = name
        self._application = application
        self._place = place

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the body runs, for callers without a task group."""
        task = asyncio.create_task(self.run(), name=self._name)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Listen and serve until cancelled; an address that cannot be had is tried again."""
        runner = web.AppRunner(self._application, access_log=None)
        server = HttpServer(self._name, runner, Bounds.of_peers(share(CONNECTIONS_MAX)))
        try:
            await server.start()
            await self._listen(server)
            await asyncio.Event().wait()  # Until cancelled; the server works.
        finally:
            await server.stop()

    async def _listen(self, server: HttpServer) -> None:
        place, pause = self._place, Backoff()
        while True:
            try:
                listeners = await listen_tcp(place.addresses)
            except OSError as error:
                problem = (
                    f"{place.key}: cannot serve {self._name} on {place.value!r}: {error.strerror}:"
                    " stop who listens there, or set another one"
                )
                if not self.status.consecutive_failures:
                    _log.warning("%s; trying again", problem)
                self.status.failed(problem)
                await asyncio.sleep(pause.next())
            else:
                for listener in listeners:
                    server.listen(listener)
                self.status.succeeded()
                _log.info("serving %s on %s", self._name, place.value)
                return
