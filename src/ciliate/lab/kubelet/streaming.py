"""What a kubelet serves to the API server: streams and logs, on a Unix socket (0600).

    /exec/<namespace>/<pod>/<container>?command=...&stdin=&stdout=&stderr=&tty=    upgraded
    /attach/<namespace>/<pod>/<container>?stdin=&stdout=&stderr=&tty=              upgraded
    /portForward/<namespace>/<pod>                                                 upgraded
    /containerLogs/<namespace>/<pod>/<container>?follow=&tailLines=&...            text
    /proxy/<http|https>/<address>/<port>/<path>                                    `proxying`

Paths and parameters are the kubelet's own (k8s.io/kubernetes/pkg/kubelet/server). Upgraded means to
a WebSocket (GET) or to SPDY (POST, of kubectl before 1.31): `remote_command`, `port_forward`.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from aiohttp import web

from ciliate.lab.kubelet import proxying
from ciliate.lab.kubelet.attach_session import run_attach
from ciliate.lab.kubelet.errors import ContainerNotFoundError
from ciliate.lab.kubelet.exec_session import ExecRequest, StreamsAsked, run_session
from ciliate.lab.kubelet.forwarded import connect_in
from ciliate.lab.kubelet.logs import LogOptions, read_log
from ciliate.lab.kubelet.pod_worker import PodWorker
from ciliate.lab.kubelet.port_forward import forward_ports
from ciliate.lab.kubelet.remote_command import serve_session
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer
from ciliate.system.unix_socket import listen_unix

#: Sessions and followers of logs on one node; the API server alone connects.
_CONNECTIONS_MAX: Final = 512
#: A person's terminal may be stopped for so long; real kubelets end a stream that is idle as long.
_UNTAKEN_S: Final = 4 * 3600.0


class PodFinder(Protocol):
    """Where the server finds pods: the kubelet."""

    def worker_of(self, namespace: str, pod: str) -> PodWorker:
        """Return the worker of a pod. Raises ContainerNotFoundError."""

    def logs_path(self, worker: PodWorker, container: str, *, previous: bool) -> Path:
        """Return a container's log file. Raises ContainerNotFoundError."""

    def own_network(self) -> Path:
        """Return the pins of the node's network namespace."""

    def network_of(self, worker: PodWorker) -> Path:
        """Return the pins of a pod's network namespace. Raises ContainerNotFoundError."""


class StreamServer:
    """Serves one node's containers."""

    def __init__(self, pods: PodFinder) -> None:
        self._pods = pods

    async def run(self, socket: Path) -> None:
        """Serve on `socket` until cancelled."""
        app = web.Application()
        below = "/{namespace}/{pod}/{container:[^/]*}"
        for method in ("GET", "POST"):
            app.router.add_route(method, "/exec" + below, self._exec)
            app.router.add_route(method, "/attach" + below, self._attach)
            app.router.add_route(method, "/portForward/{namespace}/{pod}", self._port_forward)
        app.router.add_get("/containerLogs" + below, self._logs)
        app.router.add_get("/healthz", _healthz)
        app.router.add_route("*", proxying.ROUTE, self._proxy)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        bounds = replace(Bounds.of_one_peer(share(_CONNECTIONS_MAX)), untaken_s=_UNTAKEN_S)
        server = HttpServer("kubelet", runner, bounds)
        try:
            await server.start(listen_unix(socket))
            await asyncio.get_running_loop().create_future()
        finally:
            await server.stop()

    def _worker(self, request: web.Request) -> PodWorker:
        try:
            return self._pods.worker_of(request.match_info["namespace"], request.match_info["pod"])
        except ContainerNotFoundError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error

    def _find(self, request: web.Request) -> tuple[PodWorker, str]:
        worker = self._worker(request)
        container = request.match_info["container"] or next(iter(worker.record.containers), "")
        return worker, container

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._find(request)
        query = request.query
        command = tuple(query.getall("command", []))
        if not command:
            raise web.HTTPBadRequest(text="you must specify at least 1 command\n")
        try:
            execution = worker.containers.execution(container)
        except ContainerNotFoundError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        wanted = ExecRequest(command=command, **_asked(query))
        return await serve_session(
            request, wanted.channels, lambda peer: run_session(execution, wanted, peer)
        )

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._find(request)
        life = worker.containers.life(container)
        if life is None:
            raise web.HTTPNotFound(text=f'container "{container}" does not run\n')
        wanted = StreamsAsked(**_asked(request.query))
        return await serve_session(
            request, wanted.channels, lambda peer: run_attach(life, wanted, peer)
        )

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._worker(request)
        try:
            pins = self._pods.network_of(worker)
        except ContainerNotFoundError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        record = worker.record
        name = f"{record.namespace}/{record.name}, uid {record.uid}"
        return await forward_ports(request, name, lambda port: connect_in(pins, port))

    async def _proxy(self, request: web.Request) -> web.StreamResponse:
        return await proxying.pass_on(request, self._pods.own_network())

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._find(request)
        previous = _flag(request.query, "previous")
        try:
            options = log_options(request.query, now_ns=time.time_ns())
            path = self._pods.logs_path(worker, container, previous=previous)
        except ContainerNotFoundError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"log options: {error}\n") from error
        life = worker.containers.life(container)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        live = None if previous or life is None else life.log
        await response.prepare(request)
        try:
            async for text in read_log(path, options, live):
                if text:
                    await response.write(text)
            await response.write_eof()
        except ConnectionError:
            pass  # The reader has seen enough.
        return response


def log_options(query: Mapping[str, str], *, now_ns: int) -> LogOptions:
    """Return the options a query of PodLogOptions asks for.

    Raises:
        ValueError: A number or time cannot be read.
    """
    since_ns = None
    if text := query.get("sinceSeconds"):
        since_ns = now_ns - int(text) * 1_000_000_000
    elif text := query.get("sinceTime"):
        since_ns = int(datetime.fromisoformat(text).timestamp() * 1_000_000_000)
    tail = query.get("tailLines", "")
    limit = query.get("limitBytes", "")
    return LogOptions(
        follow=_flag(query, "follow"),
        timestamps=_flag(query, "timestamps"),
        tail_lines=int(tail) if tail else None,
        since_ns=since_ns,
        bytes_max=int(limit) if limit else None,
    )


def _flag(query: Mapping[str, str], *names: str) -> bool:
    """Whether one of the parameters says so: the API server says true, kubelets' own form is 1."""
    return any(query.get(name, "").lower() in ("1", "true") for name in names)


def _asked(query: Mapping[str, str]) -> dict[str, bool]:
    """Return the fields of StreamsAsked."""
    tty = _flag(query, "tty")
    return {
        "stdin": _flag(query, "stdin", "input"),
        "stdout": _flag(query, "stdout", "output"),
        "stderr": _flag(query, "stderr", "error") and not tty,
        "tty": tty,
    }


async def _healthz(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ok")
