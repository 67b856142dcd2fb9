"""Accepts connections within bounds, and carries their octets to a gRPC server's Unix socket."""

import asyncio
import contextlib
import itertools
import logging
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ciliate.config import values
from ciliate.flows.grpc_listener.shares import NAME_MARK
from ciliate.flows.grpc_listener.tls_files import TlsFileError, TlsFiles
from ciliate.reconcile.backoff import Backoff
from ciliate.system.admission import Bounds
from ciliate.system.bounded_server import BoundedServer, Connection, connection_of, peer_of
from ciliate.system.descriptors import share
from ciliate.system.tcp_socket import listen_tcp

_log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 512

#: What waits in each direction before the sender is paused.
_BUFFER_BYTES: Final = 64 * 1024

#: How often files are looked at, before there are some and behind.
_LOOK_SOON_S: Final = 0.5
_LOOK_S: Final = 10.0

_NEVER_S: Final = float("inf")


def bounds() -> Bounds:
    """Return the bounds of a listener: a stream may be silent for as long as nothing happens."""
    found = Bounds.of_peers(share(CONNECTIONS_MAX))
    return Bounds(
        found.connections,
        found.peer_connections,
        found.newcomers,
        found.peer_newcomers,
        idle_s=_NEVER_S,
    )


class Front:
    """Listens at `address` for a server at `target`, a path or, behind a zero octet, a name."""

    def __init__(
        self,
        name: str,
        address: str,
        target: bytes,
        *,
        tls: TlsFiles | None = None,
        within: Bounds | None = None,
    ) -> None:
        """Serve with TLS where there are files; `name` is the listener's in the log and in metrics."""
        self._name = name
        self._address = address
        self._target = target
        self._tls = tls
        self._bounds = within or bounds()
        self._knows_clients = tls is not None and bool(tls.client_authorities)
        self._numbers = itertools.count()
        self._token = secrets.token_hex(8)
        self._told = ""  # What was said of the files last.
        self._carrying: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the body runs."""
        task = asyncio.create_task(self.run(), name=self._name)
        task.add_done_callback(_tell_bug)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        """Serve until cancelled; what it needs and cannot have is told once and tried again."""
        context = await self._first_context() if self._tls is not None else None
        server = BoundedServer(self._name, self._protocol, self._bounds, tls=context)
        try:
            await self._listen(server)
            while True:
                await asyncio.sleep(_LOOK_S)
                self._look_again(server)
        finally:
            server.end()
            for task in tuple(self._carrying):
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _first_context(self) -> ssl.SSLContext | None:
        assert self._tls is not None
        while True:
            try:
                return self._tls.changed()
            except TlsFileError as error:
                self._tell(logging.INFO, "waiting for certificates", error)
                await asyncio.sleep(_LOOK_SOON_S)

    def _tell(self, level: int, state: str, error: TlsFileError) -> None:
        if str(error) != self._told:
            self._told = str(error)
            _log.log(level, "%s: %s: %s", self._name, state, error)

    def _look_again(self, server: BoundedServer) -> None:
        if self._tls is None:
            return
        try:
            context = self._tls.changed()
        except TlsFileError as error:
            self._tell(logging.WARNING, "the former certificate stays in use", error)
            return
        self._told = ""
        if context is not None:
            server.use_tls(context)
            _log.info("%s: a new certificate is in use", self._name)

    async def _listen(self, server: BoundedServer) -> None:
        pause, told = Backoff(), False
        while True:
            try:
                for listener in await listen_tcp([values.read_listen_address(self._address)]):
                    server.listen(listener)
            except OSError as error:
                if not told:
                    _log.warning(
                        "%s: cannot listen at %s: %s; trying again",
                        self._name,
                        self._address,
                        error.strerror,
                    )
                told = True
                await asyncio.sleep(pause.next())
            else:
                _log.info("%s: listening at %s", self._name, self._address)
                return

    def _protocol(self) -> asyncio.BaseProtocol:
        reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
        return asyncio.StreamReaderProtocol(reader, self._accepted)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry octets both ways until one side ends."""
        connection = connection_of(writer.transport)
        writer.transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        try:
            inner, outer = await self._open(writer)
        except OSError as error:
            _log.warning("%s: the server does not answer: %s", self._name, error)
            writer.transport.abort()
            return
        if connection is not None:
            connection.let_pause()
        try:
            async with asyncio.TaskGroup() as tasks:
                ways = (
                    tasks.create_task(_carried(reader, outer, connection)),
                    tasks.create_task(_carried(inner, writer)),
                )
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        finally:
            for each in (outer, writer):
                each.close()

    async def _open(
        self, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server: for who is nobody we know, under a name that tells it the peer."""
        client: socket.socket = writer.get_extra_info("socket")
        key, _ = peer_of(client.family, writer.get_extra_info("peername"))
        opened = socket.socket(socket.AF_UNIX)
        try:
            opened.setblocking(False)
            if not self._knows_clients:
                words = (NAME_MARK, self._token, str(next(self._numbers)), _hex(key))
                opened.bind(b"\0" + "-".join(words).encode())
            await asyncio.get_running_loop().sock_connect(opened, self._target)
        except OSError:
            opened.close()
            raise
        return await asyncio.open_connection(sock=opened, limit=_BUFFER_BYTES)


def _tell_bug(task: asyncio.Task[None]) -> None:
    """Say why a listener ended by itself, which none should: others go on without it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s: a bug", task.get_name(), exc_info=error)


def _hex(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else ""


async def _carried(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    connection: Connection | None = None,
) -> None:
    """Pass octets on until one side ends, however: by a reset, out of reach, or breaking TLS.

    Whoever says something is the last to go when there is no room.
    """
    with contextlib.suppress(OSError):
        while data := await reader.read(_BUFFER_BYTES):
            if connection is not None:
                connection.begin()
                connection.end()
            writer.write(data)
            await writer.drain()


def abstract_target(purpose: str) -> tuple[str, bytes]:
    """Return a name of no file for a Unix socket of this process: as gRPC takes it, and the kernel.

    unix(7), "Abstract sockets": it is seen in this network namespace alone.
    """
    name = f"{NAME_MARK}-{purpose}-{os.getpid()}-{secrets.token_hex(8)}"
    return f"unix-abstract:{name}", b"\0" + name.encode()
