"""`endpoint/keyed_locks.py`: one at a time by key, and a lock exists while a request needs it."""

import asyncio

import pytest

from ciliate.cni.request import Attachment
from ciliate.endpoint.keyed_locks import KeyedLocks

KEY, OTHER = Attachment("one", "eth0"), Attachment("two", "eth0")


class Visits:
    """Tasks that hold a key until they are let go, and who is inside right now."""

    def __init__(self) -> None:
        self.locks = KeyedLocks()
        self.inside: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}

    async def start(self, group: asyncio.TaskGroup, name: str, key: Attachment) -> None:
        self._leave[name] = asyncio.Event()
        group.create_task(self._visit(name, key))
        await self._settled()

    async def end(self, name: str) -> None:
        self._leave[name].set()
        await self._settled()

    async def _visit(self, name: str, key: Attachment) -> None:
        async with self.locks.held(key):
            self.inside.append(name)
            await self._leave[name].wait()
            self.inside.remove(name)

    @staticmethod
    async def _settled() -> None:
        for _ in range(10):
            await asyncio.sleep(0)  # A turn of the loop, no time.


async def test_one_key_is_held_by_one_at_a_time_in_the_order_of_asking() -> None:
    visits = Visits()
    async with asyncio.TaskGroup() as group:
        for name in "abc":
            await visits.start(group, name, KEY)
        assert visits.inside == ["a"]

        await visits.end("a")
        assert visits.inside == ["b"]

        # A task that comes while "b" holds and "c" awaits shares their lock.
        await visits.start(group, "d", KEY)
        assert visits.inside == ["b"]

        for name, next_one in (("b", ["c"]), ("c", ["d"]), ("d", [])):
            await visits.end(name)
            assert visits.inside == next_one


async def test_two_keys_do_not_wait_for_each_other() -> None:
    visits = Visits()
    async with asyncio.TaskGroup() as group:
        await visits.start(group, "a", KEY)
        await visits.start(group, "b", OTHER)
        assert visits.inside == ["a", "b"]
        await visits.end("a")
        await visits.end("b")


async def test_nothing_is_kept_when_nobody_holds_it() -> None:
    visits = Visits()
    async with asyncio.TaskGroup() as group:
        for name in "ab":
            await visits.start(group, name, KEY)
        for name in "ab":
            await visits.end(name)

    assert not visits.locks._locks


async def test_failure_inside_lets_the_next_one_in() -> None:
    locks = KeyedLocks()
    with pytest.raises(ValueError, match="inside"):
        async with locks.held(KEY):
            raise ValueError("inside")

    async with asyncio.timeout(1), locks.held(KEY):
        assert len(locks._locks) == 1
