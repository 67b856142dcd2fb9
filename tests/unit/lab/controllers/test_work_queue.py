import asyncio
from collections.abc import Awaitable, Callable

from ciliate.kube.errors import ConflictError
from ciliate.lab.controllers.work_queue import WorkQueue

Reconcile = Callable[[str], Awaitable[float | None]]


async def run_until(queue: WorkQueue[str], done: asyncio.Event) -> None:
    task = asyncio.ensure_future(queue.run())
    try:
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        task.cancel()


async def test_key_added_often_is_looked_at_once() -> None:
    looks: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        looks.append(key)
        if key == "last":
            done.set()

    queue: WorkQueue[str] = WorkQueue("test", reconcile)
    for key in ("a", "b", "a", "a", "last"):
        queue.add(key)
    await run_until(queue, done)

    assert looks == ["a", "b", "last"]


async def test_key_added_during_its_look_is_looked_at_again() -> None:
    looks: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        looks.append(key)
        if len(looks) == 1:
            queue.add(key)
        else:
            done.set()

    queue: WorkQueue[str] = WorkQueue("test", reconcile)
    queue.add("a")
    await run_until(queue, done)

    assert looks == ["a", "a"]


async def test_failed_key_comes_again_and_does_not_stop_the_others() -> None:
    looks: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        looks.append(key)
        if key == "bad" and looks.count("bad") < 3:
            raise ConflictError(verb="patch", target="x", detail="stale")
        if looks.count("bad") == 3:
            done.set()

    queue: WorkQueue[str] = WorkQueue("test", reconcile)
    queue.add("bad")
    queue.add("good")
    await run_until(queue, done)

    assert looks[:2] == ["bad", "good"]


async def test_wished_pause_brings_a_key_back() -> None:
    looks: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        looks.append(key)
        if len(looks) == 2:
            done.set()
            return None
        return 0.001

    queue: WorkQueue[str] = WorkQueue("test", reconcile)
    queue.add("a")
    await run_until(queue, done)

    assert looks == ["a", "a"]
