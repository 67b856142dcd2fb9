"""Kernel settings that somebody changes: announced where the kernel does, and put right."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from tests.netlink.conftest import until
from tests.netlink.kernel import ip, run

from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.monitor import ChangeKind, Monitor, Setting
from ciliate.netlink.sysctl import read_sysctl
from ciliate.sysctl.target import SysctlTarget

WANTED = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv6.conf.all.forwarding": "1",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv4/conf/gone0/forwarding": "1",
}
STANDING = {name: value for name, value in WANTED.items() if "gone0" not in name}


@pytest.fixture
async def rtnl(node: str) -> AsyncIterator[Rtnetlink]:
    async with Rtnetlink.open(node) as opened:
        yield opened


def sysctl(netns: str, name: str, value: str) -> None:
    """Set a value as another tool does."""
    run("nsenter", f"--net={netns}", "sysctl", "-qw", f"{name}={value}")


async def test_settings_that_differ_are_set_and_those_of_a_device_that_is_gone_need_not_be(
    rtnl: Rtnetlink,
) -> None:
    target = SysctlTarget(rtnl, lambda: WANTED)

    assert await target.put(WANTED) == {}

    assert await target.observe() == STANDING
    for name, value in STANDING.items():
        assert await rtnl.run(lambda _, name=name: read_sysctl(name)) == value  # type: ignore[misc]


async def test_setting_that_somebody_changes_is_said_once_a_minute_and_the_first_time_is_not(
    rtnl: Rtnetlink, node: str, caplog: pytest.LogCaptureFixture
) -> None:
    target = SysctlTarget(rtnl, lambda: WANTED)
    with caplog.at_level(logging.WARNING):
        await target.observe()
        await target.put(WANTED)
        assert not caplog.records

        for _ in range(3):
            sysctl(node, "net.ipv4.ip_forward", "0")
            assert (await target.observe())["net.ipv4.ip_forward"] == "0"
            await target.put({"net.ipv4.ip_forward": "1"})

    assert await target.observe() == STANDING
    (said,) = (record.getMessage() for record in caplog.records)
    assert "net.ipv4.ip_forward was 0, and pods' packets need 1" in said


async def test_setting_that_cannot_be_set_is_a_failing_key_of_its_own(rtnl: Rtnetlink) -> None:
    target = SysctlTarget(rtnl, dict)

    failures = await target.put({"net.ipv4.ip_forward": "x", "net.ipv4.conf.all.rp_filter": "0"})

    assert failures.keys() == {"net.ipv4.ip_forward"}
    assert "write sysctl net.ipv4.ip_forward = x" in str(failures["net.ipv4.ip_forward"])


async def test_forwarding_and_reverse_path_filter_are_announced_for_a_device_and_for_all(
    node: str,
) -> None:
    ip(node, "link", "add", "one0", "type", "veth", "peer", "one1")
    index = int(ip(node, "-o", "link", "show", "one0").split(":")[0])
    seen: list[Setting] = []

    async def follow(monitor: Monitor) -> None:
        async for change in monitor:
            if change.kind is ChangeKind.SETTING and change.setting is not None:
                seen.append(change.setting)  # noqa: PERF401 - read while it grows.

    async def has(setting: Setting) -> bool:
        return setting in seen

    async with Monitor.open(node) as monitor:
        following = asyncio.create_task(follow(monitor))
        for version in (4, 6):
            sysctl(node, f"net.ipv{version}.conf.all.forwarding", "1")
            seen.clear()
            sysctl(node, f"net.ipv{version}.conf.one0.forwarding", "0")
            of_one = Setting(version, index, forwards=False)
            await until(lambda of_one=of_one: has(of_one))  # type: ignore[misc]
            sysctl(node, f"net.ipv{version}.conf.all.forwarding", "0")
            of_all = Setting(version, None, forwards=False)
            await until(lambda of_all=of_all: has(of_all))  # type: ignore[misc]
        sysctl(node, "net.ipv4.conf.all.rp_filter", "1")
        await until(lambda: has(Setting(4, None, rp_filter=1)))
        sysctl(node, "net.ipv4.conf.one0.rp_filter", "2")
        await until(lambda: has(Setting(4, index, rp_filter=2)))
        following.cancel()
