"""What a long command says while it works: on a terminal a turning line, else a line per step."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(slots=True)
class StepProgress:
    """Steps of a command, on standard error.

    A step is said when it begins (terminal only, in place) and when it is done, with its time.
    """

    quiet: bool = False
    started_s: float = field(default_factory=time.monotonic)
    _status: Any = None
    _context: AbstractContextManager[Any] = field(default_factory=nullcontext)

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            # Not worth its import time where no terminal shows it.
            from rich.console import Console  # noqa: PLC0415 - see above.

            self._context = Console(stderr=True).status("starting")
        self._status = self._context.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.__exit__(kind, error, traceback)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self.started_s

    def doing(self, what: str) -> None:
        """Say what is going on."""
        if self._status is not None:
            self._status.update(what)

    def done(self, what: str) -> None:
        """Say what has been done."""
        if self.quiet:
            return
        line = f"{self.elapsed_s:5.2f} s  {what}"
        if self._status is not None:
            self._status.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)
