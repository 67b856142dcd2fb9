"""The tunnel between nodes: which protocol carries pods' packets, and what it adds to them.

Each packet is put, with an Ethernet header before it, into a UDP packet from node to node
(RFC 7348, VXLAN; RFC 8926, Geneve).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class TunnelProtocol(StrEnum):
    """A protocol of the tunnel; the value is the setting's and the kernel's name for it."""

    VXLAN = "vxlan"
    GENEVE = "geneve"


#: Where nodes listen unless `tunnel-port` says otherwise. For VXLAN this is Linux's port, from before
#: IANA assigned 4789.
DEFAULT_PORTS: Final[Mapping[TunnelProtocol, int]] = {
    TunnelProtocol.VXLAN: 8472,
    TunnelProtocol.GENEVE: 6081,
}

_UDP_BYTES: Final = 8
#: Of VXLAN; of Geneve without options.
_TUNNEL_BYTES: Final = 8
_INNER_ETHERNET_BYTES: Final = 14
_IP_BYTES: Final[Mapping[int, int]] = {4: 20, 6: 40}

#: What either protocol adds to a pod's packet, in bytes, by the IP version of the network between
#: the nodes: 50 and 70.
OVERHEAD_BYTES: Final[Mapping[int, int]] = {
    version: ip_bytes + _UDP_BYTES + _TUNNEL_BYTES + _INNER_ETHERNET_BYTES
    for version, ip_bytes in _IP_BYTES.items()
}


def device_name(protocol: TunnelProtocol) -> str:
    """Return the name of a node's tunnel device, as Cilium's users know it."""
    return f"cilium_{protocol}"


def tunnel_name(protocol: TunnelProtocol, port: int) -> str:
    """Return what nodes call a tunnel among each other, such as "vxlan:8472"."""
    return f"{protocol}:{port}"


def tunnel_of(name: str) -> tuple[TunnelProtocol, int] | None:
    """Return protocol and port of a tunnel by its name; None: it is no tunnel's."""
    protocol, _, port = name.partition(":")
    if protocol not in set(TunnelProtocol) or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return TunnelProtocol(protocol), int(port)
