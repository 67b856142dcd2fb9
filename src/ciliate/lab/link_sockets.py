"""Sockets of the lab's servers: for a port of every address, or of one link alone."""

import socket


def families() -> tuple[socket.AddressFamily, ...]:
    """Both, unless the kernel was built without IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return (socket.AF_INET,)
    return (socket.AF_INET, socket.AF_INET6)


def bound(family: int, kind: int, port: int, link: str | None) -> socket.socket:
    """Return a socket bound to a port, and to a link where there is one: no other one's is heard.

    Raises:
        OSError: The port is taken, or the link is gone.
    """
    opened = socket.socket(family, kind)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if link is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        opened.bind(("", port))
    except BaseException:
        opened.close()
        raise
    return opened
