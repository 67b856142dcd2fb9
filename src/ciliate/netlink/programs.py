"""BPF programs on pod interfaces: clsact and direct-action cls_bpf filters (tc-bpf(8)).

Not TCX: attaching there waits for an RCU grace period under RTNL, 8 to 15 ms each. A filter has a
fixed handle and priority, so that a later one replaces it in place: the kernel swaps the program
behind the list entry, and no packet finds none.

Direction is the pod's: what the kernel calls ingress of the host side is `from_pod`.
"""

import errno
import socket
import struct
from typing import Final

from ciliate.netlink.channel import Channel
from ciliate.netlink.message import (
    Message,
    Request,
    attributes,
    nested,
    number,
    text,
    to_number,
    to_text,
)
from ciliate.netlink.numbers import (
    AF_UNSPEC,
    CLSACT_HANDLE,
    ETH_P_ALL,
    NLM_F_CREATE,
    RTM_GETTFILTER,
    RTM_NEWQDISC,
    RTM_NEWTFILTER,
    TC_H_CLSACT,
    TC_H_EGRESS_FILTERS,
    TC_H_INGRESS_FILTERS,
    TCA_BPF_FD,
    TCA_BPF_FLAG_ACT_DIRECT,
    TCA_BPF_FLAGS,
    TCA_BPF_ID,
    TCA_BPF_NAME,
    TCA_KIND,
    TCA_OPTIONS,
)

_TCMSG: Final = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info

#: The priority 1 in the upper half, the protocol (all, in network order) in the lower.
_FILTER_INFO: Final = (1 << 16) | socket.htons(ETH_P_ALL)
_FILTER_HANDLE: Final = 1

_CLSACT: Final = text(TCA_KIND, "clsact")
_BPF: Final = text(TCA_KIND, "bpf")


def qdisc_request(index: int, *, subject: str) -> Request:
    """Return the message that gives a link its clsact; one that is there stays."""
    body = _TCMSG.pack(AF_UNSPEC, index, CLSACT_HANDLE, TC_H_CLSACT, 0) + _CLSACT
    return Request(RTM_NEWQDISC, body, "add clsact to", subject, NLM_F_CREATE)


def filter_request(index: int, *, program_fd: int, from_pod: bool, subject: str) -> Request:
    """Return the message that runs a program on one direction of a link, in place of the last."""
    name = "from_pod" if from_pod else "to_pod"
    parent = TC_H_INGRESS_FILTERS if from_pod else TC_H_EGRESS_FILTERS
    body = _TCMSG.pack(AF_UNSPEC, index, _FILTER_HANDLE, parent, _FILTER_INFO) + _BPF
    body += nested(
        TCA_OPTIONS,
        number(TCA_BPF_FD, program_fd),
        text(TCA_BPF_NAME, name),
        number(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT),
    )
    return Request(RTM_NEWTFILTER, body, f"attach {name} to", subject, NLM_F_CREATE)


def program_ids(channel: Channel, index: int) -> tuple[int | None, int | None]:
    """Return the kernel's ids of the programs that run from and to the pod. Blocking."""
    return (
        _program_id(channel, index, TC_H_INGRESS_FILTERS),
        _program_id(channel, index, TC_H_EGRESS_FILTERS),
    )


def _program_id(channel: Channel, index: int, parent: int) -> int | None:
    request = Request(
        RTM_GETTFILTER,
        _TCMSG.pack(AF_UNSPEC, index, 0, parent, 0),
        "list filters of",
        f"link {index}",
        tolerated=frozenset({errno.ENODEV, errno.EINVAL, errno.ENOENT}),
    )
    for message in channel.dump(request):
        found = _decode(message)
        if found is not None:
            return found
    return None


def _decode(message: Message) -> int | None:
    """Return the program id of our own filter; None for another's, or a chain's head."""
    _, _, handle, _, info = _TCMSG.unpack_from(message.body)
    found = attributes(message.body, _TCMSG.size)
    if handle != _FILTER_HANDLE or info != _FILTER_INFO or to_text(found[TCA_KIND]) != "bpf":
        return None
    options = attributes(found.get(TCA_OPTIONS, b""))
    return to_number(options[TCA_BPF_ID]) if TCA_BPF_ID in options else None
