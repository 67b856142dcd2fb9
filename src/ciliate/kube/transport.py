"""Bytes to and from the API server: one HTTP session, its time limits, its errors.

With `web_socket` the only module that knows aiohttp. Everything that can go wrong on the way leaves as a
`KubeError`. A request has a total limit; a watch has none but is read with a limit on silence:
after `silence_s` without a byte from the server on any connection it is asked for /livez. A
stopped or vanished server is noticed that way within `silence_s` plus `probe_s`, though its
kernel may go on acknowledging.

Nothing is retried here: whether repeating is right, the caller knows.
"""

import asyncio
import contextlib
import socket
import ssl
import time
import weakref
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import AddrInfoType

from ciliate import __version__
from ciliate.kube.credentials import Credentials
from ciliate.kube.errors import KubeconfigError, KubeError, UnavailableError
from ciliate.kube.status import Status, error_of, parse_status
from ciliate.kube.web_socket import WebSocket, keep_alive
from ciliate.net.address import IPAddress, ip_address

#: An answer larger than this is refused. Lists come in chunks; the API's limit of an object is
#: 1.5 MiB in etcd.
_READ_BUFFER_BYTES: Final = 256 * 1024

#: A connection whose data nobody acknowledges for so long is given up: its path, its other end or
#: the address of this end is gone. The kernel alone would try for a quarter of an hour.
_UNACKNOWLEDGED_S: Final = 10.0

#: How long the other end of a WebSocket may take to say that it has closed too.
_CLOSE_S: Final = 2.0

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds.

    `request_s` covers a whole request and its answer; the API server's own limit is 60.
    `connect_s` covers TCP and TLS. `silence_s` is how long a watch may say nothing before the
    server is probed, `probe_s` how long the probe may take.
    """

    request_s: float = 30.0
    connect_s: float = 5.0
    silence_s: float = 15.0
    probe_s: float = 5.0


class Transport:
    """An HTTP session with one API server; used inside one event loop, closed once."""

    def __init__(self, credentials: Credentials, *, limits: Limits, user_agent: str) -> None:
        self.limits = limits
        self._credentials = credentials
        self._user_agent = f"{user_agent}/{__version__}"
        self._session: aiohttp.ClientSession | None = None
        self._heard_at = float("-inf")  # Monotonic seconds; any byte from the server counts.
        self._silent_at = float("-inf")  # When a probe last failed.
        self._probing = asyncio.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    @property
    def server(self) -> str:
        """The server's URL, for messages."""
        return self._credentials.server

    @property
    def field_manager(self) -> str:
        """What the API server calls us in managedFields, since no request says another name."""
        return self._user_agent.partition("/")[0]

    async def close(self) -> None:
        """Close every connection; watches in progress fail."""
        if self._session is not None:
            await self._session.close()

    def give_up(self, addresses: Collection[IPAddress]) -> int:
        """End the connections that come from these addresses; return how many.

        The machine has lost them: nothing would arrive any more, and the kernel would tell only
        when its probes had failed. What is under way fails as when the server goes away.
        """
        count = 0
        for connection in tuple(self._sockets):
            # Closed already, not connected, or from an address with a scope: a link-local one.
            with contextlib.suppress(OSError, ValueError):
                if ip_address(connection.getsockname()[0]) in addresses:
                    connection.shutdown(socket.SHUT_RDWR)
                    count += 1
        return count

    async def request(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        target: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """Return the body of a successful answer.

        Raises:
            KubeError: By the kind of failure; `verb` and `target` name it.
        """
        with _as_unavailable(verb, target, self.server):
            headers = {"Accept": accept} | await self._credentials.token.header()
            if body is not None:
                headers["Content-Type"] = content_type
            async with self._open_session().request(
                method,
                self.server + path,
                params=params,
                data=body,
                headers=headers,
                allow_redirects=False,
                server_hostname=self._credentials.tls_server_name or None,
            ) as response:
                answer = await response.read()
        self._heard_at = time.monotonic()
        if not 200 <= response.status < 300:
            self._credentials.token.refused(response.status)
            raise _refusal(response, answer, verb=verb, target=target)
        return answer

    async def stream(
        self, path: str, *, verb: str, target: str, params: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of an answer without an end, as they come; the first is empty.

        The empty piece means that the server has accepted.

        Raises:
            KubeError: The server refused, went away, or fell silent and did not answer a probe.
        """
        unlimited = aiohttp.ClientTimeout(total=None, sock_connect=self.limits.connect_s)
        with _as_unavailable(verb, target, self.server):
            headers = {"Accept": JSON} | await self._credentials.token.header()
            request = self._open_session().get(
                self.server + path,
                params=params,
                headers=headers,
                timeout=unlimited,
                allow_redirects=False,
                server_hostname=self._credentials.tls_server_name or None,
            )
            async with asyncio.timeout(self.limits.request_s):
                response = await request
            async with response:
                if response.status != 200:
                    async with asyncio.timeout(self.limits.request_s):
                        answer = await response.read()
                    self._credentials.token.refused(response.status)
                    raise _refusal(response, answer, verb=verb, target=target)
                _keep_alive(response)
                self._heard_at = time.monotonic()
                yield b""
                while piece := await self._read(response):
                    yield piece

    async def messages(
        self,
        path: str,
        *,
        verb: str,
        target: str,
        params: Sequence[tuple[str, str]],
        protocols: Sequence[str],
    ) -> AsyncGenerator[bytes, None]:
        """Yield the messages that a WebSocket brings, until the server closes it.

        No limit of time: the caller has one.

        Raises:
            KubeError: The server refused, or went away.
        """
        opened = self.web_socket(
            path,
            verb=verb,
            target=target,
            params=params,
            protocols=protocols,
            heartbeat_s=self.limits.silence_s,
        )
        async with opened as channel:
            while (message := await channel.receive()) is not None:
                yield message

    @contextlib.asynccontextmanager
    async def web_socket(
        self,
        path: str,
        *,
        verb: str,
        target: str,
        params: Sequence[tuple[str, str]],
        protocols: Sequence[str],
        message_bytes_max: int = 0,
        heartbeat_s: float | None = None,
    ) -> AsyncGenerator[WebSocket, None]:
        """Open a WebSocket for as long as the block takes; no limit of time or, with 0, of size.

        With a heartbeat, an end that does not answer it is gone, be it that it has stopped reading.

        Raises:
            KubeError: The server refused, or went away.
        """
        with _as_unavailable(verb, target, self.server):
            headers = await self._credentials.token.header()
            try:
                response = await self._open_session().ws_connect(
                    self.server + path,
                    params=params,
                    headers=headers,
                    protocols=protocols,
                    server_hostname=self._credentials.tls_server_name or None,
                    max_msg_size=message_bytes_max,
                    heartbeat=heartbeat_s,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
            except aiohttp.WSServerHandshakeError as error:
                self._credentials.token.refused(error.status)
                await self._explain(path, verb, target, params, error.status)
                raise error_of(
                    Status(message=error.message), verb=verb, target=target, code=error.status
                ) from error
        try:
            yield WebSocket(response, verb=verb, target=target)
        finally:
            # An end that has stopped reading takes no farewell either: the connection is cut then.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await response.close()

    async def _explain(
        self, path: str, verb: str, target: str, params: Sequence[tuple[str, str]], status: int
    ) -> None:
        """Raise what the server says of a refused WebSocket, whose answer nobody has read.

        The same is asked once more without one: who is refused is refused before the server sees that
        this is no WebSocket, and nothing is done for who is not.
        """
        if status not in (401, 403, 404):
            return
        try:
            await self.request("GET", path, verb=verb, target=target, params=dict(params))
        except KubeError as error:
            if error.status == status:
                raise

    async def confirm_alive(self, *, silence_s: float = 0) -> None:
        """Return if the server was heard in the last `silence_s` or answers a probe now.

        Any answer counts, also a refusal. Concurrent callers share one probe's outcome.

        Raises:
            UnavailableError: It did not answer within the probe's limit.
        """
        asked_at = time.monotonic()
        async with self._probing:
            if self._heard_at > asked_at - silence_s:
                return
            if self._silent_at < asked_at and await self._probe():
                return
        raise UnavailableError(
            verb="probe",
            target=self.server,
            detail=f"no answer within {self.limits.probe_s:g} s; the connection is given up",
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the next piece of a stream, empty at its end."""
        while True:
            try:
                async with asyncio.timeout(self.limits.silence_s):
                    piece = await response.content.readany()
            except TimeoutError:
                await self.confirm_alive(silence_s=self.limits.silence_s)
            else:
                self._heard_at = time.monotonic()
                return piece

    async def _probe(self) -> bool:
        """Ask for /livez; return whether anything came back, and note when."""
        try:
            async with self._open_session().get(
                f"{self.server}/livez",
                headers=await self._credentials.token.header(),
                timeout=aiohttp.ClientTimeout(total=self.limits.probe_s),
                server_hostname=self._credentials.tls_server_name or None,
            ) as response:
                await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError, KubeconfigError):
            self._silent_at = time.monotonic()
            return False
        self._heard_at = time.monotonic()
        return True

    def _new_socket(self, target: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = target
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        made.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(_UNACKNOWLEDGED_S * 1000)
        )
        self._sockets.add(made)
        return made

    def _open_session(self) -> aiohttp.ClientSession:
        # Made on first use, because aiohttp binds it to the running loop.
        if self._session is None:
            limits = self.limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._credentials.tls or True, socket_factory=self._new_socket
                ),
                timeout=aiohttp.ClientTimeout(
                    total=limits.request_s, sock_connect=limits.connect_s
                ),
                headers={"User-Agent": self._user_agent},
                read_bufsize=_READ_BUFFER_BYTES,
            )
        return self._session


