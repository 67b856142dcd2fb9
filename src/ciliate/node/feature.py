"""What the agent knows of a feature: a small protocol, every part of which may be left out.

A process composes features and knows nothing else of them. In the order of a start:

    load          what a previous agent left is taken over; nothing is allocated yet
    start         what the datapath needs is waited for, and `Progress` says so
    reconcilers   targets in the kernel, brought to their desired state before packets pass
    programs_changed    what runs already gets the programs loaded now
    tasks         what runs from then on, until the agent ends
    serve         requests of others, while the node is ready
    parts of answers: the status, other paths below /v1, metric families

A further map, metric, path or line of a feature's part of the status changes that feature's folder
alone, and what is generated from bpf/.
"""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.metrics.family import Family
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

AnyReconciler = Reconciler[Any, Any]

#: Started once; runs until cancelled.
Task = Callable[[], Coroutine[Any, Any, None]]

#: Answers GET on a path below /v1 with an object to encode, or with what is awaited for one: a long
#: answer is put together piece by piece, so that nothing else waits for it.
Answer = Callable[[], object]

#: Does what POST to a path below /v1 asks for, and answers with an object to encode.
Action = Callable[[bytes], Awaitable[object]]


class Feature:
    """One feature's part of a running agent."""

    name: ClassVar[str]

    async def load(self) -> None:
        """Take over what a previous agent left."""

    async def start(self, progress: Progress) -> None:
        """Wait for what the feature needs, and say so; start what other features use."""

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:  # noqa: ARG002 - for those who override.
        """Return the reconcilers of the feature's targets in the kernel.

        Called once, when programs and maps are open: what a feature does with its maps begins
        here. The first pass runs in this order, feature by feature: maps come before the devices
        and routes that lead packets to the programs.
        """
        return ()

    async def programs_changed(self, datapath: Datapath) -> None:
        """Have what runs already run the programs loaded now; the first pass is over."""

    def tasks(self) -> Sequence[Task]:
        """Return what else runs from now on; called once, after the first pass."""
        return ()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve the requests of others inside the block: the node is ready."""
        yield

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of the tasks; the agent has those of the reconcilers."""
        return ()

    def status(self) -> Mapping[str, object]:
        """Return the feature's fields of GET /v1/healthz."""
        return {}

    def answers(self) -> Mapping[str, Answer]:
        """Return the handlers of GET, by path below /v1."""
        return {}

    def actions(self) -> Mapping[str, Action]:
        """Return the handlers of POST, by path below /v1."""
        return {}

    def families(self) -> Iterable[Family]:
        """Return the feature's metrics as they are now."""
        return ()
