"""HTTP of aiohttp behind a bounded server: what our processes answer over TCP and Unix sockets.

A request begins when its head is whole, and ends when its answer is written. A body that has not
come to its end in time ends the connection; answers that last, such as watches, may.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ciliate.system.admission import Bounds
from ciliate.system.bounded_server import BoundedServer, Connection, connection_of

_Handler = Callable[[Any], Awaitable[Any]]


class HttpServer:
    """Serves what an aiohttp runner holds; one application, any number of sockets."""

    def __init__(
        self,
        name: str,
        runner: web.BaseRunner,
        bounds: Bounds,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Serve `runner`; `name` is the listener's in the log and in metrics."""
        self._name = name
        self._runner = runner
        self._bounds = bounds
        self._tls = tls
        self._server: BoundedServer | None = None

    async def start(self, *listeners: socket.socket) -> None:
        """Serve on these sockets, which listen already, from now on."""
        await self._runner.setup()
        http = self._runner.server
        assert http is not None, "the runner is set up"
        http.request_handler = _bounded(http.request_handler, self)
        self._server = BoundedServer(self._name, http, self._bounds, tls=self._tls)
        for listener in listeners:
            self._server.listen(listener)

    def listen(self, listener: socket.socket) -> None:
        """Serve on a further socket, which listens already."""
        assert self._server is not None, "it has started"
        self._server.listen(listener)

    def close(self, listener: socket.socket) -> None:
        """Serve no more on this socket; connections that came by it stay."""
        assert self._server is not None, "it has started"
        self._server.close(listener)

    async def stop(self) -> None:
        """Listen no more, end what is answered, within the runner's limit."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        if self._server is not None:
            self._server.end()

    def _end_unless_whole(self, connection: Connection, request: web.BaseRequest) -> None:
        assert self._server is not None, "it has started"
        if not request.content.is_eof():
            self._server.end_late(connection)

    async def answer(self, handler: _Handler, request: web.BaseRequest) -> Any:
        """Have `handler` answer, while the connection counts as busy."""
        connection = connection_of(request.transport)
        if connection is None:
            return await handler(request)  # Its client left: the handler meets that.
        loop = asyncio.get_running_loop()
        body = None
        if not request.content.is_eof():
            body = loop.call_later(
                self._bounds.request_s, self._end_unless_whole, connection, request
            )
        connection.begin()
        try:
            try:
                answer = await handler(request)
            finally:
                if body is not None:
                    body.cancel()
            return await _sent(answer, request)
        finally:
            connection.end()


async def _sent(answer: Any, request: web.BaseRequest) -> Any:
    """Send an answer, which aiohttp does after its handler; what is sent already it leaves."""
    if isinstance(answer, web.StreamResponse):
        with contextlib.suppress(ConnectionError):  # aiohttp meets that too, and ends quietly.
            await answer.prepare(request)
            await answer.write_eof()
    return answer


def _bounded(handler: _Handler, server: HttpServer) -> _Handler:
    async def answer(request: web.BaseRequest) -> Any:
        return await server.answer(handler, request)

    return answer
