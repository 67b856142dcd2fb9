"""What the agent knows of a feature: a small protocol, every part of which may be left out.

A process composes features and knows nothing else of them. In the order of a start:

    load          what a previous life left is taken over; nothing is given to anybody yet
    start         what must be before the datapath is: waited for, told in `Progress`
    reconcilers   targets in the kernel, brought to what should be before any packet is let through
    tasks         what runs from then on, until the agent ends
    parts of answers: the status, other paths below /v1, metric families

A new map, status line, metric or path of a feature changes that feature's folder alone.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.metrics.family import Family
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

AnyReconciler = Reconciler[Any, Any]

#: Started once; runs until cancelled.
Task = Callable[[], Coroutine[Any, Any, None]]

#: Answers GET on a path below /v1 with an object to encode.
Answer = Callable[[], object]

#: Does what POST to a path below /v1 asks for, and answers with an object to encode.
Action = Callable[[bytes], Awaitable[object]]


class Feature:
    """One feature's part of a running agent."""

    name: ClassVar[str]

    async def load(self) -> None:
        """Take over what a previous life left."""

    async def start(self, progress: Progress) -> None:
        """Wait for what the feature cannot work without, and say so; start what others ask of."""

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:  # noqa: ARG002 - for those who override.
        """Return the keepers of the feature's targets in the kernel; asked once.

        What programs read stands before what leads packets to them, also across features: the
        agent's order of features is that of the first pass. Sources that name the keys they touch
        are connected here.
        """
        return ()

    def tasks(self) -> Sequence[Task]:
        """Return what else runs from now on; asked once, after the first pass."""
        return ()

    def statuses(self) -> Sequence[RunStatus]:
        """Return how the tasks go; those of the reconcilers are known."""
        return ()

    def status(self) -> Mapping[str, object]:
        """Return the feature's fields of GET /v1/healthz."""
        return {}

    def answers(self) -> Mapping[str, Answer]:
        """Return who answers GET, by path below /v1."""
        return {}

    def actions(self) -> Mapping[str, Action]:
        """Return who does what POST asks for, by path below /v1."""
        return {}

    def families(self) -> Iterable[Family]:
        """Return the feature's metrics as they are now."""
        return ()
