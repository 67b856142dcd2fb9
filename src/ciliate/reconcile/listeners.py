"""Whom to call when something has changed.

A listener records what it was called with and wakes the task that acts on it, nothing else: it is
called in the middle of the change, by the code that makes it, so it must neither wait, fail nor
change the same thing.
"""

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Listeners(Generic[P]):
    """The listeners to one thing; calling the object calls them in the order they were added."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: list[Callable[P, object]] = []

    def add(self, listener: Callable[P, object]) -> None:
        """Have `listener` called from now on."""
        self._listeners.append(listener)

    def remove(self, listener: Callable[P, object]) -> None:
        """Call `listener` no more; one that was not added is nothing to remove."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call every listener."""
        for listener in tuple(self._listeners):
            listener(*args, **kwargs)
