"""What the operator's process knows of a feature: the one protocol by which it composes them.

A feature lives as long as its operator leads. It is made before the tables fill, so that it may
listen to them from their first object on; it is run, asked and shown once they are complete.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ciliate.metrics.family import Family
from ciliate.reconcile.reconciler import Reconciler

#: Runs until it is cancelled, or until nothing is left to do. An exception ends the operator.
Task = Callable[[], Coroutine[Any, Any, None]]


class Feature:
    """A feature's part of the operator; methods that it does not override return nothing."""

    #: Names its tasks.
    name: ClassVar[str]
    #: Every path that `answers` may name, with the message of its 404 while it does not: on a
    #: standby, or because of a setting.
    paths: ClassVar[Mapping[str, str]] = {}

    def reconcilers(self) -> Sequence[Reconciler[Any, Any]]:
        """Return the reconcilers to run; what wakes them is wired already."""
        return ()

    def tasks(self) -> Sequence[Task]:
        """Return what else runs as long as the operator leads."""
        return ()

    def families(self) -> Iterable[Family]:
        """Return what it measures, read now."""
        return ()

    def answers(self) -> Mapping[str, Callable[[], object]]:
        """Return, by path of the health socket, what GET answers there: a value for JSON."""
        return {}
