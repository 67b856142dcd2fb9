"""A client's side of SPDY/3.1, for tests: opens streams, sends, takes apart what comes back."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ciliate.lab.kubelet.spdy import frames
from ciliate.lab.kubelet.spdy.frames import CONTROL_BIT, HEAD, LENGTH_MASK, ControlType
from ciliate.lab.kubelet.spdy.header_block import BlockReader, BlockWriter


@dataclass
class Answered:
    """What the server said, by stream; `replied` in order, `goaway` its status."""

    replied: list[int] = field(default_factory=list)
    data: dict[int, bytes] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    reset: set[int] = field(default_factory=set)
    pings: list[int] = field(default_factory=list)
    goaway: int | None = None


class ClientCodec:
    """Packs what the client says, and reads what the server says."""

    def __init__(self) -> None:
        self._blocks = BlockWriter()
        self._their_blocks = BlockReader()
        self._rest = b""
        self.answered = Answered()

    def open(self, stream: int, **headers: str) -> bytes:
        """SYN_STREAM."""
        return self._syn_stream(stream, headers, flags=0)

    def open_silent(self, stream: int, **headers: str) -> bytes:
        """SYN_STREAM of a stream on which the client will send nothing."""
        return self._syn_stream(stream, headers, flags=frames.FLAG_FIN)

    def _syn_stream(self, stream: int, headers: Mapping[str, str], *, flags: int) -> bytes:
        body = struct.pack(">IIBB", stream, 0, 0, 0) + self._blocks.write(headers)
        first = CONTROL_BIT | frames.VERSION << 16 | ControlType.SYN_STREAM
        return HEAD.pack(first, flags << 24 | len(body)) + body

    def take(self, octets: bytes) -> Answered:
        """Read what the server sent."""
        self._rest += octets
        while len(self._rest) >= HEAD.size:
            first, second = HEAD.unpack_from(self._rest)
            end = HEAD.size + (second & LENGTH_MASK)
            if len(self._rest) < end:
                break
            body, self._rest = self._rest[HEAD.size : end], self._rest[end:]
            if first & CONTROL_BIT:
                self._control(first & 0xFFFF, body)
            else:
                known = self.answered.data.get(first, b"")
                self.answered.data[first] = known + body
                if second >> 24 & frames.FLAG_FIN:
                    self.answered.finished.add(first)
        return self.answered

    def _control(self, kind: int, body: bytes) -> None:
        stream: int = struct.unpack_from(">I", body)[0]
        match kind:
            case ControlType.SYN_REPLY:
                assert self._their_blocks.read(body[4:]) == {}
                self.answered.replied.append(stream)
            case ControlType.RST_STREAM:
                self.answered.reset.add(stream)
            case ControlType.PING:
                self.answered.pings.append(stream)
            case ControlType.GOAWAY:
                self.answered.goaway = struct.unpack_from(">I", body, 4)[0]
            case _:
                raise AssertionError(f"control frame {kind}")


class SpdyClient:
    """A client on a connection that it has upgraded itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.codec = ClientCodec()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""

    async def upgrade(self, target: str, *protocols: str) -> int:
        """Ask for SPDY/3.1 as kubectl does; the answer's status. `text`: a refusal's body."""
        asked = [f"X-Stream-Protocol-Version: {protocol}" for protocol in protocols]
        lines = [f"POST {target} HTTP/1.1", "Host: kubelet", "Content-Length: 0"]
        lines += ["Connection: Upgrade", "Upgrade: SPDY/3.1", *asked, "", ""]
        self._writer.write("\r\n".join(lines).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(head[0].split(" ")[1])
        pairs = (line.partition(": ") for line in head[1:] if line)
        self.headers = {name.lower(): value for name, _, value in pairs}
        length = int(self.headers.get("content-length", "0"))
        self.text = (await self._reader.readexactly(length)).decode()
        return self.status

    def say(self, *frames_: bytes) -> None:
        """Send frames."""
        self._writer.write(b"".join(frames_))

    async def until(self, condition: Callable[[Answered], object]) -> Answered:
        """Read what the server says until a condition holds, or it has closed."""
        while not condition(self.codec.answered):
            octets = await self._reader.read(65536)
            if not octets:
                break
            self.codec.take(octets)
        return self.codec.answered

    def close(self) -> None:
        """Leave."""
        self._writer.close()


@asynccontextmanager
async def spdy_client(
    connected: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
) -> AsyncIterator[SpdyClient]:
    """Connect; all within ten seconds."""
    async with asyncio.timeout(10):
        client = SpdyClient(*await connected)
        try:
            yield client
        finally:
            client.close()
