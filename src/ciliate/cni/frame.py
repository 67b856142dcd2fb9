"""How plugin and agent lay a request and its answer on a stream (ARCHITECTURE.md, "CNI socket").

Request: "CNI1", u32 length, environment (each variable followed by NUL), u32 length, stdin.
Answer: u8 exit code, u32 length, text for stdout. Lengths are big-endian. A file of the delete
queue is one request.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.cni.errors import CniCode, CniError

MAGIC: Final = b"CNI1"
ENVIRONMENT_BYTES_MAX: Final = 64 << 10
STDIN_BYTES_MAX: Final = 1 << 20
FRAME_BYTES_MAX: Final = len(MAGIC) + 8 + ENVIRONMENT_BYTES_MAX + STDIN_BYTES_MAX
LENGTH: Final = struct.Struct("!I")
_ANSWER: Final = struct.Struct("!BI")


@dataclass(frozen=True, slots=True)
class Frame:
    """A request as it came: the variables that begin with CNI_, and stdin."""

    environment: Mapping[str, str]
    stdin: bytes


def environment_length(head: bytes) -> int:
    """Return how long the environment is, from the first eight octets of a request.

    Raises:
        CniError: This is no request, or too long.
    """
    if head[:4] != MAGIC:
        raise CniError(CniCode.IO_FAILURE, f"request begins with {head[:4]!r}, not {MAGIC!r}")
    return _bounded(head[4:8], ENVIRONMENT_BYTES_MAX, "environment")


def stdin_length(octets: bytes) -> int:
    """Return how long stdin is.

    Raises:
        CniError: Longer than allowed.
    """
    return _bounded(octets, STDIN_BYTES_MAX, "network configuration")


def _bounded(octets: bytes, maximum: int, what: str) -> int:
    length: int = LENGTH.unpack(octets)[0]
    if length > maximum:
        message = f"{what} of {length} bytes is longer than {maximum}"
        raise CniError(CniCode.DECODE_FAILURE, message)
    return length


def parse_environment(octets: bytes) -> dict[str, str]:
    """Return the variables by name; octets that are not UTF-8 stay as surrogates."""
    pairs = octets.decode(errors="surrogateescape").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def parse_frame(octets: bytes) -> Frame:
    """Return a request that lies as a whole, such as a file of the delete queue.

    Raises:
        CniError: It is cut short, too long or no request.
    """
    cut_short = CniError(CniCode.IO_FAILURE, f"request of {len(octets)} bytes is cut short")
    if len(octets) < 12:
        raise cut_short
    start = 8 + environment_length(octets[:8])
    if len(octets) < start + 4:
        raise cut_short
    length = stdin_length(octets[start : start + 4])
    stdin = octets[start + 4 :]
    if len(stdin) != length:
        raise cut_short
    return Frame(parse_environment(octets[8:start]), stdin)


def render_answer(exit_code: int, text: bytes) -> bytes:
    """Return an answer as the plugin reads it."""
    return _ANSWER.pack(exit_code, len(text)) + text
