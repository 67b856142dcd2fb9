"""`netlink/tunnel_device.py`: what goes to the kernel comes back as the same device."""

import struct
from dataclasses import replace

import pytest

from ciliate.net.tunnel import TunnelProtocol
from ciliate.netlink.links import link_body
from ciliate.netlink.message import Message, Request, attribute, attributes, nested, text
from ciliate.netlink.numbers import (
    IFLA_GENEVE_COLLECT_METADATA,
    IFLA_GENEVE_PORT,
    IFLA_GENEVE_PORT_RANGE,
    IFLA_GENEVE_UDP_ZERO_CSUM6_RX,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_VXLAN_COLLECT_METADATA,
    IFLA_VXLAN_GBP,
    IFLA_VXLAN_GPE,
    IFLA_VXLAN_LEARNING,
    IFLA_VXLAN_PORT,
    IFLA_VXLAN_VNIFILTER,
    RTM_NEWLINK,
)
from ciliate.netlink.tunnel_device import TunnelDevice, create_request, decode_tunnel_link

ETHERNET, NO_LAYER = 1, 0xFFFE

PLAIN = [
    TunnelDevice(protocol, port, source_ports, takes_zero_checksums)
    for protocol, port in ((TunnelProtocol.VXLAN, 8472), (TunnelProtocol.GENEVE, 6081))
    for source_ports in ((0, 0), (40000, 40999))
    for takes_zero_checksums in (False, True)
]
VXLAN, GENEVE = PLAIN[0], PLAIN[4]


def as_told(request: Request, *, layer: int = ETHERNET) -> Message:
    """The kernel's message about a device that has what was asked for."""
    head = struct.pack("=BxHiII", 0, layer, 7, 0, 0)
    return Message(RTM_NEWLINK, 0, 1, head + request.body[len(head) :])


def made_with(request: Request) -> dict[int, bytes]:
    about = attributes(attributes(request.body, len(link_body()))[IFLA_LINKINFO])
    return attributes(about[IFLA_INFO_DATA])


def told(kind: str, *found: bytes) -> TunnelDevice | None:
    about = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind), nested(IFLA_INFO_DATA, *found))
    request = Request(RTM_NEWLINK, link_body() + about, "", "")
    return decode_tunnel_link(as_told(request))[1]


@pytest.mark.parametrize("device", PLAIN)
def test_device_is_read_as_it_was_asked_for(device: TunnelDevice) -> None:
    link, found = decode_tunnel_link(as_told(create_request(device, name="t0", mtu=1450)))

    assert found == device
    assert (link.name, link.mtu, link.kind) == ("t0", 1450, device.protocol)


def test_vxlan_is_asked_for_by_the_kernels_numbers() -> None:
    assert made_with(create_request(VXLAN, name="t0", mtu=1500)) == {
        IFLA_VXLAN_COLLECT_METADATA: b"\1",
        IFLA_VXLAN_LEARNING: b"\0",
        IFLA_VXLAN_PORT: (8472).to_bytes(2, "big"),
        10: bytes(4),
    }


def test_geneve_is_asked_for_by_the_kernels_numbers() -> None:
    device = replace(GENEVE, source_ports=(40000, 40999), takes_zero_checksums=True)

    assert made_with(create_request(device, name="t0", mtu=1500)) == {
        IFLA_GENEVE_COLLECT_METADATA: b"",
        IFLA_GENEVE_PORT: (6081).to_bytes(2, "big"),
        IFLA_GENEVE_UDP_ZERO_CSUM6_RX: b"\1",
        IFLA_GENEVE_PORT_RANGE: struct.pack("!HH", 40000, 40999),
    }


@pytest.mark.parametrize("extension", [IFLA_VXLAN_GBP, IFLA_VXLAN_GPE, IFLA_VXLAN_VNIFILTER])
def test_vxlan_with_an_extension_is_another_protocol(extension: int) -> None:
    plain = (
        attribute(IFLA_VXLAN_COLLECT_METADATA, b"\1"),
        attribute(IFLA_VXLAN_PORT, (8472).to_bytes(2, "big")),
    )
    value = b"\1" if extension == IFLA_VXLAN_VNIFILTER else b""

    assert told("vxlan", *plain) == VXLAN
    assert told("vxlan", *plain, attribute(extension, value)) == replace(VXLAN, is_extended=True)


@pytest.mark.parametrize("device", [VXLAN, GENEVE])
def test_device_without_ethernet_headers_inside_is_another_protocol(device: TunnelDevice) -> None:
    request = create_request(device, name="t0", mtu=1500)

    _, found = decode_tunnel_link(as_told(request, layer=NO_LAYER))

    assert found == replace(device, is_extended=True)


def test_link_of_another_kind_is_no_tunnel_device() -> None:
    assert told("bridge", attribute(1, b"\1")) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(VXLAN, port=4789),
        replace(VXLAN, source_ports=(40000, 40999)),
        replace(VXLAN, collects_metadata=False),
        replace(VXLAN, learns=True),
        replace(VXLAN, is_extended=True),
        GENEVE,
    ],
)
def test_device_that_differs_does_not_serve(other: TunnelDevice) -> None:
    assert VXLAN.serves(VXLAN)
    assert not other.serves(VXLAN)


def test_device_that_takes_zero_checksums_serves_where_none_come() -> None:
    takes = replace(VXLAN, takes_zero_checksums=True)

    assert takes.serves(VXLAN)
    assert not VXLAN.serves(takes)
