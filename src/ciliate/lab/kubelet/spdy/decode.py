"""Octets of a SPDY/3.1 client, taken apart into frames as they come."""

import struct
from typing import Final

from ciliate.lab.kubelet.spdy.errors import SpdyError
from ciliate.lab.kubelet.spdy.frames import (
    CONTROL_BIT,
    FLAG_FIN,
    HEAD,
    LENGTH_MASK,
    STREAM_MASK,
    VERSION,
    ControlType,
    Data,
    Frame,
    GoAway,
    Opened,
    Ping,
    Reset,
)
from ciliate.lab.kubelet.spdy.header_block import BlockReader

#: A control frame is kept until it is whole; a data frame, up to 16 MiB, is passed on in pieces.
CONTROL_BYTES_MAX: Final = 16 * 1024

#: What stands before the header block of SYN_STREAM, SYN_REPLY and HEADERS.
_BLOCK_AT: Final = {
    ControlType.SYN_STREAM: 10,
    ControlType.SYN_REPLY: 4,
    ControlType.HEADERS: 4,
}


class Decoder:
    """One connection's direction from the client."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: tuple[int, int, bool] | None = None  # Stream, octets to come, fin.
        self._blocks = BlockReader()

    def feed(self, octets: bytes) -> list[Frame]:
        """Return what these octets complete.

        Raises:
            SpdyError: They are not SPDY/3.1; nothing can be read from now on.
        """
        buffer = memoryview(self._rest + octets)
        frames: list[Frame] = []
        position = 0
        while (step := self._step(buffer[position:])) is not None:
            frame, taken = step
            position += taken
            if frame is not None:
                frames.append(frame)
        self._rest = bytes(buffer[position:])
        return frames

    def _step(self, buffer: memoryview) -> tuple[Frame | None, int] | None:
        """Return what stands next, if it is a frame, and its length; None: more must come."""
        if self._data is not None:
            stream, left, fin = self._data
            return self._piece(buffer, stream, left, fin=fin)
        if len(buffer) < HEAD.size:
            return None
        first, second = HEAD.unpack_from(buffer)
        flags, length = second >> 24, second & LENGTH_MASK
        if not first & CONTROL_BIT:
            self._data = (first, length, bool(flags & FLAG_FIN))
            return None, HEAD.size
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise SpdyError(f"a frame is of version {version}, not {VERSION}")
        if length > CONTROL_BYTES_MAX:
            raise SpdyError(
                f"a control frame has {length} bytes: {CONTROL_BYTES_MAX} is the bound"
            )
        end = HEAD.size + length
        if len(buffer) < end:
            return None
        return self._control(kind, bytes(buffer[HEAD.size : end]), fin=bool(flags & FLAG_FIN)), end

    def _piece(
        self, buffer: memoryview, stream: int, left: int, *, fin: bool
    ) -> tuple[Frame, int] | None:
        octets = bytes(buffer[:left])
        if len(octets) == left:
            self._data = None
            return Data(stream, octets, fin), left
        if not octets:
            return None
        self._data = (stream, left - len(octets), fin)
        return Data(stream, octets, fin=False), len(octets)

    def _control(self, kind: int, body: bytes, *, fin: bool) -> Frame | None:
        """Return a control frame; None for those that have no meaning here."""
        match kind:
            case ControlType.SYN_STREAM | ControlType.SYN_REPLY | ControlType.HEADERS:
                return self._with_block(ControlType(kind), body, fin=fin)
            case ControlType.RST_STREAM:
                return Reset(_word(body) & STREAM_MASK)
            case ControlType.PING:
                return Ping(_word(body))
            case ControlType.GOAWAY:
                return GoAway()
        return None

    def _with_block(self, kind: ControlType, body: bytes, *, fin: bool) -> Frame | None:
        stream = _word(body) & STREAM_MASK
        headers = self._blocks.read(body[_BLOCK_AT[kind] :])
        if kind is ControlType.SYN_STREAM:
            return Opened(stream, headers, fin)
        return Data(stream, b"", fin=True) if fin else None


def _word(body: bytes) -> int:
    if len(body) < 4:
        raise SpdyError(f"a control frame ends after {len(body)} bytes")
    word: int = struct.unpack_from(">I", body)[0]
    return word
