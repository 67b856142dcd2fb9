"""How one pod's containers are ended: one, that a probe or a hook finds to be broken, or all.

Events are in kubelet's words. What comes after a container's end is `pod_containers`' to say.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from ciliate.lab.kubelet.container import ContainerLife
from ciliate.lab.kubelet.container_end import Grace, end_container
from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.pod_hooks import PodHooks
from ciliate.lab.kubelet.pod_state import PodRecord
from ciliate.lab.kubelet.probe_handlers import ProbePlace
from ciliate.lab.kubelet.probe_schedule import ProbeKind
from ciliate.lab.objects import Container, Pod


class PodEndings:
    """Ends containers of a pod; `lives` are those that run, whoever else changes them."""

    def __init__(
        self,
        node: KubeletNode,
        record: PodRecord,
        *,
        lives: Mapping[str, ContainerLife],
        hooks: PodHooks,
        place: Callable[[str, tuple[str, ...]], ProbePlace],
        record_event: Callable[..., None],
    ) -> None:
        self._node = node
        self._record = record
        self._lives = lives
        self._hooks = hooks
        self._place = place
        self._record_event = record_event
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def ended(self, container: str) -> None:
        """Note that a container has ended."""
        self._tasks.pop(container, None)

    def end_by_probe(
        self, pod: Pod, container: Container, ips: tuple[str, ...], kind: ProbeKind
    ) -> None:
        """End a container whose startup or liveness probe has failed often enough."""
        probe = container.liveness_probe
        if kind is ProbeKind.STARTUP:
            probe = container.startup_probe
        message = f"Container {container.name} failed {kind.value.lower()} probe"
        state = self._record.container(container.name)
        state.restart_wanted = container.is_sidecar or pod.spec.restart_policy != "Never"
        if state.restart_wanted:
            message += ", will be restarted"
        grace_s = None if probe is None else probe.termination_grace_period_seconds
        self.end(pod, container, ips, message=message, grace_s=grace_s)

    def end(
        self,
        pod: Pod,
        container: Container,
        ips: tuple[str, ...],
        *,
        message: str,
        grace_s: int | None = None,
    ) -> None:
        """End one container, in the pod's period of grace where none is given."""
        life = self._lives.get(container.name)
        if life is None or container.name in self._tasks:
            return
        self._record_event(warning=False, reason="Killing", message=message)
        seconds = pod.spec.termination_grace_period_seconds if grace_s is None else grace_s
        grace = Grace.from_now(lambda: float(seconds), asyncio.Event())
        task = self._node.tasks.create_task(
            end_container(life, grace, self._pre_stop(container, ips)),
            name=f"end {container.name}",
        )
        self._tasks[container.name] = task

    async def stop(
        self, pod: Pod | None, ips: tuple[str, ...], grace: Grace, sidecars: Sequence[str]
    ) -> None:
        """End all containers: sidecars after the others, the last one first."""
        for task in self._tasks.values():
            task.cancel()
        last = [name for name in reversed(sidecars) if name in self._lives]
        main = [name for name in self._lives if name not in last]
        # The hooks of sidecars begin with those of the others.
        every = () if pod is None else (*pod.spec.init_containers, *pod.spec.containers)
        hooks = {
            each.name: self._pre_stop(each, ips)
            for each in every
            if each.name in self._lives and grace.left_s() > 0
        }
        for name in (*main, *last):
            message = f"Stopping container {name}"
            self._record_event(warning=False, reason="Killing", message=message)
        # Sidecars serve the others to their end, and those before them.
        for names in (main, *([name] for name in last)):
            lives = {name: self._lives[name] for name in names if name in self._lives}
            ends = (end_container(life, grace, hooks.get(name)) for name, life in lives.items())
            await asyncio.gather(*ends)

    def _pre_stop(self, container: Container, ips: tuple[str, ...]) -> "asyncio.Task[None] | None":
        state = self._record.container(container.name)
        return self._hooks.pre_stop(container, state, self._place(container.name, ips))
