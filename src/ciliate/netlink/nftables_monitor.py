"""Changes of one table of nf_tables, as the kernel announces them after each transaction.

Only that there was one is told: who follows reads the table anew. A transaction of others costs one
look at each of its announcements.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.message import attributes, messages, to_text

_NETLINK_NETFILTER: Final = 12
_NFNLGRP_NFTABLES: Final = 7
_NFNL_SUBSYS_NFTABLES: Final = 10
_NFGENMSG_OCTETS: Final = 4
#: The first attribute of every announcement of a table, chain, rule, set or element.
_TABLE_NAME: Final = 1
_BUFFER_BYTES: Final = 65536


async def follow_table(table: str, changed: Callable[[], object]) -> None:
    """Call `changed` after each change of a table of that name, until cancelled.

    Also when announcements were lost, since the kernel drops what is not read in time.

    Raises:
        NetlinkError: The kernel cannot be listened to.
    """
    with _open() as announcements:
        loop = asyncio.get_running_loop()
        while True:
            try:
                datagram = await loop.sock_recv(announcements, _BUFFER_BYTES)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise _failed(error) from error
                changed()
            else:
                if concerns(datagram, table):
                    changed()


def concerns(datagram: bytes, table: str) -> bool:
    """Whether an announcement is of a table of that name, or of what is in it."""
    return any(
        message.kind >> 8 == _NFNL_SUBSYS_NFTABLES
        and to_text(attributes(message.body, _NFGENMSG_OCTETS).get(_TABLE_NAME, b"")) == table
        for message in messages(datagram)
    )


def _open() -> socket.socket:
    try:
        announcements = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        )
        announcements.bind((0, 1 << (_NFNLGRP_NFTABLES - 1)))
    except OSError as error:
        raise _failed(error) from error
    announcements.setblocking(False)
    return announcements


def _failed(error: OSError) -> NetlinkError:
    return NetlinkError(step="follow", subject="nf_tables", errno=error.errno or 0)
