"""Gives nodes their CIDRs: each node that changed is enqueued, decided upon, written, reported.

Several nodes are served at once, none twice at a time. A failure is tried again; a node that found
no block waits until one is free, and is enqueued periodically besides. Nothing is decided on an
object that this operator's last write has made old: the watch brings the new one.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import ObjectReference
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.cidr_writer import CidrWriter, Outcome
from ciliate.ipam.operator.node_cidrs import Decision, displaced_error
from ciliate.ipam.operator.node_states import NodeStates
from ciliate.kube.errors import KubeError
from ciliate.kube.events import EventRecorder, Severity
from ciliate.kube.informer import Informer
from ciliate.reconcile.rewrites import UndoneError
from ciliate.reconcile.work_queue import WorkQueue

#: Nodes served at once: writes under way to the API server.
WORKERS: Final = 16
#: After a failure a node is served again, in seconds.
RETRY_S: Final = 0.5
#: How often nodes without a block are enqueued, without any event, in seconds.
RESYNC_S: Final = 15.0
#: Displaced pods, whose CIDR is not their node's, are reported after so long, in seconds:
#: events of pods and of nodes come by two watches, and one may be behind.
DISPLACED_GRACE_S: Final = 2.0

_log = logging.getLogger(__name__)

Decide = Callable[[CiliumNode, bool], Decision]


class Granting:
    """Serves nodes of `table`; `decide` gets the node, and whether it is settled.

    It is not settled while an earlier write may still take effect. Nothing is decided while
    `current` says that a watch is interrupted: new uses may be unknown.
    """

    def __init__(
        self,
        table: Informer[CiliumNode],
        allocator: ClusterAllocator,
        decide: Decide,
        writer: CidrWriter,
        events: EventRecorder,
        *,
        current: Callable[[], bool],
        outside_changed: Callable[[], None],
    ) -> None:
        self._current = current
        self._outside_changed = outside_changed
        self._table = table
        self._allocator = allocator
        self._decide = decide
        self._writer = writer
        self._events = events
        self._queue: WorkQueue[str] = WorkQueue()
        #: The version that the last write of a node was based on, while the table shows it.
        self._written: dict[str, tuple[str, Outcome]] = {}
        self._displaced_since: dict[str, float] = {}
        self._last_failure: dict[str, str] = {}
        self.states = NodeStates()

    def enqueue(self, name: str) -> None:
        """Have a node served soon, once, even if enqueued several times before."""
        self._queue.put(name)

    def enqueue_waiting(self) -> None:
        """Have waiting nodes served, as many as there are free blocks."""
        for name in self.states.servable(self._allocator.free):
            self._queue.put(name)

    def enqueue_promising(self) -> None:
        """Have those waiting nodes served for which there may be a block."""
        for name in self.states.promising(self._allocator.free, self._allocator.has_uses):
            self._queue.put(name)

    def enqueue_all(self) -> None:
        """Have every node served: the pools have changed."""
        for _namespace, name in self._table.objects:
            self._queue.put(name)

    def run(self, tasks: asyncio.TaskGroup) -> None:
        """Serve for ever, in tasks of `tasks`."""
        for number in range(WORKERS):
            tasks.create_task(self._work(), name=f"CIDRs for nodes {number}")
        tasks.create_task(self._resync(), name="CIDRs for waiting nodes")

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_S)
            self.enqueue_promising()

    async def _work(self) -> None:
        while True:
            name = await self._queue.take()
            try:
                await self._serve(name)
            except (KubeError, UndoneError) as error:
                self._queue.put_after(name, self._note_failure(name, error))
            else:
                self._last_failure.pop(name, None)
            finally:
                self._queue.done(name)
            await asyncio.sleep(0)  # Let other tasks run: serving may not have waited.

    def _note_failure(self, name: str, error: KubeError | UndoneError) -> float:
        """Return in how many seconds the node is served again."""
        self.states.failed_writes += 1
        if str(error) != self._last_failure.get(name):  # Once per cause, not per attempt.
            self._last_failure[name] = str(error)
            _log.warning("CIDRs for node %s: %s; trying again", name, error)
        if isinstance(error, UndoneError):
            self.states.errors[name] = str(error)
            return error.pause_s
        return RESYNC_S

    async def _serve(self, name: str) -> None:
        node = self._table.get(name)
        if node is None:
            self._written.pop(name, None)
            self._displaced_since.pop(name, None)
            self._record(name, Decision())
            return
        if not self._current():
            self._queue.put_after(name, RETRY_S)
            return
        version = node.metadata.resource_version
        based_on, outcome = self._written.get(name, ("", Outcome.NOTHING))
        if based_on != version:
            self._written.pop(name, None)
            outcome = Outcome.NOTHING
        elif outcome is Outcome.DONE:
            return  # The watch will bring what was written.
        decision = self._decide(node, outcome is not Outcome.UNKNOWN)
        decision = self._with_displaced(node, decision)
        self._record(name, decision)
        outcome = await self._writer.write(node, decision)
        if outcome in {Outcome.DONE, Outcome.UNKNOWN}:
            self._written[name] = version, outcome
        if outcome is Outcome.DONE:
            self._report(node, decision)
        if outcome in {Outcome.REFUSED, Outcome.UNKNOWN}:
            self.states.failed_writes += 1
            _log.debug("CIDRs for node %s: write %s", name, outcome.value)
            self._queue.put_after(name, RETRY_S)

    def _with_displaced(self, node: CiliumNode, decision: Decision) -> Decision:
        """Return the decision, with an error about displaced pods once they last long enough."""
        name = node.metadata.name
        if not decision.displaced:
            self._displaced_since.pop(name, None)
            return decision
        now_s = asyncio.get_running_loop().time()
        since_s = self._displaced_since.setdefault(name, now_s)
        if now_s - since_s < DISPLACED_GRACE_S:
            self._queue.put_after(name, DISPLACED_GRACE_S)
            return decision
        return decision.with_problem(displaced_error(decision.displaced, node))

    def _record(self, name: str, decision: Decision) -> None:
        """Record what a node lacks; log once when a pool runs out, and when none waits for it."""
        turn = self.states.record(name, decision)
        for want in turn.exhausted:
            _log.warning("pool %s: no IPv%d block left for node %s", *want, name)
        for want in turn.relieved:
            _log.info("pool %s: every node has its IPv%d blocks again", *want)
        if turn.outside_changed:
            self._outside_changed()

    def _report(self, node: CiliumNode, decision: Decision) -> None:
        name = node.metadata.name
        if decision.pod_cidrs is not None:
            self.states.granted += 1
            _log.info("node %s: CIDRs %s", name, " ".join(decision.pod_cidrs))
        if decision.allocated is not None:
            self.states.granted += 1
            pools = (f"{entry.pool}={','.join(entry.cidrs)}" for entry in decision.allocated)
            _log.info("node %s: CIDRs %s", name, " ".join(pools))
        if decision.error and decision.error != node.status.ipam.operator_status.error:
            _log.warning("node %s: %s", name, decision.error)
            reason = "CIDRPoolExhausted" if decision.short_of else "CIDRAllocationFailed"
            self._events.record(
                _reference(node),
                severity=Severity.WARNING,
                reason=reason,
                message=decision.error,
            )


def _reference(node: CiliumNode) -> ObjectReference:
    return ObjectReference(
        api_version=CILIUM_NODES.api_version,
        kind=CILIUM_NODES.kind,
        name=node.metadata.name,
        uid=node.metadata.uid,
    )
