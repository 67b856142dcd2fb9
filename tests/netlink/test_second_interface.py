"""A pod with more than one interface: what stands in it when another comes, and when it goes."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.netlink.conftest import pod_link
from tests.netlink.kernel import ip, run

from ciliate.netlink.errors import PodLinkMismatchError
from ciliate.netlink.pod import PodLink, PodLinks, host_name

FAMILIES = ("-4", "-6")
#: Somewhere that only a default route leads to.
ELSEWHERE = {"-4": "192.0.2.1", "-6": "2001:db8::1"}


def second(netns: str, number: int, program: int) -> PodLink:
    """The link of the same container's `net1`."""
    link = pod_link(netns, number, program, ipv6=True)
    name = host_name("container2", "net1")
    return replace(link, interface=replace(link.interface, host_name=name, pod_name="net1"))


def routes(netns: str, family: str) -> list[dict[str, Any]]:
    """Routes of the main table by destination, gateway, link and metric."""
    return [
        {key: each[key] for key in ("dst", "gateway", "dev", "metric") if key in each}
        for each in json.loads(ip(netns, "-j", family, "route") or "[]")
        if not each["dst"].startswith("fe80")
    ]


def way(netns: str, family: str, *more: str) -> str:
    """The interface by which a packet elsewhere leaves."""
    (found,) = json.loads(ip(netns, "-j", family, "route", "get", ELSEWHERE[family], *more))
    return str(found["dev"])


def of(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [each for each in found if each["dev"] == name]


def foreign_interface(netns: str, node: str, *metric: str) -> None:
    """What another plugin gives a pod as eth0, with the pod's default routes."""
    ip(netns, "link", "add", "eth0", "type", "veth", "peer", "name", "veth1a2b", "netns", node)
    ip(netns, "addr", "add", "172.20.0.2/24", "dev", "eth0")
    ip(netns, "addr", "add", "fd20::2/64", "dev", "eth0", "nodad")
    ip(node, "link", "set", "veth1a2b", "up")
    ip(netns, "link", "set", "eth0", "up")
    ip(netns, "route", "add", "default", "via", "172.20.0.1", "dev", "eth0", *metric)
    ip(netns, "-6", "route", "add", "default", "via", "fd20::1", "dev", "eth0", *metric)


async def test_first_interface_keeps_every_route_when_a_second_comes_and_goes(
    links: PodLinks, pods: list[str], accept: int
) -> None:
    first, other = pod_link(pods[0], 2, accept, ipv6=True), second(pods[0], 3, accept)
    await links.create(first)
    before = {family: routes(pods[0], family) for family in FAMILIES}

    await links.create(other)

    for family in FAMILIES:
        assert of(routes(pods[0], family), "eth0") == before[family]
        assert way(pods[0], family) == "eth0"
        assert way(pods[0], family, "oif", "net1") == "net1"
    await links.check(first.interface)
    await links.check(other.interface)

    await links.remove(other.interface.host_name)

    assert {family: routes(pods[0], family) for family in FAMILIES} == before
    await links.check(first.interface)
    with pytest.raises(PodLinkMismatchError, match="is missing"):
        await links.check(other.interface)


async def test_pod_goes_on_by_its_second_interface_when_the_first_is_gone(
    links: PodLinks, pods: list[str], accept: int
) -> None:
    first, other = pod_link(pods[0], 2, accept, ipv6=True), second(pods[0], 3, accept)
    await links.create(first)
    await links.create(other)

    await links.remove(first.interface.host_name)

    assert [way(pods[0], family) for family in FAMILIES] == ["net1", "net1"]
    await links.check(other.interface)


@pytest.mark.parametrize("metric", [(), ("metric", "100"), ("metric", "20100")])
async def test_default_route_of_another_plugin_stays_the_pods(
    links: PodLinks, node: str, pods: list[str], accept: int, metric: tuple[str, ...]
) -> None:
    """Whatever its metric is: a lower one of ours would take its place."""
    foreign_interface(pods[0], node, *metric)
    before = {family: of(routes(pods[0], family), "eth0") for family in FAMILIES}
    other = second(pods[0], 3, accept)

    await links.create(other)

    for family in FAMILIES:
        assert of(routes(pods[0], family), "eth0") == before[family]
        assert (way(pods[0], family), way(pods[0], family, "oif", "net1")) == ("eth0", "net1")
    await links.check(other.interface)
    await links.remove(other.interface.host_name)
    assert {family: routes(pods[0], family) for family in FAMILIES} == before


async def test_repeated_create_of_either_leaves_the_other(
    links: PodLinks, pods: list[str], accept: int
) -> None:
    first, other = pod_link(pods[0], 2, accept, ipv6=True), second(pods[0], 3, accept)
    await links.create(first)
    await links.create(other)

    await links.create(other)
    await links.create(other)

    assert [way(pods[0], family) for family in FAMILIES] == ["eth0", "eth0"]
    await links.check(first.interface)
    await links.check(other.interface)


async def test_interface_that_another_plugin_left_without_ipv6_stays_without(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    ip(pods[0], "link", "add", "eth0", "type", "veth", "peer", "name", "veth1a2b", "netns", node)
    sysctl = ("nsenter", f"--net={pods[0]}", "sysctl", "-qw")
    run(*sysctl, "net.ipv6.conf.eth0.disable_ipv6=1")
    ip(pods[0], "link", "set", "eth0", "up")

    await links.create(second(pods[0], 3, accept))

    assert json.loads(ip(pods[0], "-j", "-6", "addr", "show", "dev", "eth0") or "[]") in ([], [{}])
    assert "fd00:9::3" in ip(pods[0], "-6", "addr", "show", "dev", "net1")
