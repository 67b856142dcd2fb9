"""The node's tunnel device: `cilium_vxlan` or `cilium_geneve`, one for all other nodes.

A program redirects a pod's packet into it and says to which node; the kernel wraps it in UDP. What
other nodes send comes out of it. A device that a previous agent left is kept if it is right: its
programs run on while the agent is away.
"""

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ciliate.net.address import Mac
from ciliate.net.link import Link
from ciliate.net.tunnel import TunnelProtocol, device_name
from ciliate.netlink.channel import Channel
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.links import (
    delete_link_request,
    get_link,
    link_body,
    read_request,
    set_link_request,
)
from ciliate.netlink.message import Request, attribute, nested
from ciliate.netlink.numbers import (
    AF_INET6,
    IFLA_AF_SPEC,
    IFLA_INET6_ADDR_GEN_MODE,
    IN6_ADDR_GEN_MODE_NONE,
    RTM_NEWLINK,
    RTM_SETLINK,
)
from ciliate.netlink.router import router_settings
from ciliate.netlink.sysctl import has_ipv6, write_sysctls
from ciliate.netlink.tunnel_device import (
    TunnelDevice,
    create_request,
    decode_tunnel_link,
    list_request,
)
from ciliate.netlink.tunnel_errors import (
    TunnelDeviceMissingError,
    TunnelNameTakenError,
    TunnelPortInUseError,
    TunnelSourcePortsError,
)

#: What the kernel says to a second collect-metadata device on a port: vxlan, geneve, and geneve
#: where the first has a remote of its own.
_PORT_HELD: Final = frozenset({errno.EEXIST, errno.EBUSY, errno.EPERM})
#: IPv6 is not on that device, or not in the kernel.
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT})


@dataclass(frozen=True, slots=True)
class TunnelLink:
    """The tunnel device as it should be; `mtu` in bytes, of the packets inside the tunnel.

    `port` is the UDP port it listens on and sends to. `source_ports` are the lowest and the highest
    it sends from, (0, 0) the kernel's own choice. `underlay_version` is the IP version between the
    nodes. `ipv6` says whether pods have IPv6.
    """

    protocol: TunnelProtocol
    port: int
    mtu: int
    underlay_version: int
    ipv6: bool
    source_ports: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class TunnelLinkState:
    """The tunnel device as the kernel has it; it chose the MAC address."""

    index: int
    mac: Mac


async def ensure_tunnel_link(rtnl: Rtnetlink, link: TunnelLink) -> TunnelLinkState:
    """Make the tunnel device, or make an existing one right; the other protocol's is removed.

    MTU and settings change in place. One that was made with other things is replaced, and loses its
    programs. Nothing is left of a new one that cannot be brought up.

    Raises:
        TunnelDeviceMissingError: The kernel has no devices of this protocol.
        TunnelPortInUseError: Something else has the UDP port.
        TunnelSourcePortsError: The kernel takes no range of source ports for this protocol.
        TunnelNameTakenError: A device that cannot be removed has the name.
        NetlinkError: Names step, object and errno.
    """
    return await rtnl.run(lambda channel: _ensure(channel, link))


async def observe_tunnel_link(rtnl: Rtnetlink, protocol: TunnelProtocol) -> TunnelLinkState | None:
    """Return the tunnel device of that protocol; None when it is missing, or is something else."""

    def work(channel: Channel) -> TunnelLinkState | None:
        found = get_link(channel, device_name(protocol))
        if found is None or found.kind != protocol or found.mac is None:
            return None
        return TunnelLinkState(index=found.index, mac=found.mac)

    return await rtnl.run(work)


async def remove_tunnel_links(rtnl: Rtnetlink) -> None:
    """Remove the tunnel devices of both protocols; absent ones are a success.

    Raises:
        TunnelNameTakenError: A device that is no tunnel has such a name; it stays.
        NetlinkError: Names step, object and errno.
    """

    def work(channel: Channel) -> None:
        found = _found(channel, TunnelProtocol)
        _delete(channel, *(link.name for link in found if _is_tunnel(link)))
        for link in found:
            if not _is_tunnel(link):
                raise TunnelNameTakenError(link.name, link.kind)

    await rtnl.run(work)


def _ensure(channel: Channel, link: TunnelLink) -> TunnelLinkState:
    wanted = TunnelDevice(
        protocol=link.protocol,
        port=link.port,
        source_ports=link.source_ports,
        takes_zero_checksums=link.underlay_version == 6,
    )
    held = _kept(channel, wanted)
    made = _create(channel, wanted, mtu=link.mtu) if held is None else held
    # Only now: no working device goes for one that this kernel cannot make. Nor later: both may have
    # the same port, which a device takes when it comes up.
    _remove_others(channel, link.protocol)
    try:
        _set_up(channel, made, link)
    except BaseException:
        if held is None:
            _delete(channel, made.name)
        raise
    assert made.mac is not None, "it has Ethernet headers inside"
    return TunnelLinkState(index=made.index, mac=made.mac)


