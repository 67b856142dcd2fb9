"""A host's connection tracking filled to the last entry, by the kernel's own door (ctnetlink).

The bound is the machine's (`net.netfilter.nf_conntrack_max`) and counts in each network namespace for
itself. Entries are of answered connections, which the kernel never drops to make room.
"""

import socket
import struct
from pathlib import Path
from typing import Final

_NETLINK_NETFILTER: Final = 12
_CT_NEW: Final = 1 << 8  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
_CT_DELETE: Final = 1 << 8 | 2
_REQUEST, _ACK, _CREATE = 1, 4, 0x400
_NESTED: Final = 0x8000
_ORIGINAL, _REPLY, _STATUS, _TIMEOUT, _MARK, _MARK_MASK = 1, 2, 3, 7, 8, 21
_ASSURED: Final = 2 | 4 | 8  # Seen in both directions, assured, confirmed.
_LIFE_S: Final = 600
_AT_ONCE: Final = 256
#: Tells them from connections that run.
_FILLS: Final = struct.pack("!I", 0xF111ED)
_SNDBUFFORCE: Final = 32


def limit() -> int:
    """Return how many connections a network namespace may have."""
    return int(Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())


def count() -> int:
    """Return how many this network namespace has."""
    return int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())


def fill() -> None:
    """Enter UDP connections between addresses of nobody until no other fits."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asked:
        asked.setsockopt(socket.SOL_SOCKET, _SNDBUFFORCE, 1 << 22)
        numbers = range(limit() + _AT_ONCE)
        for first in range(0, len(numbers), _AT_ONCE):
            asked.send(b"".join(_entry(n) for n in numbers[first : first + _AT_ONCE]))
            _pass_over_answers(asked)
    assert count() >= limit()


def clear() -> None:
    """Remove what `fill` has entered."""
    marked = _attribute(_MARK, _FILLS) + _attribute(_MARK_MASK, b"\xff" * 4)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asked:
        asked.send(_message(_CT_DELETE, _REQUEST | _ACK, marked))
        asked.recv(4096)
    assert count() < limit() // 2


def _pass_over_answers(asked: socket.socket) -> None:
    """Errors alone are answered: entries that did not fit, at the end."""
    while True:
        try:
            asked.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return


def _entry(number: int) -> bytes:
    """Return the request for one connection, told from others by its client's address and port."""
    client = struct.pack("!BBH", 198, 18, number >> 16), 1024 + (number & 0x7FFF)
    server = socket.inet_aton(f"198.19.0.{number >> 15 & 1}"), 9
    body = _tuple(_ORIGINAL, client, server) + _tuple(_REPLY, server, client)
    body += _attribute(_STATUS, struct.pack("!I", _ASSURED))
    body += _attribute(_TIMEOUT, struct.pack("!I", _LIFE_S)) + _attribute(_MARK, _FILLS)
    return _message(_CT_NEW, _REQUEST | _CREATE, body)


def _tuple(kind: int, source: tuple[bytes, int], destination: tuple[bytes, int]) -> bytes:
    addresses = _attribute(1, source[0]) + _attribute(2, destination[0])
    ports = _attribute(1, bytes([socket.IPPROTO_UDP]))
    ports += _attribute(2, struct.pack("!H", source[1]))
    ports += _attribute(3, struct.pack("!H", destination[1]))
    return _attribute(
        kind | _NESTED, _attribute(1 | _NESTED, addresses) + _attribute(2 | _NESTED, ports)
    )


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    generic = bytes([socket.AF_INET if body else socket.AF_UNSPEC, 0, 0, 0])
    return struct.pack("=IHHII", 20 + len(body), kind, flags, 1, 0) + generic + body
