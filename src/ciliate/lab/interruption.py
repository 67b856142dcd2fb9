"""How a command that makes much is told to end: the work is cancelled once, in one place.

SIGINT (Ctrl-C), SIGTERM (a job that is cancelled) and SIGHUP (a terminal that is gone) are noted,
and end the work that runs. Python's own way is an exception wherever the program happens to be:
that can get lost in a callback, and the next one breaks off what clears up after the first. A
signal that the command is to ignore by the will of who started it stays ignored, as with nohup(1)
or for a background job of a shell without job control.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: What asks a process to end.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: A shell adds it to a signal's number.
_SIGNALLED: Final = 128


@dataclass(slots=True)
class Interruption:
    """The first signal that asked the command to end; what comes after it changes nothing."""

    number: int | None = None
    _cancel: Callable[[], object] | None = None

    def note(self, number: int, _frame: FrameType | None = None) -> None:
        """Be the handler of a signal."""
        if self.number is not None:
            return
        self.number = number
        if self._cancel is not None:
            self._cancel()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` returns, run by asyncio.

        Raises:
            KeyboardInterrupt: SIGINT came, before or meanwhile, and whatever became of the work.
            SystemExit: The same of another signal, with a shell's exit code for it.
        """
        try:
            return asyncio.run(self._cancellable(work))
        finally:
            if self.number == signal.SIGINT:
                raise KeyboardInterrupt
            if self.number is not None:
                raise SystemExit(_SIGNALLED + self.number)

    async def _cancellable(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        # From a handler only this call wakes a loop that waits.
        self._cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        try:
            if self.number is not None:
                raise asyncio.CancelledError
            return await work()
        finally:
            self._cancel = None


@contextmanager
def signals_noted() -> Iterator[Interruption]:
    """Note the signals that ask to end; for the main thread, which alone may set handlers."""
    interruption = Interruption()
    former = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in former.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interruption.note)
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
