"""A proxy before the embedded API server that refuses at first, as a cluster does that starts.

Plain HTTP on loopback; what it lets pass, watches included, the real server answers. So a role that
is bound later, a token not known yet and an overloaded server meet our clients as they are.
"""

import asyncio
import json
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from tests.unit.kube.embedded_server import EmbeddedServer

from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials, from_kubeconfig

_PASSED: Final = ("Content-Type", "Accept", "Accept-Encoding")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than the server's: 0 closes the connection without one."""

    status: int
    reason: str = ""
    retry_after_s: int = 0

    def answer(self, request: web.BaseRequest) -> web.Response:
        if not self.status:
            assert request.transport is not None
            request.transport.abort()
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": f"{request.method} {request.path}: not now",
            "reason": self.reason,
            "code": self.status,
        }
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        return web.Response(
            status=self.status or 500,
            text=json.dumps(body),
            content_type="application/json",
            headers=headers,
        )


FORBIDDEN = Refusal(403, "Forbidden")
UNAUTHORIZED = Refusal(401, "Unauthorized")
BUSY = Refusal(429, "TooManyRequests")
OVERLOADED = Refusal(503, "ServiceUnavailable")
RESET = Refusal(0)
ALL: Final = (FORBIDDEN, UNAUTHORIZED, BUSY, OVERLOADED, RESET)


@dataclass(slots=True)
class Doorman:
    """Refuses the first `times` requests of each method and path; `closed` refuses every one."""

    refusal: Refusal
    times: int
    port: int
    kubeconfig: Path
    closed: bool = False
    #: When each request came, by method and path, in monotonic seconds.
    asked: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> ApiClient:
        return ApiClient(Credentials(self.url))

    def refuses(self, request: web.BaseRequest) -> bool:
        times = self.asked[request.method, request.path]
        times.append(time.monotonic())
        return self.closed or len(times) <= self.times


async def _forward(request: web.BaseRequest, session: aiohttp.ClientSession) -> web.StreamResponse:
    headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
    async with session.request(
        request.method, request.raw_path, data=await request.read(), headers=headers
    ) as answer:
        response = web.StreamResponse(
            status=answer.status, headers={"Content-Type": answer.content_type}
        )
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        return response


@asynccontextmanager
async def doorman(
    server: EmbeddedServer, folder: Path, refusal: Refusal, *, times: int = 2
) -> AsyncIterator[Doorman]:
    access = from_kubeconfig(server.kubeconfig)
    assert access.tls is not None
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    kubeconfig = folder / "doorman.kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    guard = Doorman(refusal, times, port, kubeconfig)
    unlimited = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        access.server,
        connector=aiohttp.TCPConnector(ssl=access.tls, limit=0),
        timeout=unlimited,
    ) as session:

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if guard.refuses(request):
                return guard.refusal.answer(request)
            return await _forward(request, session)

        runner = web.ServerRunner(
            web.Server(answer, handler_cancellation=True, access_log=None), shutdown_timeout=0.1
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield guard
        finally:
            await asyncio.shield(runner.cleanup())
