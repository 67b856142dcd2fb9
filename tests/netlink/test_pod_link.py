"""What stands in the kernel after a pod's interface was made, repeated, or failed."""

import asyncio
import errno
import json
import os
import socket
import stat
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from tests.netlink.conftest import pod_link
from tests.netlink.kernel import ip, link_names, program_id, run

from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.features import TrafficControlMissingError
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.router import RouterLink, ensure_router_link
from ciliate.netlink.sysctl import node_sysctls, write_sysctls


def _json(netns: str, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ip(netns, "-j", *words) or "[]")
    return found


def _sysctl(netns: str, name: str) -> str:
    return run("nsenter", f"--net={netns}", "cat", f"/proc/sys/net/{name}").strip()


async def _make_router(node: str, *, ipv6: bool = False) -> None:
    """Give the node its router link and the settings to forward."""
    with Rtnetlink.open(node) as rtnl:
        await rtnl.run(lambda _: write_sysctls(node_sysctls(ipv4=True, ipv6=ipv6)))
        addresses_6 = (IPv6Address("fd00:9::1"),) if ipv6 else ()
        link = RouterLink(mtu=1500, addresses=(IPv4Address("10.9.0.1"), *addresses_6))
        await ensure_router_link(rtnl, link)


async def test_pod_has_address_routes_and_gateway_neighbour(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = pod_link(pods[0], 2, accept)

    state = await links.create(link)

    (eth0,) = _json(pods[0], "addr", "show", "dev", "eth0")
    assert eth0["ifindex"] == state.pod_ifindex
    assert eth0["address"] == link.interface.pod_mac
    assert eth0["mtu"] == 1500
    assert [(a["local"], a["prefixlen"]) for a in eth0["addr_info"]] == [("10.9.0.2", 32)]
    assert _json(pods[0], "route") == [
        {
            "dst": "default",
            "gateway": "10.9.0.1",
            "dev": "eth0",
            "flags": [],
            "metrics": [{"mtu": 1450}],
        },
        {"dst": "10.9.0.1", "dev": "eth0", "scope": "link", "flags": []},
    ]
    assert _json(pods[0], "neigh") == [
        {
            "dst": "10.9.0.1",
            "dev": "eth0",
            "lladdr": link.interface.host_mac,
            "state": ["PERMANENT"],
        }
    ]
    (lo,) = _json(pods[0], "link", "show", "dev", "lo")
    assert "UP" in lo["flags"]


async def test_node_has_route_neighbour_and_programs(
    links: PodLinks, node: str, pods: list[str], accept: int, drop: int
) -> None:
    link = replace(pod_link(pods[0], 2, accept), to_pod_fd=drop)

    state = await links.create(link)

    assert (
        ip(node, "route").strip()
        == f"10.9.0.2 dev {link.interface.host_name} proto kernel scope link"
    )
    (neighbour,) = _json(node, "neigh")
    assert (neighbour["dst"], neighbour["lladdr"]) == ("10.9.0.2", link.interface.pod_mac)
    (seen,) = await links.observe()
    assert (seen.name, seen.ifindex) == (link.interface.host_name, state.host_ifindex)
    assert (seen.host_mac, seen.pod_mac, seen.mtu) == (
        link.interface.host_mac,
        link.interface.pod_mac,
        1500,
    )
    assert seen.addresses == link.interface.addresses
    assert seen.peer_netnsid is not None
    assert seen.is_up
    assert (seen.from_pod_program, seen.to_pod_program) == (program_id(accept), program_id(drop))


async def test_dual_stack_pod_has_both_families_at_once(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    await _make_router(node, ipv6=True)

    await links.create(pod_link(pods[0], 2, accept, ipv6=True))

    # No duplicate address detection to wait for: the first packet goes.
    ip(pods[0], "-6", "route", "get", "fd00:9::1", "from", "fd00:9::2")
    run("nsenter", f"--net={pods[0]}", "ping", "-6", "-c1", "-W2", "fd00:9::1")
    default = next(r for r in _json(pods[0], "-6", "route") if r["dst"] == "default")
    assert (default["gateway"], default["metrics"]) == ("fd00:9::1", [{"mtu": 1450}])


async def test_first_packet_after_create_arrives_in_both_directions(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    """Also while removals keep the kernel's link-watch work from its lock."""
    await _make_router(node)
    others = [pod_link(pods[1], number, accept) for number in (20, 21)]
    async with asyncio.TaskGroup() as tasks:
        for number in range(2, 12):
            await links.create(others[number % 2])
            await links.create(pod_link(pods[0], number, accept))
            tasks.create_task(links.remove(others[number % 2].interface.host_name))
            run("nsenter", f"--net={node}", "ping", "-c1", "-W1", f"10.9.0.{number}")
            run("nsenter", f"--net={pods[0]}", "ping", "-c1", "-W1", "10.9.0.1")


@pytest.mark.parametrize("ipv6", [False, True])
async def test_kernel_alone_forwards_between_pods(
    links: PodLinks, node: str, pods: list[str], accept: int, *, ipv6: bool
) -> None:
    """The second pod is new each time: no packet to an address just given is lost."""
    await _make_router(node, ipv6=ipv6)
    await links.create(pod_link(pods[0], 2, accept, ipv6=ipv6))

    for number in range(3, 13):
        await links.create(pod_link(pods[1], number, accept, ipv6=ipv6))
        target = f"fd00:9::{number:x}" if ipv6 else f"10.9.0.{number}"
        run("nsenter", f"--net={pods[0]}", "ping", "-c1", "-W1", target)


async def test_repeated_create_replaces_the_former_and_leaves_others(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    await links.create(pod_link(pods[1], 3, accept))
    await links.create(pod_link(pods[0], 2, accept))
    again = pod_link(pods[0], 2, accept)

    state = await links.create(again)

    await links.check(again.interface)
    seen = {link.name: link for link in await links.observe()}
    assert len(seen) == 2
    assert seen[again.interface.host_name].ifindex == state.host_ifindex
    assert seen[again.interface.host_name].host_mac == again.interface.host_mac


async def test_interface_of_another_attachment_in_the_pod_is_replaced(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    """A pod's eth0 whose DEL was lost gives way: the runtime asks for a new one."""
    await links.create(pod_link(pods[0], 2, accept))
    other = pod_link(pods[0], 7, accept)

    await links.create(other)

    assert [link.name for link in await links.observe()] == [other.interface.host_name]


async def test_traffic_control_is_there_and_trying_it_leaves_nothing(
    links: PodLinks, node: str, accept: int
) -> None:
    before = ip(node, "-o", "link") + run("nsenter", f"--net={node}", "tc", "qdisc")

    await links.require_traffic_control(accept)

    assert ip(node, "-o", "link") + run("nsenter", f"--net={node}", "tc", "qdisc") == before


async def test_part_of_traffic_control_that_is_missing_is_named_with_its_kernel(
    links: PodLinks,
) -> None:
    """A descriptor that is no program stands for a kernel whose filters run none."""
    standard_input = 0
    with pytest.raises(TrafficControlMissingError) as caught:
        await links.require_traffic_control(standard_input)

    assert "the filter bpf with direct action (since Linux 4.4" in str(caught.value)


async def test_failed_create_leaves_nothing_and_names_the_step(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    read_end, write_end = os.pipe()  # A descriptor, but not of a program.
    link = replace(pod_link(pods[0], 2, accept), to_pod_fd=read_end)

    with pytest.raises(NetlinkError) as caught:
        await links.create(link)

    os.close(read_end)
    os.close(write_end)
    assert caught.value.step == "attach to_pod to"
    assert caught.value.subject == link.interface.host_name
    assert caught.value.errno == errno.EINVAL
    assert link_names(node) == {"lo"}
    assert link_names(pods[0]) == {"lo"}


async def test_failure_on_the_pod_side_takes_the_host_side_back(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    """A gateway of a family that is off in the pod."""
    made = pod_link(pods[0], 2, accept)
    link = replace(made, interface=replace(made.interface, gateways=(IPv6Address("fd00:9::1"),)))

    with pytest.raises(NetlinkError) as caught:
        await links.create(link)

    assert caught.value.step == "add neighbour"
    assert link_names(node) == {"lo"}
    assert ip(node, "route") == ""


async def test_vanished_namespace_is_reported(links: PodLinks, node: str, accept: int) -> None:
    with pytest.raises(NetlinkError) as caught:
        await links.create(pod_link("/run/netns/nlt-none", 2, accept))

    assert caught.value.errno == errno.ENOENT
    assert "/run/netns/nlt-none" in str(caught.value)


async def test_file_left_of_a_namespace_is_reported_as_gone(
    links: PodLinks, node: str, accept: int, tmp_path: Path
) -> None:
    left = tmp_path / "pod"
    left.touch()

    with pytest.raises(NetlinkError, match="is no network namespace any more") as caught:
        await links.create(pod_link(str(left), 2, accept))

    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pipe", "is a pipe, no network namespace"),
        ("directory", "is a directory, no network namespace"),
        ("socket", "is a socket, no network namespace"),
        ("device", "is a device, no network namespace"),
        ("uts", "is a namespace, but none of a network"),
    ],
)
async def test_what_is_no_network_namespace_is_refused_without_waiting(
    links: PodLinks, node: str, tmp_path: Path, kind: str, said: str
) -> None:
    """A pipe that nobody writes to would keep a worker for good; each verb opens the path."""
    path = str(tmp_path / kind)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            os.mkdir(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path)
        case "device":
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        case "uts":
            path = "/proc/self/ns/uts"
    link = pod_link(path, 2, program=0)

    async with asyncio.timeout(5):
        for refused in (
            links.create(link),
            links.check(link.interface),
            links.find_chained(path, "eth0"),
        ):
            with pytest.raises(NetlinkError, match=said) as caught:
                await refused
            assert caught.value.errno == errno.EINVAL

    assert link_names(node) == {"lo"}


async def test_node_namespace_is_no_pod(links: PodLinks, node: str, accept: int) -> None:
    with pytest.raises(NetlinkError, match="node's own network namespace"):
        await links.create(pod_link(node, 2, accept))

    assert link_names(node) == {"lo"}


async def test_foreign_eth0_is_not_removed(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    """A wrong path may be a machine's namespace, where eth0 is the way to the world."""
    ip(pods[0], "link", "add", "eth0", "type", "bridge")

    with pytest.raises(NetlinkError, match="bridge of that name is no interface of ours"):
        await links.create(pod_link(pods[0], 2, accept))

    assert "eth0" in link_names(pods[0])
    assert link_names(node) == {"lo"}


async def test_interface_of_another_plugin_is_not_removed(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    """As ptp makes it: a veth between the pod and the node, under a name that is not ours."""
    ip(pods[0], "link", "add", "eth0", "type", "veth", "peer", "name", "veth1a2b", "netns", node)

    with pytest.raises(NetlinkError, match="veth of that name is no interface of ours"):
        await links.create(pod_link(pods[0], 2, accept))

    assert "eth0" in link_names(pods[0])
    assert link_names(node) == {"lo", "veth1a2b"}


async def test_settings_refuse_what_the_wire_says(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    v4 = pod_link(pods[0], 2, accept)
    v6 = pod_link(pods[1], 3, accept, ipv6=True)

    await links.create(v4)
    await links.create(v6)

    for link in (v4, v6):
        assert _sysctl(node, f"ipv4/conf/{link.interface.host_name}/rp_filter") == "0"
        assert _sysctl(node, f"ipv4/conf/{link.interface.host_name}/accept_redirects") == "0"
        assert _sysctl(link.interface.netns, "ipv4/conf/eth0/accept_redirects") == "0"
    assert _sysctl(node, f"ipv6/conf/{v4.interface.host_name}/disable_ipv6") == "1"
    assert _sysctl(pods[0], "ipv6/conf/eth0/disable_ipv6") == "1"
    for name in ("accept_ra", "accept_redirects"):
        assert _sysctl(node, f"ipv6/conf/{v6.interface.host_name}/{name}") == "0"
        assert _sysctl(pods[1], f"ipv6/conf/eth0/{name}") == "0"
    assert _sysctl(pods[1], "ipv6/conf/eth0/autoconf") == "0"


async def test_ipv6_pod_in_a_sandbox_without_ipv6_gets_it(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    """Docker's and others' sandboxes come with IPv6 turned off."""
    run("nsenter", f"--net={pods[0]}", "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")

    await links.create(pod_link(pods[0], 2, accept, ipv6=True))

    assert "fd00:9::2" in ip(pods[0], "-6", "addr", "show", "dev", "eth0")


async def test_without_endpoint_routes_the_address_is_still_observed(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = replace(pod_link(pods[0], 2, accept), route=False)

    await links.create(link)

    assert ip(node, "route") == ""
    (seen,) = await links.observe()
    assert seen.addresses == link.interface.addresses


async def test_routes_of_a_pod_get_another_mtu_and_those_of_others_keep_theirs(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = pod_link(pods[0], 7, accept, ipv6=True)
    await links.create(link)
    ip(pods[0], "route", "add", "198.51.100.0/24", "via", "10.9.0.1", "dev", "eth0", "mtu", "1300")

    await links.set_route_mtu(replace(link.interface, route_mtu=1380))
    await links.set_route_mtu(replace(link.interface, route_mtu=1380))  # Nothing is left to do.

    shown = ip(pods[0], "route", "show")
    assert "default via 10.9.0.1 dev eth0 mtu 1380" in shown
    assert "198.51.100.0/24 via 10.9.0.1 dev eth0 mtu 1300" in shown
    assert shown.count("default") == 1
    shown_6 = ip(pods[0], "-6", "route", "show", "default")
    assert "mtu 1380" in shown_6
    assert shown_6.count("default") == 1


async def test_mtu_of_a_pod_that_is_gone_is_an_error_that_names_it(
    links: PodLinks, accept: int
) -> None:
    with pytest.raises(NetlinkError, match="/nowhere"):
        await links.set_route_mtu(pod_link("/nowhere", 7, accept).interface)
