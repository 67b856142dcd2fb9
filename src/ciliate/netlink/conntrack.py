"""The connections that the host's stack tracks (ctnetlink, linux/nfnetlink_conntrack.h).

Asked whose are translated while the stack hands masquerading over to the programs, and which of
them would be translated otherwise by rules that have changed.
"""

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, TypeVar

from ciliate.net.address import IPAddress, to_octets
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.message import (
    Message,
    Request,
    acknowledgement,
    attribute,
    attributes,
    frame,
    messages,
    nested,
)
from ciliate.netlink.numbers import NLM_F_ACK, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR

T = TypeVar("T")

_NETLINK_NETFILTER: Final = 12
_CT_GET: Final = 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
_CT_DELETE: Final = 1 << 8 | 2
_NFGENMSG: Final = bytes(4)  # Of all families.
_CTA_TUPLE_ORIG: Final = 1
_CTA_TUPLE_REPLY: Final = 2
_CTA_STATUS: Final = 3
_CTA_PROTOINFO: Final = 4
_CTA_ID: Final = 12
_CTA_PROTOINFO_TCP: Final = 1
_CTA_PROTOINFO_TCP_STATE: Final = 1
#: TCP_CONNTRACK_TIME_WAIT and _CLOSE: both ends are done.
_TCP_OVER: Final = (bytes([7]), bytes([8]))
_CTA_TUPLE_IP: Final = 1
_CTA_TUPLE_PROTO: Final = 2
_CTA_PROTO_NUM: Final = 1
_CTA_PROTO_SRC_PORT: Final = 2
#: CTA_PROTO_DST_PORT, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID: where an answer goes to.
_CTA_PROTO_SEEN: Final = (3, 4, 7)
_CTA_IP_SOURCES: Final = (1, 3)  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
_CTA_IP_DESTINATIONS: Final = (2, 4)
_STATUS: Final = struct.Struct("!I")
_PORT: Final = struct.Struct("!H")
#: The source was changed (linux/netfilter/nf_conntrack_common.h, IPS_SRC_NAT).
_SRC_NAT: Final = 1 << 4

_BUFFER_BYTES: Final = 1 << 16
#: A table of 262,144 connections, the most that a node has unless told otherwise, takes 2 s.
_TIME_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class TrackedFlow:
    """Who opened a connection, and how the other end sees it: `seen` to `destination`.

    `port` is the destination's, 0 where the protocol has none; `seen_port` the source's as it is
    seen, of an echo its identifier. Where the destination was changed
    too (a Service's), they are those behind. `name` is how the kernel is told which one is meant.
    """

    source: IPAddress
    destination: IPAddress
    protocol: int
    port: int
    seen: IPAddress
    seen_port: int
    name: bytes


def translated_sources() -> frozenset[bytes]:
    """Return who opened connections whose source the stack changes, as 16 octets. Blocking.

    Raises:
        NetlinkError: The kernel does not tell.
    """
    return frozenset(_listed(translated_source))


def tracked_flows() -> Iterator[TrackedFlow]:
    """Yield all connections. Blocking.

    Raises:
        NetlinkError: The kernel does not tell.
    """
    return _listed(tracked_flow)


def end_flows(flows: Iterable[TrackedFlow]) -> int:
    """End connections, so that their next packets are decided as first ones; return how many.

    One that has ended already is passed over. Blocking.

    Raises:
        NetlinkError: The kernel refuses.
    """
    ended = 0
    with _opened("end flow") as asked:
        for flow in flows:
            family = socket.AF_INET if flow.source.version == 4 else socket.AF_INET6
            body = bytes([family, 0, 0, 0]) + flow.name
            request = Request(_CT_DELETE, body, "end flow", f"of {flow.source}")
            asked.send(frame(request, sequence=1, more_flags=NLM_F_ACK))
            code, words = acknowledgement(next(iter(messages(asked.recv(_BUFFER_BYTES)))))
            if code not in (0, errno.ENOENT):
                raise NetlinkError(
                    step=request.step, subject=str(request.subject), errno=code, detail=words
                )
            ended += code == 0
    return ended


