import asyncio

import pytest

from ciliate.errors import CiliateError
from ciliate.reconcile.rewrites import UndoneError
from ciliate.reconcile.work_queue import Handle, WorkQueue


def ignore(key: str, error: CiliateError) -> None:
    del key, error


async def run_until(done: asyncio.Event, queue: WorkQueue[str], handle: Handle[str]) -> None:
    task = asyncio.ensure_future(queue.run(handle, ignore))
    try:
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        task.cancel()


async def test_key_put_twice_comes_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.put(key)

    assert [await queue.take(), await queue.take()] == ["a", "b"]
    assert len(queue) == 0


async def test_key_put_while_it_is_worked_on_comes_again_only_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.put("a")
    assert await queue.take() == "a"
    queue.put("a")
    assert len(queue) == 0

    queue.done("a")

    assert await queue.take() == "a"


async def test_who_waits_is_woken() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)

    queue.put_after("a", 0.001)

    assert await asyncio.wait_for(waiting, 5) == "a"


async def test_of_two_pauses_the_shorter_holds() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.put_after("first", 3600)
    queue.put_after("first", 0.001)
    queue.put_after("second", 0.002)
    queue.put_after("second", 3600)

    async with asyncio.timeout(5):
        assert [await queue.take(), await queue.take()] == ["first", "second"]


async def test_no_key_is_handled_by_two_workers_at_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    under_way: list[str] = []
    handled = 0
    done = asyncio.Event()

    async def handle(key: str) -> None:
        nonlocal handled
        assert key not in under_way
        under_way.append(key)
        queue.put(key)
        await asyncio.sleep(0)
        under_way.remove(key)
        handled += 1
        if handled == 20:
            done.set()

    queue.put("a")
    queue.put("b")
    workers = [asyncio.ensure_future(queue.run(handle, ignore)) for _ in range(4)]
    async with asyncio.timeout(10):
        await done.wait()
    assert not any(worker.done() for worker in workers)
    for worker in workers:
        worker.cancel()


async def test_bug_ends_its_worker() -> None:
    async def handle(key: str) -> None:
        raise KeyError(key)

    queue: WorkQueue[str] = WorkQueue()
    queue.put("a")
    with pytest.raises(KeyError):
        await asyncio.wait_for(queue.run(handle, ignore), 5)


async def test_key_put_often_is_handled_once() -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(key: str) -> None:
        handled.append(key)
        if key == "last":
            done.set()

    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a", "a", "last"):
        queue.put(key)
    await run_until(done, queue, handle)

    assert handled == ["a", "b", "last"]


async def test_key_put_while_it_is_handled_is_handled_again() -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(key: str) -> None:
        handled.append(key)
        if len(handled) == 1:
            queue.put(key)
        else:
            done.set()

    queue: WorkQueue[str] = WorkQueue()
    queue.put("a")
    await run_until(done, queue, handle)

    assert handled == ["a", "a"]


async def test_failed_key_comes_again_and_does_not_stop_the_others() -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(key: str) -> None:
        handled.append(key)
        if key == "bad" and handled.count("bad") < 3:
            raise CiliateError("stale")
        if handled.count("bad") == 3:
            done.set()

    queue: WorkQueue[str] = WorkQueue()
    queue.put("bad")
    queue.put("good")
    await run_until(done, queue, handle)

    assert handled[:2] == ["bad", "good"]


async def test_wished_pause_brings_a_key_back() -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(key: str) -> float | None:
        handled.append(key)
        if len(handled) == 2:
            done.set()
            return None
        return 0.001

    queue: WorkQueue[str] = WorkQueue()
    queue.put("a")
    await run_until(done, queue, handle)

    assert handled == ["a", "a"]


async def test_key_that_somebody_undoes_waits_as_long_as_it_says_and_is_told_once_a_write() -> (
    None
):
    told: list[str] = []
    done = asyncio.Event()
    handled_at: list[float] = []
    queue: WorkQueue[str] = WorkQueue(first_s=60.0)
    undone = UndoneError(5, 1.0, "a rival writes")

    async def handle(key: str) -> None:
        handled_at.append(asyncio.get_running_loop().time())
        undone.pause_s = 0.1
        if len(handled_at) == 1:
            queue.put(key)  # The rival's next change.
        if len(handled_at) == 4:
            done.set()
            return
        raise undone

    queue.put("a")
    task = asyncio.ensure_future(queue.run(handle, lambda _key, error: told.append(str(error))))
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()

    assert told == [str(undone)]
    assert handled_at[3] - handled_at[2] >= 0.1
