"""The connections that the host's stack translates (ctnetlink, linux/nfnetlink_conntrack.h).

Asked whose they are while the stack hands masquerading over to the programs.
"""

import socket
import struct
import time
from ipaddress import ip_address
from typing import Final

from ciliate.net.address import to_octets
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.message import Message, Request, attributes, frame, messages
from ciliate.netlink.numbers import NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR

_NETLINK_NETFILTER: Final = 12
_CT_GET: Final = 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
_NFGENMSG: Final = bytes(4)  # Of all families.
_CTA_TUPLE_ORIG: Final = 1
_CTA_STATUS: Final = 3
_CTA_PROTOINFO: Final = 4
_CTA_PROTOINFO_TCP: Final = 1
_CTA_PROTOINFO_TCP_STATE: Final = 1
#: TCP_CONNTRACK_TIME_WAIT and _CLOSE: both ends are done.
_TCP_OVER: Final = (bytes([7]), bytes([8]))
_CTA_TUPLE_IP: Final = 1
_CTA_IP_SOURCES: Final = (1, 3)  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
_STATUS: Final = struct.Struct("!I")
_ERRNO: Final = struct.Struct("=i")
#: The source was changed (linux/netfilter/nf_conntrack_common.h, IPS_SRC_NAT).
_SRC_NAT: Final = 1 << 4

_BUFFER_BYTES: Final = 1 << 16
#: A table of 262,144 connections, the most that a node has unless told otherwise, takes 2 s.
_TIME_LIMIT_S: Final = 60.0


def translated_sources() -> frozenset[bytes]:
    """Return who opened connections whose source the stack changes, as 16 octets. Blocking.

    Raises:
        NetlinkError: The kernel does not tell.
    """
    request = Request(_CT_GET, _NFGENMSG, "list", "conntrack")
    found: set[bytes] = set()
    deadline_s = time.monotonic() + _TIME_LIMIT_S
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        ) as asked:
            asked.settimeout(_TIME_LIMIT_S)
            asked.send(frame(request, sequence=1, more_flags=NLM_F_DUMP))
            while time.monotonic() < deadline_s:
                for message in messages(asked.recv(_BUFFER_BYTES)):
                    if message.kind == NLMSG_DONE:
                        return frozenset(found)
                    if message.kind == NLMSG_ERROR:
                        code = -_ERRNO.unpack_from(message.body)[0]
                        raise NetlinkError(step=request.step, subject="conntrack", errno=code)
                    source = translated_source(message)
                    if source is not None:
                        found.add(source)
    except OSError as error:
        raise NetlinkError(
            step=request.step, subject="conntrack", errno=error.errno or 0, detail=str(error)
        ) from error
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
    addresses = attributes(attributes(found.get(_CTA_TUPLE_ORIG, b"")).get(_CTA_TUPLE_IP, b""))
    packed = next((addresses[kind] for kind in _CTA_IP_SOURCES if kind in addresses), None)
    return to_octets(ip_address(packed)) if packed is not None else None
