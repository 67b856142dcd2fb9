"""Who is told of a change, in the order in which they asked.

Listeners run inside the loop, between two changes: they record and wake, and nothing else.
"""

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Listeners(Generic[P]):
    """Callbacks of one event; call the object to tell them."""

    def __init__(self) -> None:
        self._all: list[Callable[P, object]] = []

    def add(self, listener: Callable[P, object]) -> None:
        """Call `listener` on every event from now on."""
        self._all.append(listener)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell every listener of an event."""
        for listener in self._all:
            listener(*args, **kwargs)