@contextmanager
def _opened(step: str) -> Iterator[socket.socket]:
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        ) as asked:
            asked.settimeout(_TIME_LIMIT_S)
            yield asked
    except OSError as error:
        raise NetlinkError(
            step=step, subject="conntrack", errno=error.errno or 0, detail=str(error)
        ) from error


def _listed(read: Callable[[Message], T | None]) -> Iterator[T]:
    """Yield what `read` makes of each connection, but for None."""
    request = Request(_CT_GET, _NFGENMSG, "list", "conntrack")
    deadline_s = time.monotonic() + _TIME_LIMIT_S
    with _opened(request.step) as asked:
        asked.send(frame(request, sequence=1, more_flags=NLM_F_DUMP))
        while time.monotonic() < deadline_s:
            for message in messages(asked.recv(_BUFFER_BYTES)):
                if message.kind == NLMSG_DONE:
                    return
                if message.kind == NLMSG_ERROR:
                    code, words = acknowledgement(message)
                    raise NetlinkError(
                        step=request.step, subject="conntrack", errno=code, detail=words
                    )
                found = read(message)
                if found is not None:
                    yield found
    raise NetlinkError(step=request.step, subject="conntrack", errno=0, detail="it does not end")


def translated_source(message: Message) -> bytes | None:
    """Return who opened a connection, as 16 octets, where its source is changed.

    None: it is not, or both ends have closed it.
    """
    found = attributes(message.body, len(_NFGENMSG))
    status = found.get(_CTA_STATUS)
    if status is None or not _STATUS.unpack(status)[0] & _SRC_NAT:
        return None
    tcp = attributes(attributes(found.get(_CTA_PROTOINFO, b"")).get(_CTA_PROTOINFO_TCP, b""))
    if tcp.get(_CTA_PROTOINFO_TCP_STATE, b"") in _TCP_OVER:
        return None
    source = _address(found.get(_CTA_TUPLE_ORIG, b""), _CTA_IP_SOURCES)
    return to_octets(source) if source is not None else None


def tracked_flow(message: Message) -> TrackedFlow | None:
    """Return a connection; None where the kernel leaves out what it is between."""
    found = attributes(message.body, len(_NFGENMSG))
    opened, answered = found.get(_CTA_TUPLE_ORIG, b""), found.get(_CTA_TUPLE_REPLY, b"")
    source = _address(opened, _CTA_IP_SOURCES)
    destination = _address(answered, _CTA_IP_SOURCES)
    seen = _address(answered, _CTA_IP_DESTINATIONS)
    protocol = attributes(attributes(answered).get(_CTA_TUPLE_PROTO, b""))
    if source is None or destination is None or seen is None or _CTA_PROTO_NUM not in protocol:
        return None
    seen_port = next((protocol[kind] for kind in _CTA_PROTO_SEEN if kind in protocol), bytes(2))
    number = found.get(_CTA_ID)
    return TrackedFlow(
        source=source,
        destination=destination,
        protocol=protocol[_CTA_PROTO_NUM][0],
        port=_PORT.unpack(protocol.get(_CTA_PROTO_SRC_PORT, bytes(2)))[0],
        seen=seen,
        seen_port=_PORT.unpack(seen_port)[0],
        name=nested(_CTA_TUPLE_ORIG, opened)
        + (attribute(_CTA_ID, number) if number is not None else b""),
    )


def _address(tuple_: bytes, kinds: tuple[int, int]) -> IPAddress | None:
    """Return an address of a tuple, by its attributes of either family."""
    addresses = attributes(attributes(tuple_).get(_CTA_TUPLE_IP, b""))
    packed = next((addresses[kind] for kind in kinds if kind in addresses), None)
    return ip_address(packed) if packed is not None else None
