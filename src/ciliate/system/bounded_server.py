"""Accepts connections within bounds: the one way in which we listen, over TCP and Unix sockets.

A connection costs a descriptor until its first octet is there; only then does it get a transport,
and TLS where the server has it. It is ended when no whole request comes in time, or when it waits
and another one needs its place (`admission`). What requests are, the protocol knows: it tells by
`Connection.begin` and `end`, for HTTP in `http_server`. An answer is not over with its request: who
takes it slowly is busy until all of it is taken, as long as it goes on taking (`untaken`).

No failure of `accept` ends or spins a server: without descriptors it ends who waits, and pauses.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from asyncio import sslproto
from collections.abc import Callable, Hashable
from typing import Any, Final

from ciliate.system.admission import Admission, Bounds, NoRoomError
from ciliate.system.listener_counts import Ending, counts_of
from ciliate.system.untaken import SlowTakers, in_kernel_bytes

#: Accepted before other work of the loop has its turn.
_ACCEPTS_AT_ONCE: Final = 64
#: How long nothing is accepted when the process has no descriptor left, or another fault stays.
PAUSE_S: Final = 0.2
#: How often connections are looked at for having waited too long.
_SWEEP_S: Final = 0.5
#: Who vanished without a word is noticed after 60 + 4 * 15 s, also by a request that lasts.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
#: SO_LINGER with no time to linger: close sends a reset (socket(7)).
_RESET: Final = struct.pack("ii", 1, 0)
#: Octets of TLS read at once, a buffer of its own for each connection. asyncio's 256 KiB are half of
#: what a connection costs; a record has 16 KiB at most (RFC 8446, section 5.1).
_TLS_BUFFER_BYTES: Final = 32 * 1024
sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES

Factory = Callable[[], asyncio.BaseProtocol]


class Connection(asyncio.Protocol):
    """One accepted connection; stands between its transport and the protocol that serves it."""

    def __init__(self, server: "BoundedServer", accepted: socket.socket, since: float) -> None:
        self._server = server
        self._accepted = accepted
        self._is_silent = True  # Until its first octet: there is no transport yet.
        self._opening: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._inner: Any = None  # Some asyncio.Protocol, which is what our own factories make.
        self._has_asked = False
        self._requests = 0  # Under way: `begin` less `end`.
        self._may_pause = False
        self.since = since  # When it began to wait, by the loop's clock.

    def begin(self) -> None:
        """Note that a whole request is there."""
        self._has_asked = True
        self._requests += 1
        self._server.admission.busy(self)

    def end(self) -> None:
        """Note that the request is answered, as far as its handler knows: another may follow."""
        self._requests -= 1
        self.rest()

    def rest(self) -> None:
        """Count as waiting for the next request from now on, unless there is one under way."""
        if not self._requests:
            self.since = asyncio.get_running_loop().time()
            self._server.admission.idle(self)

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way."""
        return self._requests > 0

    def let_pause(self) -> None:
        """Allow the client to take nothing for as long as it likes: a person reads along.

        One that is gone is noticed nevertheless, by the kernel's own time-outs.
        """
        self._may_pause = True
        with contextlib.suppress(OSError):  # A Unix socket has no such bound.
            self._accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)

    def untaken_bytes(self) -> int:
        """Return how much of its answers the client has not taken yet, and should have."""
        if self._transport is None or not self._has_asked or self._may_pause:
            return 0
        return self._transport.get_write_buffer_size() + in_kernel_bytes(self._accepted)

    def await_first_octet(self, *, tls: ssl.SSLContext | None, factory: Factory) -> None:
        """Open the connection once its client says something; a plugin has done so already."""
        loop = asyncio.get_running_loop()
        accepted = self._accepted

        def look() -> bool:
            try:
                gone = not accepted.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError:
                gone = True
            loop.remove_reader(accepted)
            if gone:
                self.abort()
            else:
                self._opening = loop.create_task(self._open(tls, factory))
            return True

        if not look():
            loop.add_reader(accepted, look)

    async def _open(self, tls: ssl.SSLContext | None, factory: Factory) -> None:
        self._inner = factory()
        self._is_silent = False
        timeout_s = self._server.bounds.request_s if tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self, self._accepted, ssl=tls, ssl_handshake_timeout=timeout_s
            )
        except (OSError, EOFError) as error:  # No handshake: the transport has been closed.
            del error
            self._server.left(self)
        except asyncio.CancelledError:
            self._server.left(self)
            raise
        finally:
            self._opening = None

    def abort(self) -> None:
        """End it at once, whatever it does; what was not sent is lost.

        TCP ends by a reset: else each of a flood's connections would leave a minute of TIME-WAIT.
        """
        with contextlib.suppress(OSError):  # It may be closed, or no TCP socket.
            self._accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if self._transport is not None and self._transport.is_closing():
            # TLS waits for its peer to take leave, and this transport cannot be aborted any more.
            with contextlib.suppress(OSError):
                self._accepted.shutdown(socket.SHUT_RDWR)
        elif self._transport is not None:
            self._transport.abort()
        elif self._opening is not None:
            self._opening.cancel()  # Closes the socket with the transport, once it has begun.
        if self._is_silent:
            self._is_silent = False
            asyncio.get_running_loop().remove_reader(self._accepted)
            self._accepted.close()
        self._server.left(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on; TLS, where there is, stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the connection's place, and pass on."""
        self._transport = None
        self._server.left(self)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        keep: bool | None = self._inner.eof_received()
        return keep

    def pause_writing(self) -> None:
        """Pass on: the client takes slower than we write."""
        if self._has_asked:
            self._server.takes_slowly(self)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on: the client has taken most of it."""
        self._server.has_taken(self)
        self._inner.resume_writing()


def connection_of(transport: asyncio.BaseTransport | None) -> Connection | None:
    """Return the connection that a transport belongs to; None when it is closed."""
    if transport is None or transport.is_closing():
        return None
    found = transport.get_protocol()
    return found if isinstance(found, Connection) else None


class BoundedServer:
    """Serves a protocol on any number of listening sockets, within the same bounds."""

    def __init__(
        self, name: str, factory: Factory, bounds: Bounds, *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Make protocols by `factory`; `name` is the listener's in the log and in metrics."""
        self.bounds = bounds
        self.admission: Admission[Connection] = Admission(bounds)
        self._factory = factory
        self._tls = tls
        self._counts = counts_of(name)
        self._names: dict[Connection, str] = {}  # Peers, as the log names them.
        self._takers: SlowTakers[Connection] = SlowTakers()
        self._listeners: set[socket.socket] = set()
        self._paused: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    def listen(self, listener: socket.socket) -> None:
        """Accept on a socket that listens already; it is ours from now on."""
        listener.setblocking(False)
        self._listeners.add(listener)
        if self._paused is None:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS by another context from now on; connections stay."""
        self._tls = context

    def close(self, *listeners: socket.socket) -> None:
        """Accept no more on these sockets, or on any, and close them; connections stay."""
        loop = asyncio.get_running_loop()
        for listener in listeners or tuple(self._listeners):
            loop.remove_reader(listener)
            listener.close()
            self._listeners.discard(listener)

    def end(self) -> None:
        """Accept no more, and end every connection."""
        self.close()
        for timer in (self._paused, self._sweeping):
            if timer is not None:
                timer.cancel()
        self._paused = self._sweeping = None
        for connection in self.admission.everyone():
            connection.abort()

    def left(self, connection: Connection) -> None:
        """Forget a connection that is gone; again, nothing happens."""
        self.admission.leave(connection)
        self._takers.forget(connection)
        if self._names.pop(connection, None) is not None:
            self._counts.open -= 1

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # It was gone before we came (accept(2)).
            except OSError as error:
                # EMFILE and its kin, or a fault that stays: the socket would be ready for ever.
                self._pause(error)
                return
            self._admit(accepted, address)

    def _admit(self, accepted: socket.socket, address: Any) -> None:
        peer, name = peer_of(accepted.family, address)
        try:
            displaced = self._spare_takers(lambda: self.admission.displaced_by(peer))
        except NoRoomError:
            Connection(self, accepted, 0.0).abort()
            self._counts.end(Ending.REFUSED, name)
            return
        if displaced is not None:
            self._end(displaced, Ending.DISPLACED)
        loop = asyncio.get_running_loop()
        connection = Connection(self, accepted, loop.time())
        self.admission.enter(connection, peer)
        self._names[connection] = name
        self._counts.accepted += 1
        self._counts.open += 1
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # It may be closed already.
                for option in _KEEPALIVE:
                    accepted.setsockopt(*option)
                untaken_ms = round(self.bounds.untaken_s * 1000)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, untaken_ms)
        connection.await_first_octet(tls=self._tls, factory=self._factory)
        if self._sweeping is None:
            self._sweeping = loop.call_later(_SWEEP_S, self._sweep)

    def _pause(self, error: OSError) -> None:
        expendable = self._spare_takers(self.admission.expendable)
        if expendable is not None:
            self._end(expendable, Ending.NO_DESCRIPTORS)
        else:
            self._counts.end(Ending.NO_DESCRIPTORS, f"nobody known ({error.strerror})")
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
        self._paused = loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._paused = None
        for listener in tuple(self._listeners):
            self.listen(listener)

    def takes_slowly(self, connection: Connection) -> None:
        """Count a connection as busy while its answer is on its way."""
        now = asyncio.get_running_loop().time()
        self._takers.note(connection, connection.untaken_bytes(), now=now)
        self.admission.busy(connection)

    def has_taken(self, connection: Connection) -> None:
        """Note progress; the rest of an answer whose handler is done is still on its way."""
        if connection in self._takers:
            self._takers.forget(connection)
            if not connection.is_answering:
                self.takes_slowly(connection)

    def _spare_takers(self, choose: Callable[[], Connection | None]) -> Connection | None:
        """Return who has to go by `choose`; who takes an answer yet is none that waits."""
        while (chosen := choose()) is not None and chosen.untaken_bytes():
            self.takes_slowly(chosen)
        return chosen

    def _look_at_takers(self, now: float) -> None:
        for connection in self._takers:
            left_bytes = connection.untaken_bytes()
            self._takers.note(connection, left_bytes, now=now)
            if not left_bytes:
                self._takers.forget(connection)
                connection.rest()
            elif self._takers.stalled_s(connection, now=now) >= self.bounds.untaken_s:
                self._end(connection, Ending.UNTAKEN)

    def _sweep(self) -> None:
        """End who has waited too long; everyone's limit is the same, so the first is the next."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._look_at_takers(now)
        limits = ((self.bounds.request_s, Ending.LATE), (self.bounds.idle_s, Ending.IDLE))
        for kind, (limit_s, ending) in enumerate(limits):
            while (waiting := self.admission.longest_waiting()[kind]) is not None:
                if now - waiting.since < limit_s:
                    break
                if waiting.untaken_bytes():
                    self.takes_slowly(waiting)
                else:
                    self._end(waiting, ending)
        self._sweeping = loop.call_later(_SWEEP_S, self._sweep) if self.admission else None

    def _end(self, connection: Connection, ending: Ending) -> None:
        self._counts.end(ending, self._names.get(connection, "?"))
        connection.abort()

    def end_late(self, connection: Connection) -> None:
        """End a connection whose request is not whole in time."""
        self._end(connection, Ending.LATE)


def peer_of(family: int, address: Any) -> tuple[Hashable, str]:
    """Return whose share a connection counts to, and a name for the log.

    That is a host's IPv4 address, and of IPv6 the /64, of which a host has as many addresses as it
    likes. Who connects to a Unix socket is root on this machine: all of them are one.
    """
    if family == socket.AF_UNIX:
        return "", "this machine"
    host = str(address[0])
    if family == socket.AF_INET6:
        octets = socket.inet_pton(family, host.partition("%")[0])
        mapped = octets.startswith(b"\0" * 10 + b"\xff\xff")
        return octets[12:] if mapped else octets[:8], host
    return socket.inet_aton(host), host
