"""The hooks of one pod's containers: postStart, which a container's start waits for, and preStop.

What a failed hook said is logged and not told in events, as it may hold secrets (kubelet's rule).
"""

import asyncio
import logging
from collections.abc import Callable

from ciliate.lab.kubelet.errors import HookFailedError
from ciliate.lab.kubelet.hooks import run_hook
from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.pod_state import ContainerRecord
from ciliate.lab.kubelet.probe_handlers import ProbePlace
from ciliate.lab.objects import Container

_log = logging.getLogger(__name__)


class PodHooks:
    """Runs the hooks of a pod's containers."""

    def __init__(self, node: KubeletNode, *, record_event: Callable[..., None]) -> None:
        self._node = node
        self._record_event = record_event
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._stopped: set[str] = set()  # Container IDs: a preStop hook runs once.

    def is_starting(self, container: str) -> bool:
        """Whether a container's postStart hook runs."""
        return container in self._starting

    def post_start(
        self, container: Container, place: ProbePlace, over: Callable[[bool], None]
    ) -> None:
        """Run a container's postStart hook; `over` hears whether it succeeded."""
        handler = container.lifecycle.post_start
        assert handler is not None

        async def run() -> None:
            succeeded = True
            try:
                await run_hook(container, handler, place)
            except HookFailedError as error:
                self._failed("PostStart", container, error)
                succeeded = False
            self._starting.pop(container.name, None)
            over(succeeded)

        task = self._node.tasks.create_task(run(), name=f"postStart of {container.name}")
        self._starting[container.name] = task

    def pre_stop(
        self, container: Container, state: ContainerRecord, place: ProbePlace
    ) -> asyncio.Task[None] | None:
        """Begin a container's preStop hook; None: it has none, or it has run."""
        handler = container.lifecycle.pre_stop
        if handler is None or state.container_id in self._stopped:
            return None
        self._stopped.add(state.container_id)

        async def run() -> None:
            try:
                await run_hook(container, handler, place)
            except HookFailedError as error:
                self._failed("PreStop", container, error)

        return self._node.tasks.create_task(run(), name=f"preStop of {container.name}")

    def ended(self, state: ContainerRecord) -> None:
        """End the postStart hook of a container that has ended."""
        task = self._starting.pop(state.name, None)
        if task is not None:
            task.cancel()
        self._stopped.discard(state.container_id)

    def end_starting(self) -> None:
        """End the postStart hooks that run: the pod is to end."""
        for task in self._starting.values():
            task.cancel()
        self._starting.clear()

    def _failed(self, name: str, container: Container, error: HookFailedError) -> None:
        _log.info("%s hook of container %s: %s", name, container.name, error)
        self._record_event(warning=True, reason=f"Failed{name}Hook", message=f"{name}Hook failed")
