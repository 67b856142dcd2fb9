"""Workers that do not come back: noticed, named, and told to those who ask."""

import asyncio
import os
import threading
from pathlib import Path

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


async def test_pipe_as_namespace_leaves_no_work_behind(links: PodLinks, tmp_path: Path) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)

    failures = await asyncio.gather(
        *(links.find_chained(path, "eth0") for _ in range(8)), return_exceptions=True
    )

    assert all("is a pipe" in str(failure) for failure in failures)
    assert links._watch.late(after_s=0) == ()
