"""The batches of a pod's interface: what is sent, and in which order."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from ciliate.net.address import Mac
from ciliate.net.link import Route
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.message import attributes, to_number, to_text
from ciliate.netlink.numbers import (
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_LINKINFO,
    IFLA_NET_NS_FD,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTM_NEWTFILTER,
    RTM_SETLINK,
    VETH_INFO_PEER,
)
from ciliate.netlink.pod_link import PodLink, host_name, new_mac
from ciliate.netlink.pod_requests import create_request, host_requests, metric_behind, pod_requests
from ciliate.netlink.pod_settings import host_settings, pod_settings

_LINK = PodLink(
    PodInterface(
        host_name="lxc0123456789ab",
        host_mac=Mac("02:00:00:00:00:01"),
        pod_name="eth0",
        pod_mac=Mac("02:00:00:00:00:02"),
        netns="/run/netns/pod",
        mtu=1500,
        route_mtu=1450,
        addresses=(ip_address("10.244.0.7"),),
        gateways=(ip_address("10.244.0.93"),),
    ),
    from_pod_fd=7,
    to_pod_fd=8,
)
_DUAL = replace(
    _LINK,
    interface=replace(
        _LINK.interface,
        addresses=(*_LINK.interface.addresses, ip_address("fd00::7")),
        gateways=(*_LINK.interface.gateways, ip_address("fd00::93")),
    ),
)


def test_pod_side_is_born_in_the_pods_namespace() -> None:
    request = create_request(_LINK.interface, netns_fd=42)

    host = attributes(request.body, 16)
    peer = attributes(attributes(host[IFLA_LINKINFO])[IFLA_INFO_DATA])[VETH_INFO_PEER]
    assert to_text(host[IFLA_IFNAME]) == "lxc0123456789ab"
    assert to_text(attributes(peer, 16)[IFLA_IFNAME]) == "eth0"
    assert to_number(attributes(peer, 16)[IFLA_NET_NS_FD]) == 42


def test_pair_is_made_alone_and_relies_on_no_echo() -> None:
    """Kernels before 6.2 do not echo a new link; the worker reads it behind the request."""
    request = create_request(_LINK.interface, netns_fd=42)

    assert request.flags == NLM_F_CREATE | NLM_F_EXCL


def test_programs_are_attached_before_the_link_goes_up_and_routes_come_after() -> None:
    requests = host_requests(_LINK, index=9, ipv6_known=True)

    kinds = [request.kind for request in requests]
    up = max(place for place, kind in enumerate(kinds) if kind == RTM_SETLINK)
    assert all(p < up for p, kind in enumerate(kinds) if kind == RTM_NEWTFILTER)
    assert all(p > up for p, kind in enumerate(kinds) if kind in (RTM_NEWROUTE, RTM_NEWNEIGH))


@pytest.mark.parametrize(
    ("link", "expected"), [(_LINK, 1), (_DUAL, 2), (replace(_DUAL, route=False), 0)]
)
def test_node_gets_a_route_per_address_if_asked(link: PodLink, expected: int) -> None:
    requests = host_requests(link, index=9, ipv6_known=True)

    assert sum(request.kind == RTM_NEWROUTE for request in requests) == expected


def test_pod_gets_two_routes_and_a_neighbour_per_gateway() -> None:
    kinds = [request.kind for request in pod_requests(_DUAL.interface, index=2)]

    assert kinds.count(RTM_NEWROUTE) == 4
    assert kinds.count(RTM_NEWNEIGH) == 2


def test_ipv6_is_off_on_both_ends_of_an_ipv4_pod() -> None:
    assert host_settings(_LINK.interface) == {"net/ipv6/conf/lxc0123456789ab/disable_ipv6": "1"}
    assert pod_settings(_LINK.interface, ipv6_known=True)["net/ipv6/conf/eth0/disable_ipv6"] == "1"


def test_no_ipv6_setting_is_written_where_the_kernel_has_none() -> None:
    assert not any("ipv6" in name for name in pod_settings(_DUAL.interface, ipv6_known=False))


def test_host_name_is_the_same_for_the_same_attachment_only() -> None:
    name = host_name("abc", "eth0")

    assert name == host_name("abc", "eth0")
    assert name != host_name("abc", "eth1")
    assert name.startswith("lxc")
    assert len(name) == 15


def test_new_mac_is_unicast_and_locally_administered() -> None:
    for _ in range(64):
        first = int(new_mac()[:2], 16)
        assert first & 0b11 == 0b10


@pytest.mark.parametrize(
    ("standing", "metric"),
    [
        ((), 0),
        ((Route(ip_network("0.0.0.0/0")),), 1),
        ((Route(ip_network("0.0.0.0/0"), metric=100), Route(ip_network("0.0.0.0/0"))), 101),
        ((Route(ip_network("::/0"), metric=1024), Route(ip_network("10.0.0.0/8"))), 0),
        ((Route(ip_network("0.0.0.0/0"), metric=2**32 - 1),), 0),
    ],
)
def test_route_comes_behind_those_to_its_destination(
    standing: tuple[Route, ...], metric: int
) -> None:
    assert metric_behind(Route(ip_network("0.0.0.0/0")), standing) == metric
