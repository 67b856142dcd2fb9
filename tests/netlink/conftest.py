"""What the tests of the netlink adapter stand on: root, namespaces of their own, programs."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from ipaddress import ip_address

import pytest
from tests.netlink.kernel import ip, load_program, namespaces

from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.pod import PodLink, PodLinks, host_name, new_mac

GATEWAYS = (ip_address("10.9.0.1"), ip_address("fd00:9::1"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip by name what this machine cannot run."""
    if os.geteuid() == 0:
        return
    for item in items:
        if "tests/netlink" in str(item.path):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture
def node() -> Iterator[str]:
    """Yield the path of a network namespace that stands for a node."""
    with namespaces(1) as (path,):
        yield path


@pytest.fixture
async def rtnl(node: str) -> AsyncIterator[Rtnetlink]:
    """Yield a client of a node with eth1, 192.168.10.100/24 and fd00:10::100/64, peer `wire`."""
    ip(node, "link", "set", "lo", "up")
    ip(node, "link", "add", "eth1", "type", "veth", "peer", "name", "wire")
    ip(node, "addr", "add", "192.168.10.100/24", "dev", "eth1")
    ip(node, "addr", "add", "fd00:10::100/64", "dev", "eth1", "nodad")
    for name in ("eth1", "wire"):
        ip(node, "link", "set", name, "up")
    async with Rtnetlink.open(node) as opened:
        yield opened


@pytest.fixture
def pods() -> Iterator[list[str]]:
    """Yield the paths of three pods' network namespaces."""
    with namespaces(3) as paths:
        yield paths


@pytest.fixture
async def links(node: str) -> AsyncIterator[PodLinks]:
    async with PodLinks(netns=node) as opened:
        yield opened


@pytest.fixture
def accept() -> Iterator[int]:
    """Yield a program that lets everything pass (TC_ACT_OK)."""
    descriptor = load_program(0)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def drop() -> Iterator[int]:
    """Yield a program that drops everything (TC_ACT_SHOT)."""
    descriptor = load_program(2)
    yield descriptor
    os.close(descriptor)


def pod_link(netns: str, number: int, program: int, *, ipv6: bool = False) -> PodLink:
    """Return the link of pod `number`: 10.9.0.<number>, and fd00:9::<number> with IPv6."""
    families = 2 if ipv6 else 1
    addresses = (ip_address(f"10.9.0.{number}"), ip_address(f"fd00:9::{number:x}"))
    return PodLink(
        PodInterface(
            host_name=host_name(f"container{number}", "eth0"),
            host_mac=new_mac(),
            pod_name="eth0",
            pod_mac=new_mac(),
            netns=netns,
            mtu=1500,
            route_mtu=1450,
            addresses=addresses[:families],
            gateways=GATEWAYS[:families],
        ),
        from_pod_fd=program,
        to_pod_fd=program,
    )


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 5.0) -> None:
    """Return when `condition` holds; fail when it does not within the time."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.005)
