"""A SPDY connection: streams that the client opens, octets both ways on each.

Whoever has the connection asks for what came next (`receive`), one event at a time. So nothing
is queued here: a reader that is busy lets the client wait, by TCP. Sending is for any task.
"""

from collections import deque
from typing import Final, Protocol

from ciliate.lab.kubelet.spdy import frames
from ciliate.lab.kubelet.spdy.decode import Decoder
from ciliate.lab.kubelet.spdy.errors import SpdyError
from ciliate.lab.kubelet.spdy.frames import (
    Data,
    Frame,
    GoAway,
    GoAwayStatus,
    Opened,
    Ping,
    Reset,
    ResetStatus,
)
from ciliate.lab.kubelet.spdy.header_block import BlockWriter

#: Streams open at once; two for each connection of a port-forward.
STREAMS_MAX: Final = 1024

Event = Opened | Data | Reset


class Octets(Protocol):
    """What carries the connection: a socket, or the messages of a WebSocket."""

    async def read(self) -> bytes:
        """Return what came next; nothing: the client has left."""

    async def write(self, octets: bytes) -> None:
        """Send; back when there is room for more. ConnectionError: the client is gone."""


class SpdyConnection:
    """The server's side of one connection."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self._decoder = Decoder()
        self._blocks = BlockWriter()
        self._came: deque[Frame] = deque()
        self._last_stream = 0
        self._receiving: set[int] = set()  # Streams on which the client may still send,
        self._sending: set[int] = set()  # and those on which we may.

    async def receive(self) -> Event | None:
        """Return what the client did next; None when it has left, or sent nonsense."""
        try:
            while True:
                while self._came:
                    frame = self._came.popleft()
                    if isinstance(frame, GoAway):
                        return None
                    if isinstance(frame, Ping):
                        await self._answer(frame)
                    elif self._admits(frame):
                        return frame
                    elif isinstance(frame, Opened):
                        await self._octets.write(
                            frames.rst_stream(frame.stream, ResetStatus.REFUSED_STREAM)
                        )
                octets = await self._octets.read()
                if not octets:
                    return None
                self._came.extend(self._decoder.feed(octets))
        except SpdyError:
            await self._end(GoAwayStatus.PROTOCOL_ERROR)
        except ConnectionError:
            pass
        return None

    async def _answer(self, ping: Ping) -> None:
        if ping.number % 2:  # Even ones would be answers to ours.
            await self._octets.write(frames.ping(ping.number))

    def _admits(self, frame: Event) -> bool:
        """Note what a frame means for its stream; False: it is not to be heard of."""
        stream = frame.stream
        if isinstance(frame, Opened):
            fresh = stream % 2 == 1 and stream > self._last_stream
            if not fresh or len(self._sending) + len(self._receiving) >= 2 * STREAMS_MAX:
                return False
            self._last_stream = stream
            self._sending.add(stream)
            if not frame.fin:
                self._receiving.add(stream)
            return True
        known = stream in self._receiving
        if isinstance(frame, Reset):
            known = known or stream in self._sending
            self._sending.discard(stream)
        if isinstance(frame, Reset) or frame.fin:
            self._receiving.discard(stream)
        return known

    async def accept(self, stream: int) -> None:
        """Answer that a stream is taken: before that the client heeds nothing that comes on it."""
        await self._octets.write(frames.syn_reply(stream, self._blocks.write({})))

    async def refuse(self, stream: int) -> None:
        """End a stream in both directions at once."""
        known = stream in self._sending or stream in self._receiving
        self._sending.discard(stream)
        self._receiving.discard(stream)
        if known:
            await self._octets.write(frames.rst_stream(stream, ResetStatus.REFUSED_STREAM))

    async def send(self, stream: int, octets: bytes) -> None:
        """Send on a stream; nothing happens when it is over.

        Raises:
            ConnectionError: The client is gone.
        """
        if octets and stream in self._sending:
            await self._octets.write(frames.data(stream, octets))

    async def finish(self, stream: int) -> None:
        """Say that no more comes on a stream; again, nothing happens."""
        if stream in self._sending:
            self._sending.discard(stream)
            await self._octets.write(frames.data(stream, b"", fin=True))

    async def _end(self, status: GoAwayStatus) -> None:
        try:
            await self._octets.write(frames.goaway(self._last_stream, status))
        except ConnectionError:
            return
