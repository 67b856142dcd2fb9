"""Asks a gRPC server for its health (grpc.health.v1.Health/Check), as one HTTP/2 request.

The framing is h2's; the two messages have one field each and are packed here. No TLS, as kubelet.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from h2.events import Event

_METHOD: Final = "/grpc.health.v1.Health/Check"
_STREAM: Final = 1
#: What of an answer is read: a health check's has seven octets.
_ANSWER_BYTES_MAX: Final = 4096
_READ_BYTES: Final = 16 * 1024
#: google.rpc.Code and HealthCheckResponse.ServingStatus, by their numbers.
_CODES: Final = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound"),
    *("AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted"),
    *("OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated"),
)
_NUMBERS: Final = frozenset(map(str, range(len(_CODES))))
_SERVING: Final = 1
_STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


@dataclass(slots=True)
class _Answer:
    body: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    is_over: bool = False

    def problem(self) -> str:
        """Return what is wrong, in kubelet's words; nothing: it serves."""
        status = self.headers.get("grpc-status", "")
        message = self.headers.get("grpc-message", "")
        if not status.isdecimal():
            message = "the answer has no gRPC status"
        code = _CODES[int(status)] if status in _NUMBERS else "Unknown"
        if code == "Unimplemented":
            return (
                "error: this server does not implement the grpc health protocol"
                f" (grpc.health.v1.Health): {message}"
            )
        if code != "OK":
            return f"error: health rpc probe failed: rpc error: code = {code} desc = {message}"
        found = _serving_status(bytes(self.body))
        if found == _SERVING:
            return ""
        name = _STATUSES[found] if found < len(_STATUSES) else str(found)
        return f'service unhealthy (responded with "{name}")'


async def check_health(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, authority: str, service: str
) -> str:
    """Return what is wrong with a server's `service`, or with all of it where none is named."""
    # Only gRPC probes need HTTP/2, and few pods have one.
    from h2.config import H2Configuration  # noqa: PLC0415
    from h2.connection import H2Connection  # noqa: PLC0415
    from h2.exceptions import ProtocolError  # noqa: PLC0415

    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    connection.send_headers(_STREAM, _request_headers(authority))
    connection.send_data(_STREAM, _request(service), end_stream=True)
    answer = _Answer()
    try:
        while not answer.is_over and len(answer.body) <= _ANSWER_BYTES_MAX:
            writer.write(connection.data_to_send())
            data = await reader.read(_READ_BYTES)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            for event in connection.receive_data(data):
                _note(event, answer)
    except (OSError, ProtocolError, UnicodeDecodeError) as error:
        if isinstance(error, TimeoutError):
            raise
        return f"error: health rpc probe failed: rpc error: code = Unavailable desc = {error}"
    return answer.problem()


def _request_headers(authority: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", _METHOD),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/1.33"),
    ]


def _note(event: "Event", answer: _Answer) -> None:
    from h2 import events  # noqa: PLC0415 - loaded by now.

    match event:
        case events.ResponseReceived() | events.TrailersReceived():
            answer.headers |= {str(name): str(value) for name, value in event.headers or ()}
        case events.DataReceived():
            answer.body += event.data or b""
        case events.StreamEnded() | events.StreamReset() | events.ConnectionTerminated():
            answer.is_over = True


def _request(service: str) -> bytes:
    """Return a HealthCheckRequest behind gRPC's prefix: not compressed, length."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _serving_status(body: bytes) -> int:
    """Return the status of a HealthCheckResponse; its zero is not sent."""
    message = body[5:]
    return message[1] if len(message) > 1 and message[0] == 0x08 else 0
