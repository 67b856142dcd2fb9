"""What a tunnel device is made with: attributes of the kinds vxlan and geneve (linux/if_link.h).

Pure: from values to messages and back. These cannot be changed once the device is made.

A collect-metadata device ("external") has no remote of its own: the program that redirects a packet
into it says where each goes, and asked for one says where each came from. The kernel allows one of
them for each UDP port.
"""

import struct
from dataclasses import dataclass
from typing import Final

from ciliate.net.link import Link
from ciliate.net.tunnel import TunnelProtocol
from ciliate.netlink.links import decode_link, link_body
from ciliate.netlink.message import Message, Request, attribute, attributes, nested, number, text
from ciliate.netlink.numbers import (
    IFLA_EXT_MASK,
    IFLA_GENEVE_COLLECT_METADATA,
    IFLA_GENEVE_PORT,
    IFLA_GENEVE_PORT_RANGE,
    IFLA_GENEVE_UDP_ZERO_CSUM6_RX,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_VXLAN_COLLECT_METADATA,
    IFLA_VXLAN_GBP,
    IFLA_VXLAN_GPE,
    IFLA_VXLAN_LEARNING,
    IFLA_VXLAN_PORT,
    IFLA_VXLAN_PORT_RANGE,
    IFLA_VXLAN_UDP_ZERO_CSUM6_RX,
    IFLA_VXLAN_VNIFILTER,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTEXT_FILTER_SKIP_STATS,
    RTM_GETLINK,
    RTM_NEWLINK,
)

_PORT: Final = struct.Struct("!H")
_PORTS: Final = struct.Struct("!HH")
_IFINFOMSG_BYTES: Final = len(link_body())
_ON: Final = b"\1"
_OFF: Final = b"\0"

#: Each makes another protocol of VXLAN, or drops what we send.
_VXLAN_EXTENSIONS: Final = (IFLA_VXLAN_GBP, IFLA_VXLAN_GPE, IFLA_VXLAN_VNIFILTER)


@dataclass(frozen=True, slots=True)
class TunnelDevice:
    """What a tunnel device was made with.

    `source_ports` are the lowest and the highest, (0, 0) the kernel's own choice. Without
    `takes_zero_checksums` the kernel drops UDP packets over IPv6 that have no checksum, which
    tunnels may leave out (RFC 6935).
    """

    protocol: TunnelProtocol
    port: int
    source_ports: tuple[int, int]
    takes_zero_checksums: bool
    collects_metadata: bool = True
    learns: bool = False
    is_extended: bool = False

    def serves(self, wanted: "TunnelDevice") -> bool:
        """Whether it does all that `wanted` would; one that takes more packets does, too.

        A geneve device takes zero checksums always, and says so.
        """
        return (
            (self.protocol, self.port, self.source_ports)
            == (wanted.protocol, wanted.port, wanted.source_ports)
            and (self.collects_metadata, self.learns, self.is_extended)
            == (wanted.collects_metadata, wanted.learns, wanted.is_extended)
            and (self.takes_zero_checksums or not wanted.takes_zero_checksums)
        )


def create_request(device: TunnelDevice, *, name: str, mtu: int) -> Request:
    """Return the message that makes the device, down, and fails when the name is taken."""
    is_vxlan = device.protocol is TunnelProtocol.VXLAN
    made_with = _vxlan_attributes(device) if is_vxlan else _geneve_attributes(device)
    kind = nested(
        IFLA_LINKINFO,
        text(IFLA_INFO_KIND, device.protocol),
        nested(IFLA_INFO_DATA, *made_with),
    )
    body = link_body() + text(IFLA_IFNAME, name) + number(IFLA_MTU, mtu) + kind
    return Request(RTM_NEWLINK, body, "create link", name, NLM_F_CREATE | NLM_F_EXCL)


def list_request(protocol: TunnelProtocol) -> Request:
    """Return the message that asks for every device of a protocol, and of others on old kernels."""
    kind = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, protocol))
    body = link_body() + number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) + kind
    return Request(RTM_GETLINK, body, "list", f"{protocol} links")


