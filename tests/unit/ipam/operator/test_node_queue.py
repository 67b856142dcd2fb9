import asyncio

from ciliate.ipam.operator.node_queue import NodeQueue


async def test_a_name_put_twice_comes_once() -> None:
    queue = NodeQueue()
    for name in ("a", "b", "a"):
        queue.put(name)

    assert [await queue.take(), await queue.take()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_name_put_while_it_is_worked_on_comes_again_only_afterwards() -> None:
    queue = NodeQueue()
    queue.put("a")
    assert await queue.take() == "a"
    queue.put("a")
    assert len(queue) == 0

    queue.done("a")

    assert await queue.take() == "a"


async def test_who_waits_is_woken() -> None:
    queue = NodeQueue()
    waiting = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)

    queue.put_after("a", 0.001)

    assert await asyncio.wait_for(waiting, 5) == "a"
