"""Readiness: whether a container that runs also answers.

A declared httpGet, tcpSocket or exec probe is asked as kubelet does. Our own agent and operator
need none in their manifests: they are asked on their Unix sockets, often at first, since a lab's
start waits for them.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet.images import ContainerProgram
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.objects import Container, Json, Probe
from ciliate.lab.spawn import Entry

#: One attempt: True when the container answered as it should.
Attempt = Callable[[], Awaitable[bool]]

_BUILT_IN_PERIOD_S: Final = 1.0
_EAGER_PERIOD_S: Final = 0.03
#: By how much the pauses of our own programs grow: what one adds to their start is at most a tenth.
_EAGER_GROWTH: Final = 1.1
_ANSWER_BYTES_MAX: Final = 64

#: Health of our own programs, below the root of their process: path of the socket, request path.
#: Not /var/run: that is an absolute link, which would lead into our own root.
_OWN_HEALTH: Final = {
    "agent": ("run/cilium/cilium.sock", "/v1/healthz"),
    "operator": ("run/cilium/operator.sock", "/healthz"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How a container is asked, and how often; times in seconds."""

    attempt: Attempt
    period_s: float
    eager_period_s: float  # At first; grows up to `period_s` until it is ready.
    eager_growth: float = 2.0  # What the pause is multiplied by after each failure.
    initial_delay_s: float = 0
    timeout_s: float = 1
    failures_max: int = 3

    async def run(self, report: Callable[[bool], None]) -> None:
        """Ask until cancelled; `report` hears of every change."""
        await asyncio.sleep(self.initial_delay_s)
        ready = False
        failures = 0
        pause_s = self.eager_period_s
        while True:
            answered = await self._ask()
            failures = 0 if answered else failures + 1
            now = answered or (ready and failures < self.failures_max)
            if now != ready:
                ready = now
                report(ready)
            await asyncio.sleep(self.period_s if ready else pause_s)
            pause_s = self.later(pause_s)

    def later(self, pause_s: float) -> float:
        """Return the pause that follows `pause_s` while it is not ready."""
        return min(pause_s * self.eager_growth, self.period_s)

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.attempt()
        except (OSError, TimeoutError, KernelCallError):
            return False


def readiness_of(
    container: Container,
    program: ContainerProgram,
    *,
    pid: int,
    pins: Path,
    address: str,
    execute: Callable[[tuple[str, ...]], Awaitable[bool]],
) -> Readiness | None:
    """Return how the container's readiness is asked; None: it is ready when it runs."""
    probe = container.readiness_probe
    if probe is not None:
        attempt = _declared(container, probe, pins=pins, address=address, execute=execute)
        if attempt is None:
            return None
        return Readiness(
            attempt=attempt,
            period_s=probe.period_seconds,
            eager_period_s=min(probe.period_seconds, 0.5),
            initial_delay_s=probe.initial_delay_seconds,
            timeout_s=probe.timeout_seconds,
            failures_max=probe.failure_threshold,
        )
    if program.entry is Entry.CILIATE and program.argv and program.argv[0] in _OWN_HEALTH:
        path, target = _OWN_HEALTH[program.argv[0]]
        return Readiness(
            attempt=lambda: _ask_unix(f"/proc/{pid}/root/{path}", target),
            period_s=_BUILT_IN_PERIOD_S,
            eager_period_s=_EAGER_PERIOD_S,
            eager_growth=_EAGER_GROWTH,
            timeout_s=3,
        )
    return None


def _declared(
    container: Container,
    probe: Probe,
    *,
    pins: Path,
    address: str,
    execute: Callable[[tuple[str, ...]], Awaitable[bool]],
) -> Attempt | None:
    if probe.exec is not None:
        command = tuple(probe.exec.get("command") or ())
        return lambda: execute(command)
    asked = probe.http_get or probe.tcp_socket
    if asked is None:
        return None
    port = _port_number(container, asked)
    host = str(asked.get("host") or address)
    path = str(asked.get("path") or "/") if probe.http_get is not None else None
    return lambda: _ask_tcp(pins, host, port, path)


def _port_number(container: Container, asked: Json) -> int:
    wanted = asked.get("port", 0)
    if isinstance(wanted, int):
        return wanted
    for port in container.ports:
        if port.name == wanted:
            return port.container_port
    return int(wanted) if str(wanted).isdecimal() else 0


async def _ask_unix(path: str, target: str) -> bool:
    reader, writer = await asyncio.open_unix_connection(path)
    return await _ask_http(reader, writer, "localhost", target)


async def _ask_tcp(pins: Path, host: str, port: int, path: str | None) -> bool:
    """Connect from inside the pod's or node's network; with `path`, ask it by HTTP as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    endpoint = await asyncio.to_thread(
        in_namespaces, pins, lambda: socket.socket(family, socket.SOCK_STREAM), ["net"]
    )
    endpoint.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(endpoint, (host, port))
    except BaseException:
        endpoint.close()
        raise
    if path is None:
        endpoint.close()
        return True
    reader, writer = await asyncio.open_connection(sock=endpoint)
    return await _ask_http(reader, writer, host, path)


async def _ask_http(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, target: str
) -> bool:
    """Return whether a GET is answered with a status of 200 to 399."""
    try:
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("latin-1"))
        answer = await reader.read(_ANSWER_BYTES_MAX)
        words = answer.split(b" ", 2)
        return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