def _kept(channel: Channel, wanted: TunnelDevice) -> Link | None:
    """Return the device that stands and serves; one that does not is removed."""
    name = device_name(wanted.protocol)
    found = get_link(channel, name)
    if found is None:
        return None
    found, device = _read(channel, name)
    if device is not None and device.serves(wanted):
        return found
    try:
        _delete(channel, name)
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise TunnelNameTakenError(name, found.kind) from error
        raise
    return None


def _create(channel: Channel, wanted: TunnelDevice, *, mtu: int) -> Link:
    name = device_name(wanted.protocol)
    try:
        channel.batch([create_request(wanted, name=name, mtu=mtu)])
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise TunnelDeviceMissingError(wanted.protocol, error) from error
        if error.errno in _PORT_HELD:
            _raise_if_port_held(channel, wanted, error)
        raise
    made, device = _read(channel, name)
    assert device is not None, "made above"
    if device.source_ports != wanted.source_ports:
        _delete(channel, name)
        raise TunnelSourcePortsError(wanted.protocol, wanted.source_ports)
    return made


def _raise_if_port_held(channel: Channel, wanted: TunnelDevice, error: NetlinkError) -> None:
    """Raise TunnelPortInUseError if that is what kept the kernel from making the device."""
    if get_link(channel, device_name(wanted.protocol)) is not None:
        return  # Made by another meanwhile: EEXIST is the answer to that, too.
    holder = _holder(channel, wanted.port, (wanted.protocol,), up_only=False)
    # A vxlan device that was moved to another namespace holds its port here, unseen.
    if holder or error.errno == errno.EEXIST:
        raise TunnelPortInUseError(wanted.port, holder, error) from error


def _set_up(channel: Channel, found: Link, link: TunnelLink) -> None:
    if found.mtu != link.mtu:
        # First: below IPv6's least MTU, 1280, the device has no settings of IPv6.
        channel.batch([set_link_request(found.index, mtu=link.mtu, subject=found.name)])
    write_sysctls(router_settings(found.name, ipv6=link.ipv6 and has_ipv6()))
    if found.is_up:
        return
    try:
        channel.batch(
            [
                _no_link_local_request(found),
                set_link_request(found.index, up=True, subject=found.name),
            ]
        )
    except NetlinkError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        holder = _holder(channel, link.port, TunnelProtocol, up_only=True)
        raise TunnelPortInUseError(link.port, holder, error) from error


def _holder(
    channel: Channel, port: int, protocols: Iterable[TunnelProtocol], *, up_only: bool
) -> str:
    """Return the name of a tunnel device on a port, empty when none is seen."""
    for protocol in protocols:
        for message in channel.dump(list_request(protocol)):
            link, device = decode_tunnel_link(message)
            if device is not None and device.port == port and (link.is_up or not up_only):
                return link.name
    return ""


def _no_link_local_request(link: Link) -> Request:
    """Return the message after which the link gets no IPv6 address of the kernel's making."""
    mode = attribute(IFLA_INET6_ADDR_GEN_MODE, bytes((IN6_ADDR_GEN_MODE_NONE,)))
    body = link_body(index=link.index) + nested(IFLA_AF_SPEC, nested(AF_INET6, mode))
    return Request(RTM_SETLINK, body, "set up link", link.name, tolerated=_NO_IPV6)


def _remove_others(channel: Channel, protocol: TunnelProtocol) -> None:
    """Remove the other protocol's device; what only has its name is in nobody's way."""
    others = _found(channel, set(TunnelProtocol) - {protocol})
    _delete(channel, *(link.name for link in others if _is_tunnel(link)))


def _found(channel: Channel, protocols: Iterable[TunnelProtocol]) -> list[Link]:
    """Return what has the names of tunnel devices of these protocols."""
    names = [device_name(protocol) for protocol in protocols]
    return [link for name in names if (link := get_link(channel, name)) is not None]


def _delete(channel: Channel, *names: str) -> None:
    if names:
        channel.batch([delete_link_request(name) for name in names])


def _is_tunnel(link: Link) -> bool:
    return link.kind in set(TunnelProtocol)


def _read(channel: Channel, name: str) -> tuple[Link, TunnelDevice | None]:
    return decode_tunnel_link(channel.ask([read_request(name)], RTM_NEWLINK))
