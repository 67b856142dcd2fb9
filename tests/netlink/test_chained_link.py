"""Interfaces that other plugins made: found from the pod's side, with our programs attached."""

import json
from typing import Any

import pytest
from tests.netlink.kernel import ip, load_program

from ciliate.netlink.errors import NetlinkError, NoChainedLinkError
from ciliate.netlink.pod import PodLinks

POD_MAC = "02:00:00:00:00:05"


def link(netns: str, name: str) -> Any:
    """A link as `ip` shows it."""
    return json.loads(ip(netns, "-j", "link", "show", "dev", name))[0]


def make_veth(node: str, pod: str, host: str, inner: str = "eth0") -> None:
    """What `ptp` makes."""
    ip(node, *f"link add {host} type veth peer name {inner} netns {pod}".split())
    ip(node, "link", "set", host, "up")


async def test_both_ends_are_found_by_the_name_in_the_pod(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    make_veth(node, pods[0], "veth-other", "net1")
    make_veth(node, pods[0], "veth-pod")
    ip(pods[0], *f"link set eth0 address {POD_MAC} mtu 1400".split())

    found = await links.find_chained(pods[0], "eth0")

    host = link(node, "veth-pod")
    assert (found.host_name, found.host_ifindex) == ("veth-pod", host["ifindex"])
    assert found.gateway_mac == host["address"]
    assert (found.pod_name, found.pod_mac, found.mtu) == ("eth0", POD_MAC, 1400)


async def test_first_veth_serves_where_none_has_the_name(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    make_veth(node, pods[0], "veth-pod", "net1")

    assert (await links.find_chained(pods[0], "eth0")).pod_name == "net1"


async def test_interface_of_the_name_that_is_no_veth_has_no_end_here(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    """As behind macvlan: the first veth is that of the pod's own network, another attachment."""
    make_veth(node, pods[0], "veth-pod")
    ip(pods[0], "link", "add", "net1", "type", "bridge")

    with pytest.raises(NoChainedLinkError, match="no link found inside container"):
        await links.find_chained(pods[0], "net1")


async def test_gateway_of_a_bridged_pod_is_the_bridge(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    ip(node, "link", "add", "cni0", "type", "bridge")
    make_veth(node, pods[0], "veth-pod")
    ip(node, *["link", "set", "veth-pod", "master", "cni0"])

    found = await links.find_chained(pods[0], "eth0")

    assert found.gateway_mac == link(node, "cni0")["address"]


async def test_pod_without_a_veth_is_reported_in_ciliums_words(
    links: PodLinks, pods: list[str]
) -> None:
    with pytest.raises(NoChainedLinkError, match="no link found inside container"):
        await links.find_chained(pods[0], "eth0")


async def test_veth_that_leads_to_another_pod_has_no_end_here(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    make_veth(pods[1], pods[0], "veth-pod")

    with pytest.raises(NoChainedLinkError, match="unable to determine name of veth pair"):
        await links.find_chained(pods[0], "eth0")


async def test_node_end_of_another_pod_is_not_taken_for_that_of_a_veth_to_a_third_one(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    """Numbers of links repeat from namespace to namespace: both pairs are 7 and 5000."""
    for pod, peer in ((pods[0], pods[1]), (pods[2], node)):
        pair = "link add eth0 index 7 type veth peer name veth-pod index 5000"
        ip(pod, *pair.split(), "netns", peer)

    with pytest.raises(NoChainedLinkError, match="unable to determine name of veth pair"):
        await links.find_chained(pods[0], "eth0")

    assert (await links.find_chained(pods[2], "eth0")).host_ifindex == 5000


async def test_veth_with_both_ends_in_the_pod_has_no_end_here(
    links: PodLinks, node: str, pods: list[str]
) -> None:
    ip(pods[0], *["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])

    with pytest.raises(NoChainedLinkError, match="unable to determine name of veth pair"):
        await links.find_chained(pods[0], "eth0")


async def test_gone_namespace_and_the_nodes_own_are_refused(links: PodLinks, node: str) -> None:
    with pytest.raises(NetlinkError):
        await links.find_chained("/run/netns/not-there", "eth0")
    with pytest.raises(NetlinkError, match="is the node's own network namespace"):
        await links.find_chained(node, "eth0")


async def test_programs_are_attached_seen_and_the_link_stays(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    make_veth(node, pods[0], "veth-pod")
    index = link(node, "veth-pod")["ifindex"]
    assert await links.observe() == ()

    gone = await links.replace_programs([index], from_pod_fd=accept, to_pod_fd=accept)

    assert gone == frozenset()
    (seen,) = await links.observe(chained=[index, index + 1000])
    assert (seen.name, seen.ifindex) == ("veth-pod", index)
    assert seen.from_pod_program is not None
    assert seen.to_pod_program is not None
    other = load_program()
    await links.replace_programs([index], from_pod_fd=other, to_pod_fd=other)
    (again,) = await links.observe(chained=[index])
    assert again.from_pod_program != seen.from_pod_program
