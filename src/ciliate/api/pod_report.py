"""Of a pod, what says why it is not ready: its containers' states, in words for people. Pure.

Agents and operator keep pods without these states; commands that show a pod's failure read them.
A container's last words are its termination message: what it wrote there, or, where its policy is
FallbackToLogsOnError as agents' and operators' is, the end of its log.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from ciliate.api.core import PODS
from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.api.resource import Resource


class Waiting(Struct, frozen=True, omit_defaults=True):
    """A container that has not started, or not again."""

    reason: str = ""
    message: str = ""


class Terminated(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A container that has ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(Struct, frozen=True, omit_defaults=True):
    """What a container is doing, or did before; one that runs has neither."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerReport(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One container, as its kubelet reports it."""

    name: str
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class ReportedStatus(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What the pod's kubelet reports."""

    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerReport, ...] = ()
    init_container_statuses: tuple[ContainerReport, ...] = ()


class ReportedSpec(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Where the pod runs."""

    node_name: str = ""


class PodReport(Struct, frozen=True, omit_defaults=True):
    """A pod and how its containers are doing."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ReportedSpec = ReportedSpec()
    status: ReportedStatus = ReportedStatus()

    @property
    def containers(self) -> tuple[ContainerReport, ...]:
        """All of its containers, in the order in which they start."""
        return (*self.status.init_container_statuses, *self.status.container_statuses)

    @property
    def is_ready(self) -> bool:
        """Whether its kubelet says so."""
        return any(
            each.type == "Ready" and each.status == "True" for each in self.status.conditions
        )


POD_REPORTS: Final[Resource[PodReport]] = PODS.narrowed(PodReport)


def why_unready(pod: PodReport) -> str:
    """Return a pod that is not ready in words: its node, and what its containers failed with."""
    where = f"pod {pod.metadata.name} on {pod.spec.node_name or 'no node'}"
    return ": ".join([where, *failures(pod)])


def failures(pod: PodReport) -> Iterator[str]:
    """Yield, of each container that waits or has failed, the reason and its own last line."""
    for container in pod.containers:
        waiting = container.state.waiting
        ended = container.state.terminated or container.last_state.terminated
        if container.ready or (waiting is None and (ended is None or ended.exit_code == 0)):
            continue
        words = [(waiting and waiting.reason) or (ended and ended.reason) or ""]
        words += [(ended and _last_line(ended.message)) or (waiting and waiting.message) or ""]
        yield ": ".join(word for word in words if word)


def _last_line(message: str) -> str:
    return message.strip().rpartition("\n")[2]
