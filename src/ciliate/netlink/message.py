"""The framing of netlink: messages, attributes, acknowledgements (linux/netlink.h).

Pure functions from values to octets and back. Every number is in the machine's byte order; only
addresses are in the network's. Attributes and messages are padded to four octets.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ciliate.netlink.numbers import (
    NLA_F_NESTED,
    NLA_TYPE_MASK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_REQUEST,
    NLMSGERR_ATTR_MSG,
)

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_U32: Final = struct.Struct("=I")
_ERRNO: Final = struct.Struct("=i")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")

HEADER_BYTES: Final = _HEADER.size


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the kernel, with the words for the error should it fail.

    An error shows str(subject), which is computed only then.
    `tolerated` are errno numbers that count as success (an absent object on removal).
    """

    kind: int
    body: bytes
    step: str
    subject: object
    flags: int = 0
    tolerated: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the kernel; `body` excludes the header."""

    kind: int
    flags: int
    sequence: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute, padded."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + _PADDING[length & 3]


def number(kind: int, value: int) -> bytes:
    """Return an attribute that holds an unsigned 32-bit number."""
    return _ATTRIBUTE.pack(8, kind) + _U32.pack(value)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a string with its final NUL."""
    return attribute(kind, value.encode() + b"\0")


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def frame(request: Request, *, sequence: int, more_flags: int = 0) -> bytes:
    """Return `request` as it goes on the wire, padded so that another may follow."""
    length = HEADER_BYTES + len(request.body)
    flags = NLM_F_REQUEST | request.flags | more_flags
    head = _HEADER.pack(length, request.kind, flags, sequence, 0)
    return head + request.body + _PADDING[length & 3]


def messages(datagram: bytes) -> Iterator[Message]:
    """Yield the messages of one datagram from the kernel."""
    offset = 0
    while offset + HEADER_BYTES <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < HEADER_BYTES:
            return
        yield Message(kind, flags, sequence, datagram[offset + HEADER_BYTES : offset + length])
        offset += (length + 3) & ~3


def attributes(octets: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return attributes by number, from `offset` on; of a repeated one the last counts."""
    found: dict[int, bytes] = {}
    end = len(octets)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(octets, offset)
        if length < 4:
            break
        found[kind & NLA_TYPE_MASK] = octets[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def to_number(payload: bytes) -> int:
    """Return the unsigned 32-bit number an attribute holds."""
    value: int = _U32.unpack_from(payload)[0]
    return value


def to_text(payload: bytes) -> str:
    """Return the string an attribute holds, without its final NUL."""
    return payload.rstrip(b"\0").decode(errors="replace")


def acknowledgement(message: Message) -> tuple[int, str]:
    """Return errno (0: success) and the kernel's words from an NLMSG_ERROR message.

    Without NLM_F_CAPPED a copy of the whole failed request stands before the words.
    """
    code: int = -_ERRNO.unpack_from(message.body)[0]
    if not message.flags & NLM_F_ACK_TLVS:
        return code, ""
    offset = 4 + HEADER_BYTES
    if not message.flags & NLM_F_CAPPED:
        offset = 4 + ((to_number(message.body[4:8]) + 3) & ~3)
    words = attributes(message.body, offset).get(NLMSGERR_ATTR_MSG, b"")
    return code, to_text(words)
