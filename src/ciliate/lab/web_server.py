"""The web server of the router and of the internet machine: it answers with its client's address.

    GET /            text: client=<address>:<port>, server=<machine>, address=<own>:<port>
    GET /bytes/N     N bytes
    GET /slow        a line every 0.1 s for as long as the client stays (?interval=S&count=N)
    GET /udp         who sent datagrams to the UDP echo on port 7, and how many

`Accept: application/json`, or `?format=json`, gives the first and last as JSON.

On the internet machine every client has the same address, 10.0.2.15. There the server listens once
per link, with a socket bound to it (SO_BINDTODEVICE): what the socket sends leaves by that link,
and two machines' connections with the same ports do not meet. New links are noticed. There it is
the name server of all machines, too (`lab/dns`).
"""

import argparse
import asyncio
import contextlib
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from aiohttp import web

from ciliate.lab.dns.counts import Counts
from ciliate.lab.dns.internet_zone import InternetZone
from ciliate.lab.dns.name_server import NameServer
from ciliate.lab.dns.responder import Responder
from ciliate.lab.link_sockets import bound, families
from ciliate.netlink.monitor import ChangeKind, Monitor
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer

_HTTP_PORT: Final = 80
_ECHO_PORT: Final = 7
_BACKLOG: Final = 1024
#: Of all clients together: masquerading gives those of a whole cluster one address.
_CONNECTIONS_MAX: Final = 8192

#: /bytes/N is sent in pieces of this size, so that no N costs memory.
_PIECE_BYTES: Final = 64 * 1024
_BYTES_MAX: Final = 1 << 40

#: Clients of the UDP echo that are remembered; beyond it the least active is forgotten.
_CLIENTS_MAX: Final = 1024

#: Room for datagrams that wait to be echoed, whatever the machine's limit is (socket(7)).
_SO_RCVBUFFORCE: Final = 33
_WAITING_BYTES: Final = 4 << 20

#: Datagrams echoed before other work has its turn.
_DATAGRAMS_AT_ONCE: Final = 64
_DATAGRAM_BYTES_MAX: Final = 65535

#: Not in Python's `socket` before 3.12.
_IP_PKTINFO: Final = 8

_STOP_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Echo:
    """UDP echo (RFC 862) on one socket, with a count per client.

    An answer's source is the address the datagram came to: left to routing, it would be that of
    the link (ip(7), IP_PKTINFO; RFC 3542, section 6 for IPv6).
    """

    socket: socket.socket
    counts: Counter[str]

    def open(self) -> None:
        """Echo from now on."""
        if self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        # On a busy machine we are late and lose nothing: an unanswered datagram was lost on its way.
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _WAITING_BYTES)
        self.socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self.socket, self._echo)

    def close(self) -> None:
        """Echo no more."""
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def _echo(self) -> None:
        # A full send buffer or an unreachable client loses the datagram, as UDP may.
        with contextlib.suppress(OSError):
            for _ in range(_DATAGRAMS_AT_ONCE):
                data, ancillary, _, client = self.socket.recvmsg(_DATAGRAM_BYTES_MAX, 128)
                self._count(_address_text(client))
                own = [item for item in ancillary if item[1] in (_IP_PKTINFO, socket.IPV6_PKTINFO)]
                self.socket.sendmsg([data], [_as_source(*item) for item in own], 0, client)

    def _count(self, client: str) -> None:
        if client not in self.counts and len(self.counts) >= _CLIENTS_MAX:
            del self.counts[self.counts.most_common()[-1][0]]
        self.counts[client] += 1


def _as_source(level: int, kind: int, info: bytes) -> tuple[int, int, bytes]:
    """The packet information of an answer: sent from where the question was sent to."""
    if kind == _IP_PKTINFO:
        # struct in_pktinfo: interface, local address of the route, destination in the header.
        # For sending, the second one counts.
        return level, kind, info[:4] + info[8:12] + bytes(4)
    return level, kind, info


