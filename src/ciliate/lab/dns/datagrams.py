"""Questions by UDP, on one socket.

An answer's source is the address that the question came to: left to routing, it would be that of the
interface, and its client, connected or not, would not take it (ip(7), IP_PKTINFO; RFC 3542, section 6).
"""

import asyncio
import contextlib
import socket
from typing import Any, Final

from ciliate.lab.dns.counts import Way
from ciliate.lab.dns.responder import Responder, Response

#: Answered before other work of the loop has its turn.
_AT_ONCE: Final = 32
_DATAGRAM_BYTES_MAX: Final = 65535
_ANCILLARY_BYTES: Final = 128
#: Room for questions that wait; the kernel gives less where its limit is lower.
_WAITING_BYTES: Final = 1 << 20
#: Not in Python's `socket` before 3.12.
_IP_PKTINFO: Final = 8

_Ancillary = list[tuple[int, int, bytes]]


class DatagramServer:
    """Answers what comes to a bound socket, which is its own from now on."""

    def __init__(
        self, bound: socket.socket, responder: Responder, tasks: asyncio.TaskGroup
    ) -> None:
        self._socket = bound
        self._responder = responder
        self._tasks = tasks
        self._way = Way("udp", "1" if bound.family == socket.AF_INET else "2")

    def open(self) -> None:
        """Answer from now on."""
        if self._socket.family == socket.AF_INET:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WAITING_BYTES)
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Answer no more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, _, client = self._socket.recvmsg(
                    _DATAGRAM_BYTES_MAX, _ANCILLARY_BYTES
                )
            except BlockingIOError:
                return
            except OSError:
                continue  # An answer's ICMP error, told at the next call (udp(7)).
            self._respond(self._responder.respond(data, self._way), _source(ancillary), client)

    def _respond(self, response: Response, source: _Ancillary, client: Any) -> None:
        if isinstance(response, bytes):
            self._send(response, source, client)
        elif response is not None:
            self._tasks.create_task(self._respond_later(response, source, client))

    async def _respond_later(self, response: Any, source: _Ancillary, client: Any) -> None:
        self._send(await response, source, client)

    def _send(self, wire: bytes, source: _Ancillary, client: Any) -> None:
        # A full buffer, a client that left, a closed socket: a datagram may be lost.
        with contextlib.suppress(OSError):
            self._socket.sendmsg([wire], source, 0, client)


def _source(ancillary: _Ancillary) -> _Ancillary:
    """Return what has an answer sent from where its question was sent to."""
    return [
        # struct in_pktinfo: interface, local address of the route, destination in the header. For
        # sending, the second one counts.
        (level, kind, info[:4] + info[8:12] + bytes(4)) if kind == _IP_PKTINFO else item
        for item in ancillary
        for level, kind, info in [item]
        if kind in (_IP_PKTINFO, socket.IPV6_PKTINFO)
    ]
