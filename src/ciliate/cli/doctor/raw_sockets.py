"""Raw sockets that send echoes whole or in pieces (raw(7), icmp(7), ipv6(7))."""

import contextlib
import errno
import os
import socket
import struct
from ipaddress import ip_address
from typing import Final

from ciliate.cli.doctor.echo_packet import WANTED_TYPES
from ciliate.cli.doctor.outcome import Outcome, OutcomeKind
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress

#: linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h: what Python's socket does not name.
_IP_MTU_DISCOVER: Final = 10
_IP_NODEFRAG: Final = 22
_IPV6_MTU_DISCOVER: Final = 23
_IPV6_DONTFRAG: Final = 62
_PMTUDISC_PROBE: Final = 3
_ICMP_FILTER: Final = 1
_SOL_RAW: Final = 255
_SO_RCVBUFFORCE: Final = 33
_IPPROTO_FRAGMENT: Final = 44

_RECEIVE_BYTES: Final = 4 << 20


class EchoSocketError(CiliateError):
    """There is no socket for echoes."""

    def __init__(self, version: int, error: OSError) -> None:
        self.version = version
        remedy = (
            ": run this as root, with CAP_NET_RAW"
            if error.errno in (errno.EPERM, errno.EACCES)
            else ""
        )
        super().__init__(f"no socket for echoes of IPv{version}: {error.strerror}{remedy}")


def open_echoes(version: int) -> socket.socket:
    """Return a socket that sends echoes which nobody may cut, and reads what comes of them."""
    wanted = WANTED_TYPES[version]
    if version == 4:
        opened = _raw(socket.AF_INET, socket.IPPROTO_ICMP)
        opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
        kept_away = (1 << 32) - 1 - sum(1 << kind for kind in wanted)
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", kept_away))
    else:
        opened = _raw(socket.AF_INET6, socket.IPPROTO_ICMPV6)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
        words = [(1 << 32) - 1] * 8
        for kind in wanted:
            words[kind // 32] &= ~(1 << kind % 32)
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP_FILTER, struct.pack("=8I", *words))
    with contextlib.suppress(OSError):  # Root may; else the usual size has to do.
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
    return opened


def open_pieces(version: int) -> socket.socket:
    """Return a socket that sends packets as they are given, and reads nothing."""
    if version == 4:
        opened = _raw(socket.AF_INET, socket.IPPROTO_RAW)
        # Without it connection tracking puts the pieces together before they leave.
        opened.setsockopt(socket.IPPROTO_IP, _IP_NODEFRAG, 1)
    else:
        opened = _raw(socket.AF_INET6, _IPPROTO_FRAGMENT)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    return opened


def _raw(family: int, protocol: int) -> socket.socket:
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    return socket.socket(family, flags, protocol)


def send_to(sender: socket.socket, packets: list[bytes], target: IPAddress) -> Outcome | None:
    """Send; return why that cannot be done."""
    try:
        for packet in packets:
            sender.sendto(packet, (str(target), 0))
    except BlockingIOError:
        return None  # As good as lost on the way.
    except OSError as error:
        refused = error.errno == errno.EPERM
        kind = OutcomeKind.REFUSED if refused else OutcomeKind.UNSENDABLE
        return Outcome(kind, problem=os.strerror(error.errno or 0))
    return None


def find_source(target: IPAddress) -> IPAddress:
    """Return the address that packets to `target` have."""
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((str(target), 9))  # Sends nothing.
        return ip_address(asked.getsockname()[0])
