"""The sockets of a network namespace that have a peer, and their end (sock_diag(7)).

Linux/inet_diag.h. A socket is named by addresses, ports and a cookie that no other one has, so
that never a younger one is ended in its stead.
"""

import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, from_octets, ip_address, socket_text
from ciliate.netlink.channel import BATCH_MESSAGES_MAX, Channel
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.message import Message, Request
from ciliate.netlink.numbers import NLM_F_ACK

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_SOCK_DESTROY: Final = 21

#: struct inet_diag_req_v2 before the socket's id: family, protocol, extensions, hole, states.
_REQUEST: Final = struct.Struct("=BBBxI")
#: struct inet_diag_sockid: ports, addresses and interface; the peer's are read here.
_ID: Final = struct.Struct("!2xH16x16s4x8x")
_COOKIE: Final = struct.Struct("=Q")  # The last of it, in the machine's order: two halves.
_ID_AT: Final = 4  # Of struct inet_diag_msg.
_MESSAGE_BYTES: Final = 72

#: With a peer, or on the way to one: ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT,
#: LAST_ACK, CLOSING (linux/tcp_states.h). A connected UDP socket is ESTABLISHED.
_WITH_PEER: Final = sum(1 << state for state in (1, 2, 4, 5, 8, 9, 11))

#: The kernel has no sock_diag of a protocol; it ends no sockets.
_LACKING: Final = (errno.ENOENT, errno.EOPNOTSUPP)


class SocketEndUnsupportedError(CiliateError):
    """The kernel cannot list sockets, or cannot end them."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(
            f"this kernel cannot {step}, which CONFIG_INET_UDP_DIAG and CONFIG_INET_DIAG_DESTROY are"
            " for"
        )


@dataclass(frozen=True, slots=True)
class PeeredSocket:
    """A socket and its peer.

    `family` is the socket's own: one of AF_INET6 may have an IPv4 peer. `cookie` is the kernel's
    number of it, given once until the next boot.
    """

    family: int
    protocol: int
    address: IPAddress
    port: int
    cookie: int
    name: bytes  # How the kernel is told which one is meant.


def peered_sockets(protocol: int) -> Iterator[PeeredSocket]:
    """Yield the sockets of this namespace that have a peer, of both families. Blocking.

    Raises:
        SocketEndUnsupportedError: The kernel does not list sockets.
        NetlinkError: It does not tell.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        body = _REQUEST.pack(family, protocol, 0, _WITH_PEER) + bytes(_ID.size)
        # One for each table: who stops reading leaves the rest of it behind in the kernel.
        with Channel(_NETLINK_SOCK_DIAG) as channel:
            try:
                for message in channel.stream(
                    Request(_SOCK_DIAG_BY_FAMILY, body, "list", "sockets")
                ):
                    found = peered_socket(message, protocol)
                    if found is not None:
                        yield found
            except NetlinkError as error:
                if error.errno in _LACKING:
                    raise SocketEndUnsupportedError("list sockets") from error
                raise


def end_sockets(sockets: Sequence[PeeredSocket]) -> int:
    """End sockets: their calls fail with ECONNABORTED, TCP's peers get a reset. Blocking.

    Return how many; one that is gone already is passed over.

    Raises:
        SocketEndUnsupportedError: The kernel ends no sockets.
        NetlinkError: It refuses.
    """
    ended = 0
    with Channel(_NETLINK_SOCK_DIAG) as channel:
        for first in range(0, len(sockets), BATCH_MESSAGES_MAX):
            batch = sockets[first : first + BATCH_MESSAGES_MAX]
            for failure in channel.attempt([_end_request(each) for each in batch]):
                if failure is None:
                    ended += 1
                elif failure.errno == errno.EOPNOTSUPP:
                    raise SocketEndUnsupportedError("end sockets") from failure
                elif failure.errno != errno.ENOENT:
                    raise failure
    return ended


def peered_socket(message: Message, protocol: int) -> PeeredSocket | None:
    """Return a socket as the kernel tells of it; None of one without a peer."""
    if len(message.body) < _MESSAGE_BYTES:
        return None
    family, name = message.body[0], message.body[_ID_AT : _ID_AT + _ID.size]
    port, destination = _ID.unpack(name)
    if port == 0:
        return None
    address = ip_address(destination[:4]) if family == socket.AF_INET else from_octets(destination)
    (cookie,) = _COOKIE.unpack_from(name, _ID.size - _COOKIE.size)
    return PeeredSocket(family, protocol, address, port, cookie, name)


def _end_request(ended: PeeredSocket) -> Request:
    body = _REQUEST.pack(ended.family, ended.protocol, 0, _WITH_PEER) + ended.name
    subject = f"with peer {socket_text(str(ended.address), ended.port)}"
    return Request(_SOCK_DESTROY, body, "end socket", subject, flags=NLM_F_ACK)
