"""The ways to ask a container: HTTP, TCP, gRPC from its node, a command inside of it.

Words are kubelet's, so Go's where the network fails. Hooks use the same ways (`hooks`).
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from io import BytesIO
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from ciliate.lab.errors import KernelCallError, SpawnError, ZygoteGoneError
from ciliate.lab.kubelet.errors import ContainerNotFoundError
from ciliate.lab.kubelet.grpc_health import check_health
from ciliate.lab.kubelet.probe_schedule import Outcome, Verdict
from ciliate.lab.objects import Container, Handler, Json

#: One attempt, within so many seconds.
Attempt = Callable[[float], Awaitable[Outcome]]
#: Makes a TCP socket of an address family.
NewSocket = Callable[[socket.AddressFamily], Awaitable[socket.socket]]
#: Runs a command in the container: exit status, the first octets of what it printed.
Execute = Callable[[Sequence[str]], Awaitable[tuple[int, bytes]]]

#: The head of an answer, and the body of a redirect; what of a message an event tells.
BODY_BYTES_MAX: Final = 10 * 1024
OUTPUT_CHARACTERS_MAX: Final = 1024
_REDIRECTS_MAX: Final = 10
_AGENT: Final = "kube-probe/1.33"
_SUCCESS: Final = Outcome(Verdict.SUCCESS)


@dataclass(frozen=True, slots=True)
class ProbePlace:
    """From where a container is asked: sockets of its node's network; and how one gets inside."""

    new_socket: NewSocket
    address: str
    execute: Execute


def attempt_of(container: Container, handler: Handler, place: ProbePlace) -> Attempt | None:
    """Return what a probe does; None: it names nothing to do."""
    if handler.exec is not None:
        command = tuple(handler.exec.get("command") or ())
        return lambda timeout_s: _ask_by_command(place, command, timeout_s)
    if (said := handler.http_get) is not None:
        request = http_request(container, said, place)
        return lambda timeout_s: _ask_by_http(place, request, timeout_s)
    if (said := handler.tcp_socket) is not None:
        target = _target(container, said, place)
        return lambda timeout_s: _ask_by_tcp(place, target, timeout_s)
    if (said := handler.grpc) is not None:
        target, service = _target(container, said, place), str(said.get("service") or "")
        return lambda timeout_s: _ask_by_grpc(place, target, service, timeout_s)
    return None


@dataclass(frozen=True, slots=True)
class Target:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as Go writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A GET; headers as the manifest has them."""

    url: str
    headers: tuple[tuple[str, str], ...]


def http_request(container: Container, said: Json, place: ProbePlace) -> HttpRequest:
    """Return what an `httpGet` asks."""
    scheme = str(said.get("scheme") or "HTTP").lower()
    path = str(said.get("path") or "/")
    headers = tuple(
        (str(each["name"]), str(each.get("value", ""))) for each in said.get("httpHeaders") or ()
    )
    slash = "" if path.startswith("/") else "/"
    return HttpRequest(f"{scheme}://{_target(container, said, place)}{slash}{path}", headers)


def _target(container: Container, said: Json, place: ProbePlace) -> Target:
    return Target(str(said.get("host") or place.address), _port_number(container, said))


def _port_number(container: Container, said: Json) -> int:
    wanted = said.get("port", 0)
    if isinstance(wanted, int):
        return wanted
    for port in container.ports:
        if port.name == wanted:
            return port.container_port
    return int(wanted) if str(wanted).isdecimal() else 0


async def _ask_by_command(place: ProbePlace, command: Sequence[str], timeout_s: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout_s):
            code, output = await place.execute(command)
    except TimeoutError:
        return _failure(f'command "{" ".join(command)}" timed out')
    except SpawnError as error:
        name = command[0] if command else ""
        return _error(f'unable to start container process: exec: "{name}": {error.problem}')
    except (ZygoteGoneError, ContainerNotFoundError, OSError) as error:
        return _error(str(error))
    return _SUCCESS if code == 0 else _failure(output.decode(errors="replace"))


async def _ask_by_tcp(place: ProbePlace, target: Target, timeout_s: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _connect(place, target)
    except TimeoutError:
        return _failure(f"dial tcp {target}: i/o timeout")
    except OSError as error:
        return _failure(f"dial tcp {target}: {go_words(error)}")
    except KernelCallError as error:
        return _error(str(error))
    connection.close()
    return _SUCCESS


async def _ask_by_grpc(
    place: ProbePlace, target: Target, service: str, timeout_s: float
) -> Outcome:
    connection = None
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _connect(place, target)
            reader, writer = await asyncio.open_connection(sock=connection)
            try:
                problem = await check_health(
                    reader, writer, authority=str(target), service=service
                )
            finally:
                writer.close()
    except TimeoutError:
        if connection is not None:
            return _failure(f"timeout: health rpc did not complete within {timeout_s:g}s")
        return _failure(f'timeout: failed to connect service "{target}" within {timeout_s:g}s')
    except OSError as error:
        return _failure(f'error: failed to connect service at "{target}": {go_words(error)}')
    except KernelCallError as error:
        return _error(str(error))
    return _failure(problem) if problem else _SUCCESS


async def _ask_by_http(place: ProbePlace, request: HttpRequest, timeout_s: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout_s):
            status, body = await get(place, request)
    except TimeoutError:
        late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return _failure(f'Get "{request.url}": {late}')
    except OSError as error:
        shown = urlsplit(request.url).netloc
        return _failure(f'Get "{request.url}": dial tcp {shown}: {go_words(error)}')
    except ValueError as error:
        return _failure(f'Get "{request.url}": {error}')
    except KernelCallError as error:
        return _error(str(error))
    if not 200 <= status < 400:
        return _failure(f"HTTP probe failed with statuscode: {status}")
    if status >= 300:
        shown = body.decode(errors="replace")
        message = f"Probe terminated redirects, Response body: {shown}"
        return Outcome(Verdict.WARNING, message[:OUTPUT_CHARACTERS_MAX])
    return _SUCCESS


async def ask_unix(path: str, target: str, timeout_s: float) -> Outcome:
    """Ask a server behind a Unix socket by HTTP."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path)
            url = urlsplit(f"http://localhost{target}")
            status, _, _ = await _converse(reader, writer, url, ())
    except (OSError, TimeoutError, ValueError) as error:
        return _failure(str(error))
    return _SUCCESS if 200 <= status < 400 else _failure(f"status {status}")


