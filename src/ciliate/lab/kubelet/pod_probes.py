"""The probes of one pod's containers while they run, and what their answers change.

Events are in kubelet's words.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.pod_state import ContainerRecord
from ciliate.lab.kubelet.probe_schedule import Outcome, ProbeKind, Verdict
from ciliate.lab.kubelet.probes import ContainerProbes

_UNHEALTHY: Final = "Unhealthy"
_EVENTS: Final = {
    Verdict.FAILURE: (_UNHEALTHY, "failed"),
    Verdict.WARNING: ("ProbeWarning", "warning"),
    Verdict.ERROR: (_UNHEALTHY, "errored and resulted in unknown state"),
}


@dataclass(frozen=True, slots=True)
class _Observer:
    """Enters into a container's record what its probes find (an Observer of `probes`)."""

    state: ContainerRecord
    record_event: Callable[..., None]
    changed: Callable[[], None]
    end: Callable[[ProbeKind], None]

    def told(self, outcome: Outcome, kind: ProbeKind) -> None:
        """Record an event."""
        reason, word = _EVENTS[outcome.verdict]
        message = f"{kind.value} probe {word}: {outcome.message}"
        self.record_event(warning=True, reason=reason, message=message)

    def has_started(self) -> None:
        """Note it: the containers behind a sidecar may start."""
        if not self.state.started:
            self.state.started = self.state.passed = True
            self.changed()

    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - as in `probes.Observer`.
        """Note it where it is new."""
        if self.state.ready != ready:
            self.state.ready = ready
            self.changed()

    def is_to_end(self, kind: ProbeKind) -> None:
        """Pass it on."""
        self.end(kind)


class PodProbes:
    """Runs the probes of a pod's containers; `changed` is called when a record has changed."""

    def __init__(
        self,
        node: KubeletNode,
        *,
        changed: Callable[[], None],
        record_event: Callable[..., None],
    ) -> None:
        self._node = node
        self._changed = changed
        self._record_event = record_event
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(
        self,
        state: ContainerRecord,
        probes: ContainerProbes,
        *,
        age_s: float,
        end: Callable[[ProbeKind], None],
    ) -> None:
        """Ask a container from now on; `end` is called where its probes ask for its end."""
        observer = _Observer(state, self._record_event, self._changed, end)
        # At once what needs no question: it is reported with the container's start.
        if probes.startup is None:
            observer.has_started()
            if probes.readiness is None:
                observer.is_ready(True)
        if probes.are_any:
            run = probes.run(
                observer, self._node.probe_slots, age_s=age_s, has_started=state.started
            )
            name = f"probes of {state.name}"
            self._tasks[state.name] = self._node.tasks.create_task(run, name=name)

    def end(self, container: str) -> None:
        """Ask a container no more."""
        task = self._tasks.pop(container, None)
        if task is not None:
            task.cancel()

    def end_all(self) -> None:
        """Ask none any more."""
        for container in list(self._tasks):
            self.end(container)
