"""The agent's HTTP API on a Unix socket: what `ciliate dbg` asks. Root's alone (0600).

It answers from the first moment: while the agent starts, every path says what it waits for.
"""

import contextlib
import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
from aiohttp import web

from ciliate.api.agent import ApiError
from ciliate.api.metadata import format_time
from ciliate.errors import CiliateError
from ciliate.metrics.server import Metrics
from ciliate.node.progress import Progress
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer
from ciliate.system.unix_socket import listen_unix

#: `dbg`, probes and scrapes by exec: each asks once. Clients of a Unix socket are one peer.
_CONNECTIONS_MAX: Final = 64


class Answers(Protocol):
    """Answers requests once the node is set up."""

    async def answer(self, path: str) -> object | None:
        """Return the object to encode for `path` below /v1, or None when there is none."""
        ...

    async def act(self, path: str, body: bytes) -> object | None:
        """Do what a POST to `path` asks for; None when nothing is done there."""
        ...


class AgentServer:
    """Serves `/v1/…` and `/metrics`; an async context manager."""

    def __init__(self, progress: Progress, path: Path) -> None:
        self._progress = progress
        self._path = path
        self._answers: Answers | None = None
        self._metrics: Metrics | None = None
        self._server: HttpServer | None = None

    def show(self, answers: Answers, metrics: Metrics) -> None:
        """Answer from `answers` and `metrics` from now on."""
        self._answers = answers
        self._metrics = metrics

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/metrics", self._scrape)
        application.router.add_get("/v1/{path:.+}", self._serve)
        application.router.add_post("/v1/{path:.+}", self._serve)
        runner = web.AppRunner(application, access_log=None)
        server = HttpServer("agent-api", runner, Bounds.of_one_peer(share(_CONNECTIONS_MAX)))
        await server.start(_listen(self._path))
        self._server = server
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            await self._server.stop()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if self._answers is None or (path == "healthz" and self._progress.text):
            return self._not_ready()
        try:
            if path == "metrics" and self._metrics is not None:
                return _response(200, await self._metrics.samples())
            if request.method == "POST":
                found = await self._answers.act(path, await request.read())
            else:
                found = await self._answers.answer(path)
        except msgspec.MsgspecError as error:
            return _response(400, ApiError(message=f"/v1/{path}: {error}"))
        except CiliateError as error:
            return _response(500, ApiError(message=str(error)))
        if found is None:
            return _response(404, ApiError(message=f"/v1/{path}: there is no such object"))
        return _response(200, found)

    def _not_ready(self) -> web.Response:
        since = format_time(self._progress.since)
        return _response(503, ApiError(message=f"agent is {self._progress.text} (since {since})"))

    async def _scrape(self, request: web.Request) -> web.Response:
        if self._metrics is None:
            return self._not_ready()
        return await self._metrics.text(request)


def _response(status: int, body: object) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def _listen(path: Path) -> socket.socket:
    try:
        return listen_unix(path)
    except OSError as error:
        raise CiliateError(f"{path}: cannot listen: {error}: is another agent running?") from error