@dataclass(slots=True)
class WebServer:
    """Serves on all addresses, or once per link."""

    machine: str
    per_link: bool
    #: Answers questions for names on port 53, where it is the name server.
    responder: Responder | None = None
    datagrams: Counter[str] = field(default_factory=Counter)
    _names: NameServer | None = None
    _links: dict[str, contextlib.ExitStack] = field(default_factory=dict)

    async def run(self) -> None:
        """Serve until cancelled."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=_STOP_S)
        bounds = Bounds.of_one_peer(share(_CONNECTIONS_MAX, listeners=1))
        server = HttpServer("web", runner, bounds)
        async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(server.stop)
            await server.start()
            if self.responder is not None:
                self._names = NameServer(self.responder, tasks)
                stack.callback(self._names.end)
            if not self.per_link:
                stack.enter_context(self._listening(server, None))
                await asyncio.get_running_loop().create_future()
            async with Monitor.open() as monitor:
                self._follow_links(server)
                async for change in monitor:
                    if change.kind in (ChangeKind.LINK, ChangeKind.RESYNC):
                        self._follow_links(server)

    def _follow_links(self, server: HttpServer) -> None:
        """Listen on the links that are there, and on no others."""
        present = {name for _, name in socket.if_nameindex()}
        for name in self._links.keys() - present:
            self._links.pop(name).close()
        for name in sorted(present - self._links.keys()):
            stack = contextlib.ExitStack()
            # A link that goes while it is opened is gone on the next change.
            with contextlib.suppress(OSError):
                stack.enter_context(self._listening(server, name))
                self._links[name] = stack

    @contextlib.contextmanager
    def _listening(self, server: HttpServer, link: str | None) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for family in families():
                stream = bound(family, socket.SOCK_STREAM, _HTTP_PORT, link)
                stack.callback(server.close, stream)
                stream.listen(_BACKLOG)
                server.listen(stream)
                datagram = bound(family, socket.SOCK_DGRAM, _ECHO_PORT, link)
                echo = Echo(datagram, self.datagrams)
                echo.open()
                stack.callback(echo.close)
                if self._names is not None:
                    stack.enter_context(self._names.on(family, link=link))
            yield

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/bytes/{count:[0-9]+}", self._bytes)
        application.router.add_get("/slow", self._slow)
        application.router.add_get("/udp", self._udp)
        application.router.add_get("/{path:.*}", self._whoami)
        return application

    async def _whoami(self, request: web.Request) -> web.Response:
        facts = {"client": _peer(request), "server": self.machine, "address": _own(request)}
        if _wants_json(request):
            return web.json_response(facts)
        return web.Response(text="".join(f"{name}={value}\n" for name, value in facts.items()))

    async def _bytes(self, request: web.Request) -> web.StreamResponse:
        left = int(request.match_info["count"])
        if left > _BYTES_MAX:
            raise web.HTTPBadRequest(text=f"at most {_BYTES_MAX} bytes\n")
        response = web.StreamResponse(headers={"Content-Length": str(left)})
        await response.prepare(request)
        piece = b"x" * _PIECE_BYTES
        while left:
            count = min(left, _PIECE_BYTES)
            await response.write(piece[:count])
            left -= count
        return response

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        try:
            interval_s = float(request.query.get("interval", "0.1"))
            count = int(request.query.get("count", "0"))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        response = web.StreamResponse()
        await response.prepare(request)
        sent = 0
        # count 0 goes on until the client leaves, which cancels this.
        while not count or sent < count:
            await response.write(f"{sent} client={_peer(request)}\n".encode())
            sent += 1
            await asyncio.sleep(interval_s)
        return response

    async def _udp(self, request: web.Request) -> web.Response:
        if _wants_json(request):
            return web.json_response(dict(self.datagrams))
        lines = (f"{client} {count}\n" for client, count in self.datagrams.most_common())
        return web.Response(text="".join(lines))


def _wants_json(request: web.Request) -> bool:
    if request.query.get("format") == "json":
        return True
    return "application/json" in request.headers.get("Accept", "")


def _peer(request: web.Request) -> str:
    return _text(request, "peername")


def _own(request: web.Request) -> str:
    return _text(request, "sockname")


def _text(request: web.Request, end: str) -> str:
    assert request.transport is not None
    return _address_text(request.transport.get_extra_info(end))


def _address_text(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(argv: list[str]) -> int:
    """Serve in the machine this process is in, until SIGTERM: `MACHINE [--per-link]`."""
    parser = argparse.ArgumentParser("web-server")
    parser.add_argument("machine")
    parser.add_argument("--per-link", action="store_true")
    parser.add_argument("--names-for", type=ip_address, action="append", default=[])
    words = parser.parse_args(argv)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        stop: Callable[[], bool] = task.cancel
        loop.add_signal_handler(signal.SIGTERM, stop)
        zone = InternetZone(words.names_for) if words.names_for else None
        responder = Responder(zone, Counts()) if zone else None
        with contextlib.suppress(asyncio.CancelledError):
            await WebServer(words.machine, words.per_link, responder).run()

    asyncio.run(serve())
    return 0
