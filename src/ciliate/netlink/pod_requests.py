"""The batches that make a pod's interface: which messages, in which order, and why.

Pure: from a `PodLink` to requests. `pod.py` sends them. Three batches:

1. in the node's namespace, the veth pair, its pod side born inside the pod's namespace (moving one
   later costs 16 ms), and the question which ifindex the kernel chose. Nothing else, because a
   failure here would make the rest hit another link;
2. in the node's namespace, everything on the host side, programs before the link goes up;
3. in the pod's namespace, everything on the pod side, the link up before addresses and routes.
"""

import errno
from collections.abc import Collection, Iterable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from ciliate.net.address import IPAddress, host_network, mac_octets
from ciliate.net.link import (
    LOOPBACK_INDEX,
    LinkAddress,
    LinkFlag,
    Route,
    RouteProtocol,
    RouteScope,
)
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.addresses import address_request
from ciliate.netlink.links import link_body, set_link_request, settle_request
from ciliate.netlink.message import Request, attribute, nested, number, text
from ciliate.netlink.neighbours import neighbour_request
from ciliate.netlink.numbers import (
    AF_INET,
    AF_INET6,
    IFA_F_NODAD,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_IFNAME,
    IFLA_INET6_ADDR_GEN_MODE,
    IFLA_INET_CONF,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    IFLA_NUM_RX_QUEUES,
    IFLA_NUM_TX_QUEUES,
    IN6_ADDR_GEN_MODE_NONE,
    IPV4_DEVCONF_ACCEPT_REDIRECTS,
    IPV4_DEVCONF_ARP_ACCEPT,
    IPV4_DEVCONF_ARP_IGNORE,
    IPV4_DEVCONF_RP_FILTER,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_NEWLINK,
    RTM_SETLINK,
    VETH_INFO_PEER,
)
from ciliate.netlink.pod_link import PodLink
from ciliate.netlink.programs import filter_request, qdisc_request
from ciliate.netlink.routes import add_request

#: arp_ignore: answer no ARP at all (ip-sysctl.rst).
_ARP_IGNORE_ALL: Final = 8

#: Nothing comes after it. Kernels have an unreachable default of this metric in IPv6.
_METRIC_MAX: Final = 2**32 - 1

_EVERYTHING_4: Final = IPv4Network("0.0.0.0/0")
_EVERYTHING_6: Final = IPv6Network("::/0")

#: A veth hands packets to the sender's CPU and takes no lock: more queues (its default is one per
#: CPU) cost 0.12 ms of a pod's start and a hash per packet, and win nothing.
_ONE_QUEUE: Final = number(IFLA_NUM_TX_QUEUES, 1) + number(IFLA_NUM_RX_QUEUES, 1)


def create_request(interface: PodInterface, *, netns_fd: int) -> Request:
    """Return the message that makes the pair, and fails when a name is taken.

    The host side is NOARP: the kernel then neither learns from nor answers a pod's ARP. The
    pod's question for its gateway is answered by the program in front of it.
    """
    peer = link_body() + b"".join(
        (
            text(IFLA_IFNAME, interface.pod_name),
            attribute(IFLA_ADDRESS, mac_octets(interface.pod_mac)),
            number(IFLA_MTU, interface.mtu),
            _ONE_QUEUE,
            number(IFLA_NET_NS_FD, netns_fd),
        )
    )
    body = link_body(flags=LinkFlag.NOARP, change=LinkFlag.NOARP) + b"".join(
        (
            text(IFLA_IFNAME, interface.host_name),
            attribute(IFLA_ADDRESS, mac_octets(interface.host_mac)),
            number(IFLA_MTU, interface.mtu),
            _ONE_QUEUE,
            nested(
                IFLA_LINKINFO,
                text(IFLA_INFO_KIND, "veth"),
                nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, peer)),
            ),
        )
    )
    flags = NLM_F_CREATE | NLM_F_EXCL
    return Request(
        RTM_NEWLINK, body, "create pod link", f"{interface.host_name} ({interface.netns})", flags
    )


def host_requests(link: PodLink, *, index: int, ipv6_known: bool) -> list[Request]:
    """Return what the host side needs, in the order the kernel demands.

    Settings and programs come before the link goes up, neighbours and routes after: the kernel
    takes a route only on a link that is up.
    """
    subject = link.interface.host_name
    requests = [
        _host_settings(index, subject=subject, ipv6_known=ipv6_known),
        qdisc_request(index, subject=subject),
        filter_request(index, program_fd=link.from_pod_fd, from_pod=True, subject=subject),
        filter_request(index, program_fd=link.to_pod_fd, from_pod=False, subject=subject),
        set_link_request(index, up=True, subject=subject),
    ]
    for address in link.interface.addresses:
        requests.append(
            neighbour_request(link_index=index, address=address, mac=link.interface.pod_mac)
        )
        if link.route:
            requests.append(
                # What stands there is the routing's to judge: another's route is never replaced.
                add_request(
                    endpoint_route(address, index, link.interface.host_name),
                    tolerated=frozenset({errno.EEXIST}),
                )
            )
    return requests


