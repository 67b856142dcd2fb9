import asyncio
from collections.abc import Iterator

import pytest

from ciliate.system.threads import Threads, use_for_to_thread


def nothing() -> Iterator[int]:
    yield from ()


async def test_next_over_nothing_in_a_thread_ends_the_callers_wait() -> None:
    """Asyncio drops a StopIteration, and the future stays pending."""
    with Threads(1) as threads, pytest.raises(RuntimeError, match="a value was needed"):
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().run_in_executor(threads, next, nothing())


async def test_next_over_nothing_ends_the_wait_of_to_thread() -> None:
    use_for_to_thread()

    with pytest.raises(RuntimeError, match="a value was needed"):
        async with asyncio.timeout(5):
            await asyncio.to_thread(next, nothing())


async def test_results_and_other_exceptions_pass() -> None:
    loop = asyncio.get_running_loop()
    with Threads(1) as threads:
        assert await loop.run_in_executor(threads, int, "7") == 7
        with pytest.raises(ValueError, match="invalid literal"):
            await loop.run_in_executor(threads, int, "seven")
