"""One forwarded TCP connection: a client's stream on one side, a port of a pod on the other.

Nothing here knows how the client is connected (`port_forward`). Each direction ends by itself: a
client that has said all still gets the answer.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

from ciliate.lab.errors import KernelCallError
from ciliate.lab.namespaces import in_namespaces
from ciliate.system.upgraded_connection import BUFFER_BYTES

#: Pieces of up to 64 KiB that wait for a pod which does not read; then the client's connection waits.
_WAITING_MAX: Final = 16
_READ_BYTES: Final = 32 * 1024
_CONNECT_S: Final = 5.0
#: As a real kubelet's runtime does: a server may listen on one of them alone.
_ADDRESSES: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[int], Awaitable[Streams]]


class Sink(Protocol):
    """Where the pod's octets go."""

    async def send(self, octets: bytes) -> None:
        """Send to the client. ConnectionError: it is gone."""

    async def finish(self, problem: str) -> None:
        """Say that nothing more comes, and why if it failed. ConnectionError: as above."""


class PortUnreachableError(Exception):
    """Nothing in the pod takes connections on the port."""


async def connect_in(pins: Path, port: int) -> Streams:
    """Connect to a port of the loopback of pinned namespaces.

    Raises:
        PortUnreachableError: Refused, or not answered in time, by both families.
    """
    problems = []
    for family, address in _ADDRESSES:
        try:
            endpoint = await asyncio.to_thread(_socket_in, pins, family)
            async with asyncio.timeout(_CONNECT_S):
                return await _connected(endpoint, address, port)
        except (OSError, TimeoutError, KernelCallError) as error:
            problems.append(f"{address}: {_reason(error)}")
    raise PortUnreachableError(
        f"failed to connect to localhost:{port} inside the pod's network: {', '.join(problems)}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or f"no answer for {_CONNECT_S:.0f} s"


def _socket_in(pins: Path, family: socket.AddressFamily) -> socket.socket:
    return in_namespaces(pins, lambda: socket.socket(family, socket.SOCK_STREAM), ["net"])


async def _connected(endpoint: socket.socket, address: str, port: int) -> Streams:
    endpoint.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(endpoint, (address, port))
    except BaseException:
        endpoint.close()
        raise
    return await asyncio.open_connection(sock=endpoint, limit=BUFFER_BYTES)


class Forwarded:
    """A connection from its request to its end; one task executes `run`."""

    def __init__(self, port: int, connect: Connect, sink: Sink) -> None:
        self._port = port
        self._connect = connect
        self._sink = sink
        self._to_pod: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_MAX)
        self._over = asyncio.Event()

    async def give(self, octets: bytes) -> None:
        """Pass on what the client sent; nothing: it will send no more. Waits for a slow pod."""
        if not self._to_pod.full():
            self._to_pod.put_nowait(octets)
            return
        put = asyncio.ensure_future(self._to_pod.put(octets))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({put, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
            over.cancel()

    async def run(self) -> None:
        """Carry both directions until the pod has said all, or the task is cancelled."""
        problem = ""
        try:
            reader, writer = await self._connect(self._port)
        except PortUnreachableError as error:
            problem = str(error)
        else:
            await self._carry(reader, writer)
        finally:
            self._over.set()
        with contextlib.suppress(ConnectionError):
            await self._sink.finish(problem)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sending = asyncio.ensure_future(self._send(writer))
        try:
            with contextlib.suppress(OSError):  # Of either side: it is over.
                while octets := await reader.read(_READ_BYTES):
                    await self._sink.send(octets)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await self._to_pod.get():
                writer.write(octets)
                await writer.drain()
            writer.write_eof()
