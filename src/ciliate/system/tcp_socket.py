"""Listening sockets over TCP, for a name or for every address of the machine, of both families."""

import asyncio
import errno
import socket
from collections.abc import Iterable
from typing import Final

#: Clients that the kernel holds while the loop is busy.
_BACKLOG: Final = 1024
#: A family that is switched off, or an address of it that is not there: the other one serves.
_ABSENT: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


async def listen_tcp(addresses: Iterable[tuple[str, int]]) -> tuple[socket.socket, ...]:
    """Return sockets that listen at every address; an empty host is any address of the machine.

    Raises:
        OSError: One cannot be had, or none is of a family that the machine has; none listens.
    """
    loop = asyncio.get_running_loop()
    opened: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for host, port in addresses:
            for family, _, _, _, address in await loop.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                try:
                    opened.append(_listening(family, address))
                except OSError as error:
                    if error.errno not in _ABSENT:
                        raise
                    absent = error
        if not opened and absent is not None:
            raise absent
    except OSError:
        for each in opened:
            each.close()
        raise
    return tuple(opened)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened
