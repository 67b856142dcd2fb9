"""Pods' interfaces are removed with both ends, and in groups."""

import asyncio
import time

from tests.netlink.conftest import pod_link
from tests.netlink.kernel import link_names, namespaces

from ciliate.netlink.pod import PodLink, PodLinks


async def test_removal_takes_both_ends_and_absence_is_success(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = pod_link(pods[0], 2, accept)
    await links.create(link)

    await links.remove(link.interface.host_name)
    await links.remove(link.interface.host_name)

    assert link_names(node) == {"lo"}
    assert link_names(pods[0]) == {"lo"}


async def test_burst_is_made_at_once_and_removed_as_groups(node: str, accept: int) -> None:
    """Removals one by one wait 16 ms each for the kernel; a group waits once."""
    count, alone = 60, 10
    with namespaces(count) as paths:
        async with PodLinks(netns=node) as links:
            made = [pod_link(path, number, accept) for number, path in enumerate(paths, start=2)]
            states = await asyncio.gather(*(links.create(link) for link in made))
            assert len({state.host_ifindex for state in states}) == count
            assert len(await links.observe()) == count

            names = [link.interface.host_name for link in made]
            start = time.monotonic()
            for name in names[:alone]:
                await links.remove(name)
            middle = time.monotonic()
            await asyncio.gather(*map(links.remove, names[alone:]))
            end = time.monotonic()

            assert await links.observe() == ()
    of_one_s, of_group_s = (middle - start) / alone, (end - middle) / (count - alone)
    assert of_group_s < of_one_s * 0.75, f"{of_group_s:.4f} s each, one by one {of_one_s:.4f} s"


async def test_cancelled_waiter_does_not_keep_others_from_their_removal(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    made: list[PodLink] = [pod_link(path, n, accept) for n, path in enumerate(pods, start=2)]
    for link in made:
        await links.create(link)
    removals = [asyncio.create_task(links.remove(link.interface.host_name)) for link in made]
    await asyncio.sleep(0)

    removals[0].cancel()
    await asyncio.gather(*removals[1:])

    names = {link.name for link in await links.observe()}
    assert names.isdisjoint(link.interface.host_name for link in made[1:])
