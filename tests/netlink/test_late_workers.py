"""Workers that do not come back: noticed, named, and told to those who ask."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from tests.netlink.conftest import until

from ciliate.netlink.pod import PodLinks
from ciliate.netlink.pod_worker import PodWorker


async def test_links_refuse_once_every_worker_that_makes_them_is_late(node: str) -> None:
    go = threading.Event()

    def wait(_: PodWorker) -> None:
        assert go.wait(30)

    async def is_late(count: int) -> bool:
        return len(links.late) == count

    async with PodLinks(workers=2, netns=node, late_after_s=0.05) as links:
        async with asyncio.TaskGroup() as tasks:
            try:
                tasks.create_task(links._run("open /a/path", wait))
                await until(lambda: is_late(1))
                assert links.refusal == "", "another worker serves"

                tasks.create_task(links._run("open /another", wait))
                await until(lambda: is_late(2))

                assert '"open /a/path" for 0 s' in links.refusal_to_make
                assert links.refusal == links.refusal_to_make
                await links.remove("lxc-absent")  # Removals have a worker of their own.
            finally:
                go.set()
        await until(lambda: is_late(0))
        assert links.refusal == ""


async def test_worker_that_does_not_come_back_does_not_keep_a_process_that_ends(
    node: str, caplog: pytest.LogCaptureFixture
) -> None:
    go = threading.Event()
    links = PodLinks(workers=1, netns=node)
    stuck = asyncio.ensure_future(links._run("open /a/path", lambda _: go.wait(30)))
    queued = asyncio.ensure_future(links._run("open /another", lambda _: None))
    try:
        await asyncio.sleep(0)  # Both have been handed over.
        async with asyncio.timeout(10):
            await links.aclose(within_s=0.05)

        assert '"open /a/path" for 0 s' in caplog.text
        with pytest.raises(asyncio.CancelledError):
            await queued
    finally:
        go.set()
    await stuck


async def test_links_wait_for_what_is_under_way(node: str) -> None:
    begun, go = threading.Event(), threading.Event()

    def wait(_: PodWorker) -> str:
        begun.set()
        assert go.wait(30)
        return "done"

    links = PodLinks(workers=1, netns=node)
    work = asyncio.ensure_future(links._run("open /a/path", wait))
    await asyncio.to_thread(begun.wait, 30)
    closing = asyncio.ensure_future(links.aclose())
    go.set()

    await closing

    assert await work == "done"


async def test_pipe_as_namespace_leaves_no_work_behind(links: PodLinks, tmp_path: Path) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)

    failures = await asyncio.gather(
        *(links.find_chained(path, "eth0") for _ in range(8)), return_exceptions=True
    )

    assert all("is a pipe" in str(failure) for failure in failures)
    assert links._watch.late(after_s=0) == ()
