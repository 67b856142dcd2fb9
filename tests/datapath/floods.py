"""Many packets in a short time: frames of one shape, with ports written into their octets."""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from scapy.layers.inet import IP, TCP
from tests.datapath.node_rig import IN, OUT, Node

from ciliate.datapath import test_run

_IPV4_PORTS_AT = 14 + 20


def frames(packet: Any, ports: Iterable[tuple[int, int]], *, header: Any = OUT) -> Iterator[bytes]:
    """Yield `packet` (IPv4 without options, over TCP or UDP) with each pair of ports.

    Checksums are left as they are: programs correct what they change and judge nothing.
    """
    octets = bytearray(bytes(header / packet))
    for pair in ports:
        struct.pack_into("!HH", octets, _IPV4_PORTS_AT, *pair)
        yield bytes(octets)


def flood(node: Node, program: str, packet: Any, ports: Iterable[tuple[int, int]]) -> list[int]:
    """Run `program` at eth1 on each of `frames`; return the verdicts."""
    fd, ifindex = getattr(node.datapath.programs, f"{program}_fd"), node.uplink_ifindex
    many = frames(packet, ports, header=IN if program == "from_uplink" else OUT)
    return [test_run.run(fd, each, ifindex=ifindex).verdict for each in many]


def tcp(source: str, destination: str, flags: str) -> Any:
    """Return a TCP segment whose ports are written later."""
    return IP(src=source, dst=destination) / TCP(sport=1, dport=1, flags=flags)
