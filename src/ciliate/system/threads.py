"""Worker threads whose every outcome reaches the coroutine that waits for it.

An asyncio.Future refuses StopIteration, and what cannot be set is dropped: a function in a thread
that let one out, a `next()` over nothing, left its caller waiting for ever. PEP 479 makes it a
RuntimeError where it leaves a generator or a coroutine; here it is made one where it leaves a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Threads behind `asyncio.to_thread`; as many as asyncio starts on a machine with 12 processors.
DEFAULT_THREADS_MAX: Final = 16


class Threads(ThreadPoolExecutor):
    """A pool whose functions may fail with anything."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` in a thread; see `ThreadPoolExecutor`."""
        return super().submit(lambda: _without_stop_iteration(fn, *args, **kwargs))


def use_for_to_thread() -> None:
    """Have the running loop use such a pool for `asyncio.to_thread`; call it before the first."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads(DEFAULT_THREADS_MAX, thread_name_prefix="asyncio"))


def _without_stop_iteration(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return fn(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("an iterator ended where a value was needed") from error
