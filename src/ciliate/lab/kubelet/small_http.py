"""A small HTTP/1.1 server for the programs that stand for images (whoami, nginx).

It keeps connections alive and answers GET and POST from a function; what it is not: a server for
anybody but a lab's own pods. aiohttp would cost each pod more memory than all of its work.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

#: A request's head may be this long; a longer one gets 431 and the connection ends.
HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 1024 * 1024
#: A connection on which nothing is asked for so long is closed.
IDLE_S: Final = 75.0
BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names as they came."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    remote: str

    def header(self, name: str) -> str:
        """Return the first header of that name, whatever its case, or nothing."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    server: str = ""


Answer = Callable[[Request], Response]


class _Connection(asyncio.Protocol):
    """One client's connection: collects a request, answers it, waits for the next."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._remote = ""
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._remote = _remote_text(transport.get_extra_info("peername"))
        self._restart_idle()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - Protocol's signature.
        self._transport = None
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._restart_idle()
        while self._transport is not None and self._take():
            pass

    def _restart_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._transport is not None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE_S, self._transport.close)

    def _take(self) -> bool:
        """Answer the first whole request in the buffer; False when there is none."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                self._send(Response(b"", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), last=True)
            return False
        head = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = tuple(_header(line) for line in head[1:])
        words = head[0].split(" ")
        length = next((value for key, value in headers if key.lower() == "content-length"), "0")
        if len(words) != 3 or not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self._send(Response(b"", HTTPStatus.BAD_REQUEST), last=True)
            return False
        whole = end + 4 + int(length)
        if len(self._buffer) < whole:
            return False
        body = bytes(self._buffer[end + 4 : whole])
        del self._buffer[:whole]
        request = Request(words[0], words[1], words[2], headers, body, self._remote)
        closing = request.header("connection").lower()
        last = closing == "close" or (request.version == "HTTP/1.0" and closing != "keep-alive")
        self._send(self._answer(request), last=last, with_body=request.method != "HEAD")
        return not last

    def _send(self, response: Response, *, last: bool, with_body: bool = True) -> None:
        assert self._transport is not None
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        if response.server:
            lines.append(f"Server: {response.server}")
        lines += [
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Length: {len(response.body)}",
            f"Content-Type: {response.content_type}",
        ]
        if last:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self._transport.write(head + response.body if with_body else head)
        if last:
            self._transport.close()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


def _remote_text(peer: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return the client as Go writes it: IPv4 plain, IPv6 in brackets."""
    host = peer[0].removeprefix("::ffff:") if "." in peer[0] else peer[0]
    return f"[{host}]:{peer[1]}" if ":" in host else f"{host}:{peer[1]}"


def listen(port: int) -> socket.socket:
    """Return a listening socket for both families, or for IPv4 where IPv6 is off.

    Raises:
        OSError: The port is taken, or not ours to take.
    """
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
            )
        except OSError as error:
            if error.errno not in (97, 99):  # EAFNOSUPPORT, EADDRNOTAVAIL: IPv6 is off here.
                raise
    return socket.create_server(("", port), backlog=BACKLOG)


def serve(port: int, answer: Answer) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(_serve(port, answer))


async def _serve(port: int, answer: Answer) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    server = await loop.create_server(lambda: _Connection(answer), sock=listen(port))
    async with server:
        await ending.wait()