async def get(place: ProbePlace, request: HttpRequest) -> tuple[int, bytes]:
    """Return status and body of a GET; redirects to the same host are followed.

    Raises:
        OSError: Nothing answered.
        ValueError: What answered was no HTTP.
        KernelCallError: The node's network could not be entered.
    """
    url = request.url
    for _ in range(_REDIRECTS_MAX):
        status, location, body = await _get_one(place, url, request.headers)
        following = urljoin(url, location)
        is_away = urlsplit(following).hostname != urlsplit(url).hostname
        if not 300 <= status < 400 or not location or is_away:
            return status, body
        url = following
    raise ValueError(f"stopped after {_REDIRECTS_MAX} redirects")


async def _get_one(
    place: ProbePlace, url: str, headers: Sequence[tuple[str, str]]
) -> tuple[int, str, bytes]:
    """Return status, Location and the body's beginning."""
    parts = urlsplit(url)
    is_https = parts.scheme == "https"
    host = parts.hostname or ""
    connection = await _connect(place, Target(host, parts.port or (443 if is_https else 80)))
    # Certificates are not checked, as kubelet does not: a pod's address is in none.
    tls = _trusting_anyone() if is_https else None
    reader, writer = await asyncio.open_connection(
        sock=connection, ssl=tls, server_hostname=host if is_https else None, limit=BODY_BYTES_MAX
    )
    return await _converse(reader, writer, parts, headers)


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parts: SplitResult,
    headers: Sequence[tuple[str, str]],
) -> tuple[int, str, bytes]:
    try:
        writer.write(_head(parts, headers))
        status, found = _parsed(await _read_head(reader))
        body = b""
        if 300 <= status < 400 and (length := found.get("Content-Length", "")).isdecimal():
            body = await reader.read(min(int(length), BODY_BYTES_MAX))
        return status, found.get("Location", ""), body
    finally:
        writer.close()


def _trusting_anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _head(parts: SplitResult, headers: Sequence[tuple[str, str]]) -> bytes:
    sent = {"host": parts.netloc, "user-agent": _AGENT, "accept": "*/*", "connection": "close"}
    own = {name.lower() for name, _ in headers}
    lines = [f"{name.title()}: {value}" for name, value in sent.items() if name not in own]
    lines += [f"{name}: {value}" for name, value in headers if value or name.lower() not in sent]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise ValueError("EOF") from error
        raise ValueError("malformed HTTP response") from error
    except asyncio.LimitOverrunError as error:
        raise ValueError("server response headers exceeded the limit") from error


def _parsed(head: bytes) -> tuple[int, Message]:
    """Return an answer's status and headers."""
    line, _, rest = head.partition(b"\r\n")
    words = line.split(b" ", 2)
    if not words[0].startswith(b"HTTP/") or len(words) < 2 or not words[1].isdigit():
        shown = line.decode("latin-1")[:80]
        raise ValueError(f'malformed HTTP response "{shown}"')
    return int(words[1]), parse_headers(BytesIO(rest))


async def _connect(place: ProbePlace, target: Target) -> socket.socket:
    """Return a connection that was made in the node's network.

    Raises:
        OSError: It was refused, or the name is unknown.
        KernelCallError: The node's network could not be entered.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    family, _, _, _, address = found[0]
    connection = await place.new_socket(family)
    connection.setblocking(False)
    try:
        await loop.sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def go_words(error: OSError) -> str:
    """Return what Go says of a failed connection."""
    if isinstance(error, ssl.SSLError):  # Its numbers are OpenSSL's.
        return f"tls: {error.reason}"
    if error.errno is not None and error.errno in errno.errorcode:
        return f"connect: {os.strerror(error.errno).lower()}"
    return str(error)


def _failure(message: str) -> Outcome:
    return Outcome(Verdict.FAILURE, message[:OUTPUT_CHARACTERS_MAX])


def _error(message: str) -> Outcome:
    return Outcome(Verdict.ERROR, message[:OUTPUT_CHARACTERS_MAX])
