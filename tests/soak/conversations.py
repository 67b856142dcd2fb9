"""Connections of many pods with one server, all ends in this process, in one event loop.

A socket belongs to the namespace it was made in, wherever it is used. So one process holds the
thousand connections of fifty pods, and knows of each what was said and what was heard.
"""

import asyncio
import errno
import itertools
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.deadlines import stretch
from tests.soak.counts import backlog_drops
from tests.soak.scale import WHOLE

from ciliate.lab.namespaces import in_namespaces

#: What each message of ours begins with: an eavesdropper tells it from what attackers send.
MAGIC: Final = b"SOAK"

#: A new connection has so long from its first packet to its echo. The short form runs beside other
#: tests, on a machine that they make busy.
NEW_WITHIN_S: Final = 3.0 * (1.0 if WHOLE else stretch())

#: A standing one, on an idle machine.
_STANDING_WITHIN_S: Final = 20.0

#: How often new connections are begun, each by the next pod.
_NEW_EVERY_S: Final = 0.01

_BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that has connections, by its network namespace."""

    number: int
    name: str
    pins: Path
    ipv4: str
    ipv6: str

    def socket(self, family: int) -> socket.socket:
        """Return a TCP socket of this pod's."""
        made = in_namespaces(self.pins, lambda: socket.socket(family), ["net"])
        made.setblocking(False)
        return made


def message(pod: int, number: int, word: bytes) -> bytes:
    """Return a message, of 16 octets, that only this pod's connection is to carry."""
    return MAGIC + pod.to_bytes(2) + number.to_bytes(4) + word.ljust(6)


class Server:
    """Echoes, and says something on a connection that has said nothing for long."""

    def __init__(self, pins: Path, addresses: Sequence[str], port: int) -> None:
        """Listen in a machine's namespace."""
        self._listeners = [_listener(pins, address, port) for address in addresses]
        self._servers: list[asyncio.Server] = []
        self._writers: dict[bytes, asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        for each in self._listeners:
            self._servers.append(
                await asyncio.start_server(self._serve, sock=each, backlog=_BACKLOG)
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for writer in self._writers.values():
            writer.transport.abort()

    def say(self, first: bytes, text: bytes) -> None:
        """Send on the connection whose first message was `first`."""
        self._writers[first].write(text)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = b""
        try:
            while text := await reader.readexactly(16):
                if not first:
                    first = text
                    self._writers[first] = writer
                writer.write(text)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.pop(first, None)
            writer.transport.abort()


def _listener(pins: Path, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def make() -> socket.socket:
        return socket.create_server((address, port), family=family, backlog=_BACKLOG)

    return in_namespaces(pins, make, ["net"])


@dataclass(slots=True)
class Standing:
    """A connection that stands, and is silent."""

    pod: Pod
    number: int
    first: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def fault(self, server: Server) -> str:
        """Say what is wrong with it: both sides send, the server first; "" when it is whole."""
        said, asked = (message(self.pod.number, self.number, word) for word in (b"said", b"asked"))
        try:
            async with asyncio.timeout(_STANDING_WITHIN_S):
                server.say(self.first, said)
                heard = await self.reader.readexactly(16)
                self.writer.write(asked)
                heard += await self.reader.readexactly(16)
        except KeyError:
            return "the server's end is gone"
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            return f"{type(error).__name__} {error}"
        return "" if heard == said + asked else f"heard {heard!r}"


async def stand(pod: Pod, number: int, address: str, port: int) -> Standing:
    """Open a connection that is answered, and leave it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    first = message(pod.number, number, b"first")
    made = pod.socket(family)
    await asyncio.get_running_loop().sock_connect(made, (address, port))
    reader, writer = await asyncio.open_connection(sock=made)
    writer.write(first)
    assert await reader.readexactly(16) == first
    return Standing(pod, number, first, reader, writer)


@dataclass(slots=True)
class New:
    """How new connections fared.

    A failure during which the kernel dropped frames before any program saw them is counted apart.
    """

    tried: int = 0
    failures: list[str] = field(default_factory=list)
    lost_by_backlog: int = 0
    seconds: list[float] = field(default_factory=list)


async def open_many(
    pods: Sequence[Pod], address_port: Sequence[tuple[str, int]], new: New
) -> None:
    """Open, use and close connections, pod by pod and family by family, until cancelled."""
    numbers = itertools.count(1 << 20)
    async with asyncio.TaskGroup() as tasks:
        for pod, where in _turns(pods, address_port):
            tasks.create_task(_open_one(pod, next(numbers), *where, new))
            await asyncio.sleep(_NEW_EVERY_S)


def _turns(
    pods: Sequence[Pod], address_port: Sequence[tuple[str, int]]
) -> Iterator[tuple[Pod, tuple[str, int]]]:
    while True:
        for pod in pods:
            for where in address_port:
                yield pod, where


async def _open_one(pod: Pod, number: int, address: str, port: int, new: New) -> None:
    text = message(pod.number, number, b"new")
    loop, begin, drops = asyncio.get_running_loop(), time.monotonic(), backlog_drops()
    made = pod.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    step = "connect"
    try:
        async with asyncio.timeout(NEW_WITHIN_S):
            await loop.sock_connect(made, (address, port))
            step = "echo"
            await loop.sock_sendall(made, text)
            heard = await loop.sock_recv(made, 64)
        assert heard in {text, b""}, f"{pod.name} heard {heard!r} on {text!r}"
        if not heard:
            raise ConnectionResetError(errno.ECONNRESET, "closed")
    except (OSError, TimeoutError) as error:
        if backlog_drops() > drops:
            new.lost_by_backlog += 1
        else:
            new.failures.append(f"{pod.name} to {address}, {step}: {type(error).__name__} {error}")
    else:
        new.seconds.append(time.monotonic() - begin)
    finally:
        new.tried += 1
        made.close()
