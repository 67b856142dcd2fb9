"""HTTP for the programs that stand for images (whoami, nginx): the standard library's server.

A function answers every request, whatever its method; connections are kept alive. It is for pods
of a lab and no other clients. It shares the zygote's pages, so a pod costs 5 MiB.
"""

import contextlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

BODY_BYTES_MAX: Final = 1024 * 1024
#: A connection on which nothing is asked for so long is closed.
IDLE_S: Final = 75.0
#: The first request may take so long to come; a TCP connection alone is no client.
FIRST_REQUEST_S: Final = 10.0
#: Connections served at once, a thread each. For a further one the longest waiting goes; while all
#: are being answered, it waits in the backlog.
CONNECTIONS_MAX: Final = 512
BACKLOG: Final = 1024
#: How long answers under way have when the server ends.
LAST_ANSWERS_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
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
class HttpResponse:
    """One answer."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    server: str = ""


Answer = Callable[[HttpRequest], HttpResponse]


class _Conversation(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # Nonsense gets a status line, too.
    timeout = FIRST_REQUEST_S
    wbufsize = -1  # Head and body in one write: Nagle's algorithm would hold the body back.
    server: "AnswerServer"

    def _answer(self) -> None:
        self.server.busy(self.connection)
        try:
            self._answer_one()
            self.wfile.flush()  # Before it waits: who waits may be ended.
        finally:
            self.connection.settimeout(IDLE_S)
            self.server.waits(self.connection)

    def _answer_one(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.send_error(HTTPStatus.BAD_REQUEST)
            self.close_connection = True
            return
        request = HttpRequest(
            method=self.command,
            target=self.path,
            version=self.request_version,
            headers=tuple(self.headers.items()),
            body=self.rfile.read(int(length)),
            remote=remote_text(self.client_address),
        )
        self._send(self.server.answer(request))

    def _send(self, response: HttpResponse) -> None:
        self.close_connection |= self.server.is_ending
        self.send_response_only(response.status)
        if response.server:
            self.send_header("Server", response.server)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Content-Type", response.content_type)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    # The names by which the standard library calls methods.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - The base's name.
        """Say nothing: what is written of a request is the program's to say."""


class AnswerServer(ThreadingHTTPServer):
    """Answers on a listening socket until `shutdown` or `end`."""

    def __init__(self, listener: socket.socket, answer: Answer) -> None:
        super().__init__(("", 0), _Conversation, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.answer = answer
        #: Whether clients are told to come back by another connection: it is for somebody else.
        self.is_ending = False
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        #: Connections that ask for nothing now, the longest waiting first; of several threads.
        self._waiting: dict[socket.socket, None] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; one that says nothing makes room."""
        if not self._free.acquire(blocking=False):
            self._displace()
            self._free.acquire()
        self.waits(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.busy(request)
            self._free.release()

    def busy(self, connection: socket.socket) -> None:
        """Note that a connection is being answered, or over: it is not ended to make room."""
        with self._lock:
            self._waiting.pop(connection, None)

    def waits(self, connection: socket.socket) -> None:
        """Note that a connection asks for nothing now."""
        with self._lock:
            self._waiting[connection] = None

    def end(self) -> None:
        """Accept no more, and wait for what is being answered; another thread is in `serve_forever`."""
        threading.Thread(target=self.shutdown, daemon=True).start()
        self.socket.shutdown(
            socket.SHUT_RDWR
        )  # Wakes the other thread, which finds that it is over.
        deadline = time.monotonic() + LAST_ANSWERS_S
        for connection in list(self._waiting):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # Its thread reads the end, and ends.
        for _ in range(CONNECTIONS_MAX):
            if not self._free.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
                return

    def _displace(self) -> None:
        with self._lock:
            oldest = next(iter(self._waiting), None)
            if oldest is not None:
                del self._waiting[oldest]
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # Its thread reads the end, and ends.

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that leave; a bug is written to stderr."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def remote_text(peer: tuple[Any, ...]) -> str:
    """Return the client as Go writes it: IPv4 plain, IPv6 in brackets."""
    host, port = peer[:2]
    if "." in host:
        host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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


_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def hold_ending_signals() -> None:
    """Keep them for `serve`: to be called before a thread is started, which would die of them.

    Blocked, since the kernel drops what the first process of a PID namespace has no handler for;
    and a handler that raises would break into whatever is being accepted.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def serve(port: int, answer: Answer, *, linger_s: float = 0.0) -> None:
    """Serve until SIGTERM or SIGINT, and `linger_s` longer: a second signal ends that.

    Called by the main thread; one that has started others has held the signals before.

    Raises:
        OSError: The port is taken, or not ours to take.
    """
    server = AnswerServer(listen(port), answer)
    hold_ending_signals()
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    signal.sigwait(_ENDING)
    server.is_ending = True
    signal.sigtimedwait(_ENDING, linger_s)
    server.end()
    serving.join()
