"""What making pods' interfaces cannot do without, tried out before the first pod comes.

Traffic control is made of modules that a kernel may have been built without. Then each ADD would
fail for itself, and the agent would call itself ready. So both parts are tried at the loopback of a
namespace that nobody else sees and that goes with its socket. Kernels that have them as modules load
them now, not in the first ADD.
"""

import os
from typing import Final

from ciliate.errors import CiliateError
from ciliate.net.link import LOOPBACK_INDEX
from ciliate.netlink.channel import Channel
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.namespace import inside, make_namespace
from ciliate.netlink.programs import filter_request, qdisc_request

_SUBJECT: Final = "lo of a namespace of its own"
_PARTS: Final = (
    "the qdisc clsact (since Linux 4.5; CONFIG_NET_SCH_INGRESS)",
    "the filter bpf with direct action (since Linux 4.4; CONFIG_NET_CLS_BPF)",
)


class TrafficControlMissingError(CiliateError):
    """This kernel cannot run programs on pods' interfaces; `lacking` names the first missing part."""

    def __init__(self, lacking: str, cause: NetlinkError) -> None:
        self.lacking = lacking
        super().__init__(f"this kernel lacks {lacking}: take one that has it ({cause})")


def require_traffic_control(home: int, program_fd: int) -> None:
    """Accept a kernel that can run program `program_fd` on an interface. Blocking.

    `home` is the namespace that the calling thread is in and comes back to.

    Raises:
        TrafficControlMissingError: It cannot.
        NetlinkError: There is no right to make a namespace.
    """
    namespace = make_namespace(home)
    try:
        with inside(namespace, home=home, subject=_SUBJECT):
            channel = Channel()
    finally:
        os.close(namespace)
    with channel:
        failures = channel.attempt(
            [
                qdisc_request(LOOPBACK_INDEX, subject=_SUBJECT),
                filter_request(
                    LOOPBACK_INDEX, program_fd=program_fd, from_pod=True, subject=_SUBJECT
                ),
            ]
        )
    for part, failure in zip(_PARTS, failures, strict=True):
        if failure is not None:
            raise TrafficControlMissingError(part, failure)
