"""`reconcile/`: desired against observed, failures apart, nothing done twice."""

import asyncio
from collections.abc import Mapping

import pytest
from ciliate.reconcile.plan import plan
from hypothesis import given
from hypothesis import strategies as st

from ciliate.errors import CiliateError
from ciliate.reconcile.reconciler import Reconciler, reconcile_once

TABLES = st.dictionaries(st.integers(0, 20), st.integers(0, 3))


class Table:
    """A target in memory; keys in `broken` fail."""

    name = "table"

    def __init__(self, held: Mapping[int, int], broken: frozenset[int] = frozenset()) -> None:
        self.held = dict(held)
        self.broken = broken
        self.writes = 0

    async def observe(self) -> Mapping[int, int]:
        return dict(self.held)

    async def put(self, key: int, value: int) -> None:
        self._touch(key)
        self.held[key] = value

    async def remove(self, key: int) -> None:
        self._touch(key)
        self.held.pop(key, None)

    def _touch(self, key: int) -> None:
        if key in self.broken:
            raise CiliateError(f"key {key} is broken")
        self.writes += 1


@given(desired=TABLES, observed=TABLES)
def test_plan_leads_to_the_desired_state_and_a_second_one_is_empty(
    desired: dict[int, int], observed: dict[int, int]
) -> None:
    todo = plan(desired, observed)
    after = {key: value for key, value in observed.items() if key not in todo.remove} | dict(
        todo.put
    )

    assert after == desired
    assert plan(desired, after).is_empty


async def test_failing_key_does_not_stop_the_others() -> None:
    table = Table({1: 1, 2: 2}, broken=frozenset({3, 2}))

    failures = await reconcile_once(lambda: {1: 9, 3: 3, 4: 4}, table)

    assert table.held == {1: 9, 2: 2, 4: 4}
    assert failures.keys() == {2, 3}


async def test_nothing_is_touched_while_the_desired_state_is_not_known() -> None:
    table = Table({1: 1})

    await reconcile_once(lambda: None, table)

    assert table.held == {1: 1}


async def test_entry_added_while_observing_is_not_taken_for_a_leftover() -> None:
    desired = {1: 1}
    table = Table(desired)

    class Slow(Table):
        async def observe(self) -> Mapping[int, int]:
            observed = await super().observe()
            self.held[2] = desired[2] = 2  # A pod comes in between.
            return observed

    slow = Slow(table.held)
    await reconcile_once(lambda: desired, slow)

    assert slow.held == {1: 1, 2: 2}


async def test_reconciler_runs_again_when_woken_and_after_failure() -> None:
    table = Table({}, broken=frozenset({1}))
    desired = {1: 1}
    reconciler = Reconciler(table, lambda: desired, resync_s=3600, settle_s=0)
    task = asyncio.create_task(reconciler.run())
    try:
        async with asyncio.timeout(10):
            while not reconciler.status.consecutive_failures:
                await asyncio.sleep(0)
            table.broken = frozenset()
            while table.held != {1: 1}:  # By the retry alone.
                await asyncio.sleep(0.01)
            desired[2] = 2
            reconciler.wake()
            while table.held != {1: 1, 2: 2}:
                await asyncio.sleep(0)
    finally:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reconciler.status.last_failure == ""
