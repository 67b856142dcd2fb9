"""A router of a few lines: it opens sessions on loopback, and notes what it is announced.

As much of BGP as that takes (RFC 4271): OPEN, KEEPALIVE, and the IPv4 prefixes of an UPDATE.
"""

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Network

_MARKER = b"\xff" * 16
_OPEN, _UPDATE, _NOTIFICATION, _KEEPALIVE = 1, 2, 3, 4


def message(kind: int, body: bytes = b"") -> bytes:
    return _MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def open_message(asn: int) -> bytes:
    """An OPEN with IPv4 unicast and AS numbers of 32 bits, and a hold time of nine seconds."""
    capabilities = bytes((1, 4, 0, 1, 0, 1)) + bytes((65, 4)) + struct.pack("!I", asn)
    parameters = bytes((2, len(capabilities))) + capabilities
    head = struct.pack("!BHH4s", 4, asn, 9, bytes((192, 0, 2, 1)))
    return message(_OPEN, head + bytes((len(parameters),)) + parameters)


@dataclass
class FakeRouter:
    """Serves one connection after the other."""

    asn: int = 65000
    prefixes: set[str] = field(default_factory=set)
    #: What happened, in order: "up", "end of rib", "notified", "closed".
    events: list[str] = field(default_factory=list)
    port: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: asyncio.StreamWriter | None = None

    @contextlib.asynccontextmanager
    async def serve(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a context of its own.
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def until(self, *prefixes: str, event: str = "", count: int = 1) -> None:
        """Wait until just these prefixes are announced, and an event has happened so often."""
        async with asyncio.timeout(30.0):
            while self.prefixes != set(prefixes) or (event and self.events.count(event) < count):
                self._changed.clear()
                await self._changed.wait()

    def drop(self) -> None:
        """End the connection without a word."""
        assert self._connection is not None
        self._connection.close()

    async def flood(self, count: int) -> None:
        """Announce so many prefixes, 500 in a message."""
        assert self._connection is not None
        path = bytes((0x40, 2, 6, 2, 1)) + struct.pack("!I", self.asn)
        attributes = bytes((0x40, 1, 1, 0)) + path + bytes((0x40, 3, 4, 127, 0, 0, 1))
        head = struct.pack("!HH", 0, len(attributes)) + attributes
        for begin in range(0, count, 500):
            numbers = range(begin, begin + 500)
            nlri = b"".join(b"\x18" + (0x140000 + n).to_bytes(3, "big") for n in numbers)
            self._connection.write(message(_UPDATE, head + nlri))
            await self._connection.drain()

    def say(self, octets: bytes) -> None:
        """Send what is no BGP, or anything else."""
        assert self._connection is not None
        self._connection.write(octets)

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._changed.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(open_message(self.asn))
        self._connection = writer
        try:
            while True:
                head = await reader.readexactly(19)
                length, kind = struct.unpack("!HB", head[16:])
                body = await reader.readexactly(length - 19)
                if kind == _OPEN:
                    self.prefixes.clear()  # Those of a former session.
                    writer.write(message(_KEEPALIVE))
                    self._note("up")
                elif kind == _UPDATE:
                    self._take(body)
                elif kind == _NOTIFICATION:
                    self._note("notified")
                else:
                    writer.write(message(_KEEPALIVE))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._note("closed")
        finally:
            writer.close()

    def _take(self, body: bytes) -> None:
        (withdrawn,) = struct.unpack("!H", body[:2])
        (attributes,) = struct.unpack("!H", body[2 + withdrawn : 4 + withdrawn])
        gone, new = body[2 : 2 + withdrawn], body[4 + withdrawn + attributes :]
        self.prefixes -= set(_prefixes(gone))
        self.prefixes |= set(_prefixes(new))
        self._note("end of rib" if len(body) == 4 else "update")


def _prefixes(octets: bytes) -> list[str]:
    found = []
    while octets:
        bits, size = octets[0], (octets[0] + 7) // 8
        found.append(str(IPv4Network((octets[1 : 1 + size].ljust(4, b"\0"), bits))))
        octets = octets[1 + size :]
    return found
