"""The node's router link: `cilium_host` with the router's addresses, `cilium_net` its peer.

Every pod's gateway is an address on `cilium_host`. Both ends are NOARP: no host is behind them.
What a previous agent left is kept if it is right, and its address can be read, so that pods keep
their gateway.
"""

from dataclasses import dataclass
from typing import Final

from ciliate.net.address import IPAddress, Mac
from ciliate.net.link import Link, LinkAddress, LinkFlag, RouteScope
from ciliate.netlink.addresses import address_request, list_addresses
from ciliate.netlink.channel import Channel
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import (
    delete_link_request,
    get_link,
    link_body,
    set_link_request,
    settle_request,
)
from ciliate.netlink.message import Request, nested, number, text
from ciliate.netlink.numbers import (
    IFA_F_NODAD,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_NEWLINK,
    VETH_INFO_PEER,
)
from ciliate.netlink.sysctl import has_ipv6, write_sysctls

HOST_NAME: Final = "cilium_host"
PEER_NAME: Final = "cilium_net"


@dataclass(frozen=True, slots=True)
class RouterLink:
    """The router link as it should be; `mtu` in bytes, any number of addresses of a family."""

    mtu: int
    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class RouterLinkState:
    """The router link as the kernel has it."""

    host_index: int
    net_index: int
    host_mac: Mac


async def ensure_router_link(rtnl: Rtnetlink, link: RouterLink) -> RouterLinkState:
    """Make the router link, or make an existing one right; addresses become exactly these.

    Raises:
        NetlinkError: Names step, object and errno.
    """
    return await rtnl.run(lambda channel: _ensure(channel, link))


async def observe_router_addresses(rtnl: Rtnetlink) -> tuple[IPAddress, ...]:
    """Return the router's addresses that are on `cilium_host`; none when it is missing."""

    def work(channel: Channel) -> tuple[IPAddress, ...]:
        host = get_link(channel, HOST_NAME)
        held = () if host is None else _router_addresses(channel, host)
        return tuple(address.address for address in held)

    return await rtnl.run(work)


def _ensure(channel: Channel, link: RouterLink) -> RouterLinkState:
    host, peer = get_link(channel, HOST_NAME), get_link(channel, PEER_NAME)
    if not _are_pair(host, peer):
        channel.batch([delete_link_request(HOST_NAME), delete_link_request(PEER_NAME)])
        channel.batch([_create_request(link.mtu)])
        host, peer = get_link(channel, HOST_NAME), get_link(channel, PEER_NAME)
    assert host is not None, "made or found above"
    assert peer is not None, "made or found above"
    ipv6 = has_ipv6() and any(a.version == 6 for a in link.addresses)
    write_sysctls(router_settings(HOST_NAME, ipv6=ipv6) | router_settings(PEER_NAME, ipv6=ipv6))
    channel.batch(
        [
            set_link_request(end.index, up=True, mtu=link.mtu, subject=end.name)
            for end in (host, peer)
        ]
    )
    channel.batch([settle_request(end.index, subject=end.name) for end in (host, peer)])
    _set_addresses(channel, host, link)
    assert host.mac is not None, "a veth has a MAC address"
    return RouterLinkState(host_index=host.index, net_index=peer.index, host_mac=host.mac)


def _are_pair(host: Link | None, peer: Link | None) -> bool:
    return (
        host is not None
        and peer is not None
        and host.kind == peer.kind == "veth"
        and host.peer_netnsid is None
        and host.peer_index == peer.index
        and bool(host.flags & peer.flags & LinkFlag.NOARP)
    )


def _create_request(mtu: int) -> Request:
    silent = link_body(flags=LinkFlag.NOARP, change=LinkFlag.NOARP)
    peer = silent + text(IFLA_IFNAME, PEER_NAME) + number(IFLA_MTU, mtu)
    pair = nested(
        IFLA_LINKINFO,
        text(IFLA_INFO_KIND, "veth"),
        nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, peer)),
    )
    body = silent + text(IFLA_IFNAME, HOST_NAME) + number(IFLA_MTU, mtu) + pair
    subject = f"{HOST_NAME} and {PEER_NAME}"
    return Request(RTM_NEWLINK, body, "create link", subject, NLM_F_CREATE | NLM_F_EXCL)


def router_settings(name: str, *, ipv6: bool) -> dict[str, str]:
    """Return the settings of one end: packets from local addresses come in through it."""
    settings = {
        f"net/ipv4/conf/{name}/rp_filter": "0",
        f"net/ipv4/conf/{name}/forwarding": "1",
        f"net/ipv4/conf/{name}/accept_local": "1",
        f"net/ipv4/conf/{name}/send_redirects": "0",
        f"net/ipv4/conf/{name}/accept_redirects": "0",
    }
    if ipv6:
        settings |= {
            f"net/ipv6/conf/{name}/disable_ipv6": "0",
            f"net/ipv6/conf/{name}/forwarding": "1",
            f"net/ipv6/conf/{name}/accept_ra": "0",
            f"net/ipv6/conf/{name}/accept_redirects": "0",
        }
    return settings


def _router_addresses(channel: Channel, host: Link) -> tuple[LinkAddress, ...]:
    """Return the addresses that were set on `host`.

    The kernel makes a link-local one of IPv6; those of IPv4 (169.254.0.0/16) are settings.
    """
    return tuple(
        each
        for each in list_addresses(channel)
        if each.link_index == host.index
        and not (each.address.version == 6 and each.address.is_link_local)
    )


def _set_addresses(channel: Channel, host: Link, link: RouterLink) -> None:
    wanted = [
        LinkAddress(
            link_index=host.index,
            address=address,
            prefix_length=address.max_prefixlen,
            scope=RouteScope.UNIVERSE,
            flags=IFA_F_NODAD if address.version == 6 else 0,
        )
        for address in link.addresses
    ]
    held = _router_addresses(channel, host)
    keep = {(address.address, address.prefix_length) for address in wanted}
    stale = [each for each in held if (each.address, each.prefix_length) not in keep]
    # First the new, then the old: at no moment is the router without an address.
    requests = [address_request(address) for address in wanted]
    requests += [address_request(address, remove=True) for address in stale]
    if requests:
        channel.batch(requests)
