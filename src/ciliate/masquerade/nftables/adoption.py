"""Connections that the stack translates, entered for the programs by `adopt` (bpf/adopt.bpf.c).

When the programs take masquerading over, conntrack goes on with what it translates. Its ports are in
no book of theirs: another pod's connection to the same remote would get one of them, and the answers
of both. So each is entered as one of the node's own, which is what it looks like at the device.
"""

from collections.abc import Iterable
from typing import Final

from ciliate.datapath import test_run
from ciliate.datapath.errors import DatapathError
from ciliate.datapath.layout import Adoption
from ciliate.net.address import to_octets
from ciliate.netlink.conntrack import TrackedFlow, tracked_flows

_ETHERNET_HEADER: Final = bytes(14)


def adopt_translated(program_fd: int) -> int:
    """Enter what conntrack translates for those who do not know it; return how many. Blocking.

    Raises:
        NetlinkError: Conntrack does not tell.
        DatapathError: The kernel refused to run the program.
    """
    return adopt_flows(program_fd, (flow for flow in tracked_flows() if flow.seen != flow.source))


def adopt_flows(program_fd: int, flows: Iterable[TrackedFlow]) -> int:
    """Enter these; return how many were not known. Blocking.

    Raises:
        DatapathError: The kernel refused to run the program.
    """
    adopted = 0
    for flow in flows:
        request = Adoption(
            seen=to_octets(flow.seen),
            remote=to_octets(flow.destination),
            seen_port=flow.seen_port,
            remote_port=flow.port,
            protocol=flow.protocol,
            adopted=0,
        )
        run = test_run.run(program_fd, _ETHERNET_HEADER + request.pack())
        if run.verdict:
            raise DatapathError(
                function="bpf_prog_test_run",
                subject=f"program adopt for a flow of {flow.source}",
                code=0,
                hint="restart the agent: it loads the program anew",
            )
        adopted += Adoption.unpack(run.packet[len(_ETHERNET_HEADER) :]).adopted
    return adopted
