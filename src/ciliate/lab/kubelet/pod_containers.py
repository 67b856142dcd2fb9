"""The containers of one pod: started, watched, probed, restarted, stopped."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from ciliate.api.metadata import format_time, parse_time
from ciliate.kube.errors import KubeError
from ciliate.lab.cgroup import CgroupBusyError
from ciliate.lab.container.spec import RunningProcess
from ciliate.lab.errors import SpawnError, ZygoteGoneError
from ciliate.lab.kubelet.container import ContainerLife
from ciliate.lab.kubelet.container_end import Grace
from ciliate.lab.kubelet.container_setting import (
    program_of_container,
    read_variables,
    setting_of,
)
from ciliate.lab.kubelet.errors import (
    ContainerConfigError,
    ContainerNotFoundError,
    UnknownImageError,
)
from ciliate.lab.kubelet.execution import Execution
from ciliate.lab.kubelet.images import (
    ContainerProgram,
    default_environment,
)
from ciliate.lab.kubelet.logs import remove_log
from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.pod_endings import PodEndings
from ciliate.lab.kubelet.pod_files import hostname_of
from ciliate.lab.kubelet.pod_hooks import PodHooks
from ciliate.lab.kubelet.pod_probes import PodProbes
from ciliate.lab.kubelet.pod_state import ContainerRecord, ExitRecord, PodRecord
from ciliate.lab.kubelet.pod_status import Waiting, is_over, is_past
from ciliate.lab.kubelet.probe_handlers import ProbePlace
from ciliate.lab.kubelet.probe_schedule import ProbeKind
from ciliate.lab.kubelet.probes import probes_of
from ciliate.lab.kubelet.restart_policy import RestartBackoff, restarts
from ciliate.lab.kubelet.termination_message import FALLBACK, read_message
from ciliate.lab.kubelet.unsupported_fields import unsupported_field
from ciliate.lab.objects import Container, Pod

#: How soon a container is tried again whose configuration is not there; its coming wakes the pod.
_CONFIGURATION_S: Final = 10.0
_NO_CONFIGURATION: Final = "CreateContainerConfigError"

_log = logging.getLogger(__name__)


class PodContainers:
    """Drives one pod's containers; `wake` is called when something changed by itself.

    `record_event` records an event about the pod: severity is a warning or not, reason, message.
    """

    def __init__(
        self,
        node: KubeletNode,
        record: PodRecord,
        *,
        wake: Callable[[], None],
        record_event: Callable[..., None],
    ) -> None:
        self._node = node
        self._record = record
        self._wake = wake
        self._record_event = record_event
        self._lives: dict[str, ContainerLife] = {}
        self._probes = PodProbes(node, changed=self._changed, record_event=record_event)
        self._hooks = PodHooks(node, record_event=record_event)
        self._endings = PodEndings(
            node,
            record,
            lives=self._lives,
            hooks=self._hooks,
            place=self._place,
            record_event=record_event,
        )
        self._backoffs: dict[str, RestartBackoff] = {}
        self._sidecars: list[str] = []
        self._ending: asyncio.Task[None] | None = None
        self.waiting: dict[str, Waiting] = {}

    def life(self, container: str) -> ContainerLife | None:
        """Return the running life of a container."""
        return self._lives.get(container)

    def adopt(self, pod: Pod | None, ips: tuple[str, ...]) -> None:
        """Take over what an earlier kubelet had started; what ended meanwhile is noted."""
        by_name: dict[str, Container] = {}
        if pod is not None:
            self._sidecars = [each.name for each in pod.spec.sidecars]
            by_name = {c.name: c for c in (*pod.spec.sidecars, *pod.spec.containers)}
        for name, state in self._record.containers.items():
            if not state.running:
                continue
            place = self._node.container_place(self._record, name, state.restart_count)
            life = ContainerLife.adopt(
                self._node.lab, place, pid=state.pid, start_ticks=state.start_ticks
            )
            if life is None:
                self._note_exit(state, 137, reason="ContainerStatusUnknown")
                continue
            age_s = (datetime.now(UTC) - parse_time(state.started_at)).total_seconds()
            self._backoff(name).note_start(_now() - age_s)
            self._follow(name, life)
            if pod is not None and name in by_name:
                # A postStart hook that ran when the kubelet ended is not repeated, nor waited for.
                with contextlib.suppress(UnknownImageError):  # Of a pod changed meanwhile.
                    program = program_of_container(by_name[name], state.environment)
                    self._started(pod, by_name[name], life, program, ips)

    async def advance(self, pod: Pod, ips: tuple[str, ...]) -> float | None:
        """Start what should run and does not; return in how many seconds to come again."""
        self._sidecars = [each.name for each in pod.spec.sidecars]
        if is_over(pod, self._record):
            self._end_sidecars(pod, ips)
            return None
        pauses: list[float | None] = []
        for container in pod.spec.init_containers:
            state = self._record.container(container.name)
            if container.is_sidecar or not is_past(container, state):
                pauses.append(await self._advance_one(pod, container, ips, init=True))
            if not is_past(container, state):
                break
        else:
            for container in pod.spec.containers:
                pauses.append(await self._advance_one(pod, container, ips, init=False))
                if self._hooks.is_starting(container.name):
                    break  # The next one is started when this one's postStart hook has ended.
        return min((pause for pause in pauses if pause is not None), default=None)

    def _end_sidecars(self, pod: Pod, ips: tuple[str, ...]) -> None:
        """Have the sidecars end, which nobody needs any more; the pod is over when they have."""
        if self._ending is None and self._lives:
            grace_s = float(pod.spec.termination_grace_period_seconds)
            ending = self.stop(pod, ips, grace_s=lambda: grace_s, changed=asyncio.Event())
            self._ending = self._node.tasks.create_task(ending, name="end sidecars")

    async def _advance_one(
        self,
        pod: Pod,
        container: Container,
        ips: tuple[str, ...],
        *,
        init: bool,
    ) -> float | None:
        state = self._record.container(container.name)
        if state.running:
            return None
        if state.exit is not None:
            policy = "Always" if container.is_sidecar else pod.spec.restart_policy
            if init and not container.is_sidecar and policy == "Always":
                policy = "OnFailure"
            if not state.restart_wanted and not restarts(policy, state.exit.exit_code):
                self.waiting.pop(container.name, None)
                return None
        left_s = self._backoff(container.name).left_s(_now())
        if left_s > 0:
            self._note_backoff(pod, container.name, left_s)
            return left_s
        await self._start(pod, container, ips)
        return self._backoff(container.name).left_s(_now()) or None

    def _note_backoff(self, pod: Pod, name: str, left_s: float) -> None:
        """Record one BackOff event per pause, unless a reason to wait is set already."""
        if name in self.waiting:
            return
        whole = f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
        message = f"back-off {left_s:.0f}s restarting failed container={name} pod={whole}"
        self.waiting[name] = Waiting("CrashLoopBackOff", message)
        self._record_event(
            warning=True,
            reason="BackOff",
            message=f"Back-off restarting failed container {name} in pod {whole}",
        )

    def configuration_changed(self) -> None:
        """A ConfigMap or Secret of the pod changed: try at once what waits for one."""
        for name, waiting in self.waiting.items():
            if waiting.reason == _NO_CONFIGURATION:
                self._backoff(name).due = 0.0

    async def _start(self, pod: Pod, container: Container, ips: tuple[str, ...]) -> None:
        """Start a container; failures become its waiting reason and a pause."""
        node, record = self._node, self._record
        state = record.container(container.name)
        if problem := unsupported_field(
            pod, container, is_init=container in pod.spec.init_containers
        ):
            self._refuse_configuration(container.name, problem)
            return
        try:
            variables = await read_variables(node, pod, container, ips)
        except (ContainerConfigError, KubeError) as error:
            self._refuse_configuration(container.name, str(error))
            return
        environment = default_environment(hostname_of(pod, node.name)) | variables
        lives = state.restart_count + (1 if state.exit is not None else 0)
        place = node.container_place(record, container.name, lives)
        if lives > 1:  # Of the lives before, `kubectl logs --previous` shows the last one only.
            remove_log(node.container_place(record, container.name, lives - 2).log)
        try:
            program = program_of_container(container, variables)
            setting = setting_of(node, record, pod, container, environment)
            life = await ContainerLife.start(node.zygote, node.lab, place, program, setting)
        except UnknownImageError as error:
            self._refuse(container.name, "ErrImagePull", f"Failed to pull image: {error}")
            return
        except ContainerConfigError as error:
            self._refuse_configuration(container.name, str(error))
            return
        except (SpawnError, ZygoteGoneError, CgroupBusyError, OSError) as error:
            self._refuse(container.name, "RunContainerError", f"Error: {_problem(error)}")
            return
        state.environment, state.privileges = environment, setting.privileges
        state.shows_log = container.termination_message_policy == FALLBACK
        self._note_start(container, life, lives)
        if container.lifecycle.post_start is None:
            self._started(pod, container, life, program, ips)
        else:
            self._run_post_start(pod, container, life, program, ips)

    def _refuse_configuration(self, name: str, message: str) -> None:
        """What the container is to be told is not there: say so, and wait for it."""
        self.waiting[name] = Waiting(_NO_CONFIGURATION, message)
        self._record_event(warning=True, reason="Failed", message=f"Error: {message}")
        self._backoff(name).due = _now() + _CONFIGURATION_S

    def _refuse(self, name: str, reason: str, message: str) -> None:
        """The container cannot be started now: say why, come again later."""
        self.waiting[name] = Waiting(reason, message)
        self._record_event(warning=True, reason="Failed", message=message)
        backoff = self._backoff(name)
        backoff.note_exit(_now())
        backoff.due = max(backoff.due, _now() + 1.0)

    def _note_start(self, container: Container, life: ContainerLife, lives: int) -> None:
        state = self._record.container(container.name)
        state.last_exit = state.exit or state.last_exit
        state.exit = None
        state.restart_count = lives
        state.container_id = secrets.token_hex(32)
        state.pid, state.start_ticks = life.first.pid, life.first.start_ticks
        state.started_at = format_time(datetime.now(UTC))
        state.ready = state.started = state.restart_wanted = False
        self.waiting.pop(container.name, None)
        self._backoff(container.name).note_start(_now())
        self._node.store.save(self._record)
        self._follow(container.name, life)
        self._record_event(
            warning=False, reason="Started", message=f"Started container {container.name}"
        )

    def _follow(self, name: str, life: ContainerLife) -> None:
        self._lives[name] = life
        self._node.tasks.create_task(
            life.watch(lambda code: self._ended(name, code)), name=f"container {name}"
        )

    def _ended(self, name: str, code: int) -> None:
        state = self._record.container(name)
        self._lives.pop(name, None)
        self._endings.ended(name)
        self._probes.end(name)
        self._hooks.ended(state)
        self.waiting.pop(name, None)
        self._backoff(name).note_exit(_now())
        self._note_exit(state, code)
        self._wake()

    def _note_exit(self, state: ContainerRecord, code: int, *, reason: str = "") -> None:
        killer = -code if code < 0 else 0
        shown = 128 + killer if killer else code
        state.exit = ExitRecord(
            exit_code=shown,
            signal=killer,
            reason=reason or ("Completed" if shown == 0 else "Error"),
            started_at=state.started_at,
            finished_at=format_time(datetime.now(UTC)),
            container_id=state.container_id,
            message=self._last_words(state, failed=shown != 0),
        )
        state.pid = 0
        state.started_once = True
        state.ready = False
        self._node.store.save(self._record)

    def _last_words(self, state: ContainerRecord, *, failed: bool) -> str:
        place = self._node.container_place(self._record, state.name, state.restart_count)
        file = self._node.message_file(self._record, state.name)
        return read_message(file, place.log if failed and state.shows_log else None)

    def _place(self, name: str, ips: tuple[str, ...]) -> ProbePlace:
        """From where a container is asked: its node, as by a kubelet."""
        return ProbePlace(
            new_socket=self._node.new_socket,
            address=next(iter(ips), "127.0.0.1"),
            execute=lambda command: self.execution(name).output_of(command),
        )

    def _run_post_start(
        self,
        pod: Pod,
        container: Container,
        life: ContainerLife,
        program: ContainerProgram,
        ips: tuple[str, ...],
    ) -> None:
        """Have the container's hook run; until it ends, the container is shown as not running yet."""

        def over(succeeded: bool) -> None:  # noqa: FBT001 - the one thing that is told.
            if not succeeded:
                self._endings.end(pod, container, ips, message="FailedPostStartHook")
                return
            self.waiting.pop(container.name, None)
            self._started(pod, container, life, program, ips)
            self._changed()

        is_first = not pod.spec.init_containers
        reason = "ContainerCreating" if is_first else "PodInitializing"
        self.waiting[container.name] = Waiting(reason)
        self._hooks.post_start(container, self._place(container.name, ips), over)

    def _started(
        self,
        pod: Pod,
        container: Container,
        life: ContainerLife,
        program: ContainerProgram,
        ips: tuple[str, ...],
    ) -> None:
        """The container runs, and its postStart hook has ended: its probes begin."""
        state = self._record.container(container.name)
        state.started_once = True

        def end(kind: ProbeKind) -> None:
            self._endings.end_by_probe(pod, container, ips, kind)

        place = self._place(container.name, ips)
        probes = probes_of(container, program, pid=life.process.pid, place=place)
        age_s = self._backoff(container.name).running_s(_now())
        self._probes.begin(state, probes, age_s=age_s, end=end)

    def _changed(self) -> None:
        self._node.store.save(self._record)  # A later kubelet must not begin with unready.
        self._wake()

    def execution(self, name: str) -> Execution:
        """Return what runs commands in a running container.

        Raises:
            ContainerNotFoundError: It does not run.
        """
        life = self._lives.get(name)
        if life is None:
            raise ContainerNotFoundError(f"container not found ({name!r}): it does not run")
        state = self._record.container(name)
        return Execution(
            self._node.zygote,
            life.place.cgroup,
            RunningProcess(state.pid, state.start_ticks),
            state.environment,
            state.privileges,
        )

    def _backoff(self, name: str) -> RestartBackoff:
        return self._backoffs.setdefault(name, RestartBackoff())

    async def stop(
        self,
        pod: Pod | None,
        ips: tuple[str, ...],
        *,
        grace_s: Callable[[], float],
        changed: asyncio.Event,
    ) -> None:
        """End all containers: preStop, SIGTERM, the grace period, SIGKILL.

        `grace_s` is asked again whenever `changed` is set: a second, forced deletion shortens it.
        """
        self._probes.end_all()
        self._hooks.end_starting()
        await self._endings.stop(pod, ips, Grace.from_now(grace_s, changed), self._sidecars)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _problem(error: Exception) -> str:
    return error.problem if isinstance(error, SpawnError) else str(error)
