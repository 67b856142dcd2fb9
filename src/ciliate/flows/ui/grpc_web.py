"""gRPC in the form that a browser can ask for: frames in the bodies of HTTP. Pure.

gRPC-Web (grpc/grpc, PROTOCOL-WEB.md): each frame is an octet of flags, a length of four octets, and so
many octets. An answer's last frame has the trailers, in the form of HTTP/1.1's headers.
"""

import struct
from typing import Final
from urllib.parse import quote

CONTENT_TYPE: Final = "application/grpc-web+proto"

#: Of a request: filters are small.
REQUEST_BYTES_MAX: Final = 64 * 1024

_HEAD: Final = struct.Struct(">BI")
_MESSAGE, _TRAILERS = 0x00, 0x80
#: gRPC over HTTP/2, "Responses": these of ASCII stay as they are in a message.
_UNQUOTED: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class FrameError(ValueError):
    """A body is no request of gRPC-Web's."""


def message_of(body: bytes) -> bytes:
    """Return the message of a request, which has one.

    Raises:
        FrameError: It is not one whole frame that is not compressed.
    """
    if len(body) < _HEAD.size:
        raise FrameError("the body is shorter than a frame's head")
    flags, length = _HEAD.unpack_from(body)
    if flags != _MESSAGE:
        raise FrameError(f"the frame has flags {flags:#x}: 0 is a message that is not compressed")
    message = body[_HEAD.size :]
    if length != len(message):
        raise FrameError(f"the frame says {length} octets, {len(message)} follow")
    return message


def message_frame(message: bytes) -> bytes:
    """Return a message as a frame."""
    return _HEAD.pack(_MESSAGE, len(message)) + message


def trailers_frame(status: int, details: str) -> bytes:
    """Return how a call ended: a code of gRPC's, and in words why."""
    text = f"grpc-status: {status}\r\ngrpc-message: {quote(details, safe=_UNQUOTED)}\r\n".encode()
    return _HEAD.pack(_TRAILERS, len(text)) + text