def endpoint_route(address: IPAddress, index: int, name: str) -> Route:
    """Return the route that leads to one pod: `<ip> dev lxc... proto kernel scope link`."""
    return Route(
        destination=host_network(address),
        link_index=index,
        protocol=RouteProtocol.KERNEL,
        scope=RouteScope.LINK if address.version == 4 else RouteScope.UNIVERSE,
        link_name=name,
    )


def host_settings_4(name: str) -> dict[str, str]:
    """Return the IPv4 settings of a host side as /proc/sys has them; `_host_settings` says why.

    It forwards, as every interface does that is made on a node that forwards.
    """
    conf = f"net/ipv4/conf/{name}/"
    return {
        conf + "forwarding": "1",
        conf + "rp_filter": "0",
        conf + "accept_redirects": "0",
        conf + "arp_accept": "0",
        conf + "arp_ignore": str(_ARP_IGNORE_ALL),
    }


def _host_settings(index: int, *, subject: str, ipv6_known: bool) -> Request:
    """Settings /proc/sys has too, without its file operations.

    rp_filter 0: the program redirects replies past the routes the filter would ask. No
    redirects, no ARP: nothing a pod sends changes the node. No link-local IPv6 address: then no
    neighbour solicitation of a pod has a target here.
    """
    settings = nested(
        IFLA_INET_CONF,
        number(IPV4_DEVCONF_RP_FILTER, 0),
        number(IPV4_DEVCONF_ACCEPT_REDIRECTS, 0),
        number(IPV4_DEVCONF_ARP_ACCEPT, 0),
        number(IPV4_DEVCONF_ARP_IGNORE, _ARP_IGNORE_ALL),
    )
    families = [nested(AF_INET, settings)]
    if ipv6_known:
        generation = attribute(IFLA_INET6_ADDR_GEN_MODE, bytes((IN6_ADDR_GEN_MODE_NONE,)))
        families.append(nested(AF_INET6, generation))
    body = link_body(index=index) + nested(IFLA_AF_SPEC, *families)
    return Request(RTM_SETLINK, body, "set up host side", subject)


def pod_requests(
    interface: PodInterface, *, index: int, standing: Collection[Route] = ()
) -> list[Request]:
    """Return what the pod side needs; `index` is its ifindex in the pod's namespace.

    Each gateway is on no subnet of the pod's /32: a link route makes it reachable, a permanent
    neighbour saves asking for it. `standing` are the routes that the pod has: of an interface that
    it was given before, by us or by another plugin.
    """
    requests = [
        set_link_request(LOOPBACK_INDEX, up=True, subject=f"lo ({interface.netns})"),
        set_link_request(index, up=True, subject=f"{interface.pod_name} ({interface.netns})"),
        settle_request(index, subject=f"{interface.pod_name} ({interface.netns})"),
    ]
    for address in interface.addresses:
        # The allocator vouches for uniqueness; detection would hold the address back for 1 s.
        flags = IFA_F_NODAD if address.version == 6 else 0
        host = LinkAddress(index, address, address.max_prefixlen, RouteScope.UNIVERSE, flags)
        requests.append(address_request(host))
    for gateway in interface.gateways:
        requests.append(
            neighbour_request(link_index=index, address=gateway, mac=interface.host_mac)
        )
        for route in pod_routes(gateway, index, interface):
            behind = replace(route, metric=metric_behind(route, standing))
            requests.append(add_request(behind))
    return requests


def metric_behind(route: Route, standing: Iterable[Route]) -> int:
    """Return the metric by which `route` comes after every standing one to its destination.

    A pod's first interface has the pod's default route, and keeps it when another is added: that
    one's serves sockets that are bound to it, and the pod once the first is gone.
    """
    metrics = [
        each.metric
        for each in standing
        if each.destination == route.destination and each.metric < _METRIC_MAX
    ]
    return max(metrics) + 1 if metrics else 0


def pod_routes(gateway: IPAddress, index: int, interface: PodInterface) -> tuple[Route, Route]:
    """Return the pod's routes of one family: to the gateway, and by it to everything.

    The MTU is on the default route alone, not on the link: packets that come in at full size
    still fit.
    """
    version_4 = gateway.version == 4
    on_link = Route(
        destination=host_network(gateway),
        link_index=index,
        protocol=RouteProtocol.BOOT,
        scope=RouteScope.LINK if version_4 else RouteScope.UNIVERSE,
        link_name=interface.pod_name,
    )
    default = Route(
        destination=_EVERYTHING_4 if version_4 else _EVERYTHING_6,
        link_index=index,
        gateway=gateway,
        protocol=RouteProtocol.BOOT,
        mtu=interface.route_mtu,
        link_name=interface.pod_name,
    )
    return on_link, default
