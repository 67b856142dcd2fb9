"""Removals gather into groups, and one caller's fate does not decide another's."""

import asyncio
from collections.abc import Sequence

import pytest

from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.removal import Outcomes, RemovalGroups


class FakeKernel:
    """Removes groups when a test says so, and remembers them."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, ...]] = []
        self.failing: dict[str, NetlinkError] = {}
        self.go = asyncio.Event()

    async def remove_group(self, names: Sequence[str]) -> Outcomes:
        self.groups.append(tuple(names))
        await self.go.wait()
        return {name: self.failing.get(name) for name in names}


async def test_names_that_come_during_a_removal_form_the_next_group() -> None:
    kernel = FakeKernel()
    groups = RemovalGroups(kernel.remove_group, names_max=100)
    waiting = [asyncio.create_task(groups.remove(f"lxc{n}")) for n in range(50)]
    await asyncio.sleep(0)

    kernel.go.set()
    await asyncio.gather(*waiting)

    assert [len(group) for group in kernel.groups] == [1, 49]


async def test_group_never_exceeds_its_bound() -> None:
    kernel = FakeKernel()
    kernel.go.set()
    groups = RemovalGroups(kernel.remove_group, names_max=20)

    await asyncio.gather(*(groups.remove(f"lxc{n}") for n in range(50)))

    assert max(len(group) for group in kernel.groups) == 20
    assert sum(len(group) for group in kernel.groups) == 50


async def test_failure_reaches_its_own_caller_only() -> None:
    kernel = FakeKernel()
    kernel.failing["lxc1"] = NetlinkError(step="remove", subject="lxc1", errno=16)
    kernel.go.set()
    groups = RemovalGroups(kernel.remove_group, names_max=100)

    outcomes = await asyncio.gather(
        *(groups.remove(f"lxc{n}") for n in range(3)), return_exceptions=True
    )

    assert outcomes[0] is None
    assert isinstance(outcomes[1], NetlinkError)
    assert outcomes[2] is None


async def test_name_asked_for_twice_is_removed_once() -> None:
    kernel = FakeKernel()
    groups = RemovalGroups(kernel.remove_group, names_max=100)
    first = asyncio.create_task(groups.remove("lxc0"))
    await asyncio.sleep(0)
    twice = [asyncio.create_task(groups.remove("lxc1")) for _ in range(2)]
    await asyncio.sleep(0)

    kernel.go.set()
    await asyncio.gather(first, *twice)

    assert kernel.groups == [("lxc0",), ("lxc1",)]


async def test_cancelled_caller_leaves_the_others_waiting_for_their_group() -> None:
    kernel = FakeKernel()
    groups = RemovalGroups(kernel.remove_group, names_max=100)
    first = asyncio.create_task(groups.remove("lxc0"))
    await asyncio.sleep(0)
    second = asyncio.create_task(groups.remove("lxc1"))
    await asyncio.sleep(0)

    first.cancel()
    kernel.go.set()
    await second

    with pytest.raises(asyncio.CancelledError):
        await first
    assert kernel.groups == [("lxc0",), ("lxc1",)]


async def test_drain_waits_for_every_group() -> None:
    kernel = FakeKernel()
    groups = RemovalGroups(kernel.remove_group, names_max=1)
    waiting = [asyncio.create_task(groups.remove(f"lxc{n}")) for n in range(3)]
    await asyncio.sleep(0)

    draining = asyncio.create_task(groups.drain())
    kernel.go.set()
    await draining

    assert kernel.groups == [("lxc0",), ("lxc1",), ("lxc2",)]
    await asyncio.gather(*waiting)
