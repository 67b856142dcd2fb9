"""The frames of SPDY/3.1 that a server gets and sends (draft-mbelshe-httpbis-spdy-00, 2.2, 2.6)."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 3
FLAG_FIN: Final = 0x01
CONTROL_BIT: Final = 0x8000_0000
STREAM_MASK: Final = 0x7FFF_FFFF
LENGTH_MASK: Final = 0xFF_FFFF
#: The head of every frame: kind and version or stream, then flags (8 bits) and length (24).
HEAD: Final = struct.Struct(">II")


class ControlType(IntEnum):
    """Types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class ResetStatus(IntEnum):
    """Why a stream ends at once."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5


class GoAwayStatus(IntEnum):
    """Why a side opens and takes no more streams."""

    OK = 0
    PROTOCOL_ERROR = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """SYN_STREAM: the client opens a stream; `fin`: it will send nothing on it."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Some octets of a stream, a whole frame or a piece of one; `fin`: the client's last."""

    stream: int
    octets: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """RST_STREAM: the client is done with a stream, in both directions."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """PING: to be sent back when the number is the client's, which are odd."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """GOAWAY: the client opens no more streams."""


Frame = Opened | Data | Reset | Ping | GoAway


def data(stream: int, octets: bytes, *, fin: bool = False) -> bytes:
    """Return a data frame."""
    return HEAD.pack(stream, (FLAG_FIN << 24 if fin else 0) | len(octets)) + octets


def syn_reply(stream: int, block: bytes) -> bytes:
    """Return a SYN_REPLY, which accepts a stream; `block` is its compressed name/value block."""
    return _control(ControlType.SYN_REPLY, struct.pack(">I", stream) + block)


def rst_stream(stream: int, status: ResetStatus) -> bytes:
    """Return a RST_STREAM."""
    return _control(ControlType.RST_STREAM, struct.pack(">II", stream, status))


def ping(number: int) -> bytes:
    """Return a PING."""
    return _control(ControlType.PING, struct.pack(">I", number))


def goaway(last_stream: int, status: GoAwayStatus) -> bytes:
    """Return a GOAWAY; `last_stream` is the client's last one that was accepted."""
    return _control(ControlType.GOAWAY, struct.pack(">II", last_stream, status))


def _control(kind: ControlType, body: bytes) -> bytes:
    return HEAD.pack(CONTROL_BIT | VERSION << 16 | kind, len(body)) + body
