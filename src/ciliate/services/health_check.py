"""The ports at which load balancers ask whether this node has endpoints of a Service.

One server answers at all of them, on every address of the node; which Service is meant, the port
says. Ports are the keys of a target: one that another process has is tried again by itself.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from aiohttp import web

from ciliate.errors import CiliateError
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.target import Failures, one_by_one
from ciliate.services.health_answers import HealthAnswer, HealthCheck, service_answer
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer
from ciliate.system.tcp_socket import listen_tcp

#: Each load balancer has a few checkers, which may keep a connection to every port.
CONNECTIONS_MAX: Final = 512
#: Each takes a descriptor for each family.
PORTS_MAX: Final = 1024

_NAME: Final = "health-check-node-ports"


class HealthCheckPortError(CiliateError):
    """A `healthCheckNodePort` cannot be served; `service` is NAMESPACE/NAME."""

    def __init__(self, port: int, service: str, problem: str) -> None:
        self.port = port
        self.service = service
        super().__init__(f"healthCheckNodePort {port} of Service {service}: {problem}")


class HealthChecks:
    """The Services to answer for, by port; `show` replaces them."""

    def __init__(
        self, is_proxy_healthy: Callable[[], bool], *, ports_max: int = PORTS_MAX
    ) -> None:
        """Say of ourselves what `is_proxy_healthy` says: without us no endpoint is reached."""
        self._is_proxy_healthy = is_proxy_healthy
        self._checks: Mapping[int, HealthCheck] = {}
        self._target = HealthCheckTarget(self, ports_max)
        self.sync: Reconciler[int, bool] = Reconciler(
            self._target, lambda: dict.fromkeys(self._checks, True)
        )

    def show(self, checks: Mapping[int, HealthCheck]) -> None:
        """Answer for these from now on, and at these ports soon."""
        changed = self._checks.keys() ^ checks.keys()
        self._checks = checks
        self.sync.touch(changed)

    def service(self, port: int) -> str:
        """Return whose port it is, in words."""
        return str(self._checks.get(port, "that is gone"))

    def answer(self, port: int) -> HealthAnswer:
        """Return what is answered at a port; 503 where no Service has it any more."""
        check = self._checks.get(port, HealthCheck("", "", 0))
        return service_answer(check, is_proxy_healthy=self._is_proxy_healthy())

    async def run(self) -> None:
        """Serve until cancelled, and no longer."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._target.stop()


class HealthCheckTarget:
    """The listening sockets, by port."""

    name = "serve-health-check-node-ports"

    def __init__(self, checks: HealthChecks, ports_max: int) -> None:
        self._checks = checks
        self._ports_max = ports_max
        self._server: HttpServer | None = None
        self._listeners: dict[int, tuple[socket.socket, ...]] = {}

    async def observe(self) -> Mapping[int, bool]:
        """Return the ports that are served."""
        return dict.fromkeys(self._listeners, True)

    async def put(self, entries: Mapping[int, bool]) -> Failures[int]:
        """Listen at these ports."""
        return await one_by_one(entries, self._listen)

    async def remove(self, keys: Collection[int]) -> Failures[int]:
        """Listen there no more."""
        for port in keys:
            for listener in self._listeners.pop(port, ()):
                if self._server is not None:
                    self._server.close(listener)
        return {}

    async def stop(self) -> None:
        """End the server, with every connection."""
        server, self._server = self._server, None
        self._listeners.clear()
        if server is not None:
            await server.stop()

    async def _listen(self, port: int) -> None:
        if port in self._listeners:
            return
        if len(self._listeners) >= self._ports_max:
            problem = f"{self._ports_max} such ports are served already: no node serves more"
            raise HealthCheckPortError(port, self._checks.service(port), problem)
        server = await self._running()
        try:
            listeners = await listen_tcp((("", port),))
        except OSError as error:
            problem = f"cannot listen: {error.strerror}: stop who listens there"
            raise HealthCheckPortError(port, self._checks.service(port), problem) from error
        self._listeners[port] = listeners
        for listener in listeners:
            server.listen(listener)

    async def _running(self) -> HttpServer:
        if self._server is None:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(application, access_log=None)
            server = HttpServer(_NAME, runner, Bounds.of_peers(share(CONNECTIONS_MAX)))
            await server.start()
            self._server = server
        return self._server

    async def _answer(self, request: web.Request) -> web.Response:
        """Answer by the port that the client asked."""
        name: Any = None
        with contextlib.suppress(AttributeError):  # The client has left.
            name = request.transport.get_extra_info("sockname")  # type: ignore[union-attr]
        answer = self._checks.answer(name[1] if name else 0)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