@contextlib.contextmanager
def _as_unavailable(verb: str, target: str, server: str) -> Iterator[None]:
    """Turn what aiohttp and the socket raise into an UnavailableError."""
    try:
        yield
    except TimeoutError as error:
        detail = f"no answer from {server} in time"
        raise UnavailableError(verb=verb, target=target, detail=detail) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        detail = f"no secure connection to {server}: {error}"
        raise UnavailableError(verb=verb, target=target, detail=detail) from error
    except KubeconfigError as error:  # A token's file vanished: it may come back.
        raise UnavailableError(verb=verb, target=target, detail=str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        detail = f"no connection to {server}: {error}"
        raise UnavailableError(verb=verb, target=target, detail=detail) from error


def _refusal(
    response: aiohttp.ClientResponse, answer: bytes, *, verb: str, target: str
) -> KubeError:
    return error_of(
        parse_status(answer),
        verb=verb,
        target=target,
        code=response.status,
        retry_after_s=_seconds(response.headers.get("Retry-After", "")),
    )


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """Let the kernel test an idle connection: a firewall may have forgotten it.

    The probe of a silent server uses another connection and does not notice that.
    """
    transport = response.connection.transport if response.connection else None
    connection = transport.get_extra_info("socket") if transport else None
    if connection is not None:
        keep_alive(connection)


def _seconds(text: str) -> float:
    """Return a Retry-After in seconds; the other form of it, a date, is ignored."""
    return float(text) if text.isdecimal() else 0.0