def _vxlan_attributes(device: TunnelDevice) -> list[bytes]:
    made_with = [
        attribute(IFLA_VXLAN_COLLECT_METADATA, _ON),
        attribute(IFLA_VXLAN_LEARNING, _OFF),  # Otherwise on.
        attribute(IFLA_VXLAN_PORT, _PORT.pack(device.port)),
        attribute(IFLA_VXLAN_PORT_RANGE, _PORTS.pack(*device.source_ports)),
    ]
    if device.takes_zero_checksums:
        made_with.append(attribute(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, _ON))
    return made_with


def _geneve_attributes(device: TunnelDevice) -> list[bytes]:
    made_with = [
        attribute(IFLA_GENEVE_COLLECT_METADATA, b""),
        attribute(IFLA_GENEVE_PORT, _PORT.pack(device.port)),
    ]
    if device.source_ports != (0, 0):
        # A kernel that does not know it passes over it in silence.
        made_with.append(attribute(IFLA_GENEVE_PORT_RANGE, _PORTS.pack(*device.source_ports)))
    if device.takes_zero_checksums:
        made_with.append(attribute(IFLA_GENEVE_UDP_ZERO_CSUM6_RX, _ON))
    return made_with


def decode_tunnel_link(message: Message) -> tuple[Link, TunnelDevice | None]:
    """Return the link of a RTM_NEWLINK message, and the tunnel device that it is, if it is one."""
    link = decode_link(message)
    about = attributes(message.body, _IFINFOMSG_BYTES).get(IFLA_LINKINFO, b"")
    made_with = attributes(attributes(about).get(IFLA_INFO_DATA, b""))
    # Without Ethernet headers inside the tunnel it is an extension of either protocol.
    if link.kind == TunnelProtocol.VXLAN:
        return link, _vxlan(made_with, is_ethernet=link.is_ethernet)
    if link.kind == TunnelProtocol.GENEVE:
        return link, _geneve(made_with, is_ethernet=link.is_ethernet)
    return link, None


def _vxlan(made_with: dict[int, bytes], *, is_ethernet: bool) -> TunnelDevice:
    return TunnelDevice(
        protocol=TunnelProtocol.VXLAN,
        port=_port(made_with.get(IFLA_VXLAN_PORT)),
        source_ports=_ports(made_with.get(IFLA_VXLAN_PORT_RANGE)),
        takes_zero_checksums=_is_on(made_with, IFLA_VXLAN_UDP_ZERO_CSUM6_RX),
        collects_metadata=_is_on(made_with, IFLA_VXLAN_COLLECT_METADATA),
        learns=_is_on(made_with, IFLA_VXLAN_LEARNING),
        is_extended=not is_ethernet or any(_is_on(made_with, each) for each in _VXLAN_EXTENSIONS),
    )


def _geneve(made_with: dict[int, bytes], *, is_ethernet: bool) -> TunnelDevice:
    return TunnelDevice(
        protocol=TunnelProtocol.GENEVE,
        port=_port(made_with.get(IFLA_GENEVE_PORT)),
        source_ports=_ports(made_with.get(IFLA_GENEVE_PORT_RANGE)),
        takes_zero_checksums=_is_on(made_with, IFLA_GENEVE_UDP_ZERO_CSUM6_RX),
        collects_metadata=IFLA_GENEVE_COLLECT_METADATA in made_with,
        is_extended=not is_ethernet,
    )


def _is_on(made_with: dict[int, bytes], kind: int) -> bool:
    """Whether a switch is on: it is there without a value, or with one that is not 0."""
    return kind in made_with and made_with[kind] != _OFF


def _port(value: bytes | None) -> int:
    port: int = _PORT.unpack(value)[0] if value else 0
    return port


def _ports(value: bytes | None) -> tuple[int, int]:
    low, high = _PORTS.unpack(value) if value else (0, 0)
    return low, high
