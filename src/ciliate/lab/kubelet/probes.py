"""Probes of a container that runs: whether it has started, lives, and is ready.

The startup probe holds back the other two. What the answers lead to is `pod_containers`' to do. Our
own agent and operator need no readiness probe in their manifests: they are asked on their Unix
sockets, often at first, since a lab's start waits for them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ciliate.lab.kubelet.images import ContainerProgram
from ciliate.lab.kubelet.probe_handlers import Attempt, ProbePlace, ask_unix, attempt_of
from ciliate.lab.kubelet.probe_schedule import (
    YOUNG_S,
    Outcome,
    ProbeKind,
    ProbeSchedule,
    Streak,
    Verdict,
)
from ciliate.lab.objects import Container, Probe
from ciliate.lab.spawn import Entry

#: Health of our own programs, below the root of their process: path of the socket, request path.
#: Not /var/run: that is an absolute link, which would lead into our own root.
_OWN_HEALTH: Final = {
    "agent": ("run/cilium/cilium.sock", "/v1/healthz"),
    "operator": ("run/cilium/operator.sock", "/healthz"),
}
#: A lab's start waits for them: what asking adds to it is at most a tenth.
_OWN_SCHEDULE: Final = ProbeSchedule(period_s=1.0, timeout_s=3.0, eager_s=0.03, eager_growth=1.1)


class Observer(Protocol):
    """Who hears what the probes of a container find."""

    def told(self, outcome: Outcome, kind: ProbeKind) -> None:
        """One answer that an operator should see: a failure, a warning, an error."""

    def has_started(self) -> None:
        """The container has started, as far as a startup probe asks."""

    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - the one thing that is told.
        """What readiness comes to, again at every answer."""

    def is_to_end(self, kind: ProbeKind) -> None:
        """A startup or liveness probe has failed often enough."""


@dataclass(frozen=True, slots=True)
class Prober:
    """One probe of one life of a container."""

    kind: ProbeKind
    schedule: ProbeSchedule
    attempt: Attempt
    is_told: bool = True

    async def run(
        self,
        observer: Observer,
        slots: asyncio.Semaphore,
        is_enough: Callable[[bool], bool],
        *,
        age_s: float,
    ) -> bool:
        """Ask until `is_enough`, which gets every result, says so; the last result."""
        loop = asyncio.get_running_loop()
        young_until = loop.time() - age_s + YOUNG_S
        streak = Streak(self.schedule, self.kind)
        await asyncio.sleep(max(self.schedule.delay_s - age_s, 0))
        while True:
            async with slots:
                outcome = await self.attempt(self.schedule.timeout_s)
            is_young = loop.time() < young_until
            if not (is_young and outcome.is_failure):
                if outcome.verdict is not Verdict.SUCCESS and self.is_told:
                    observer.told(outcome, self.kind)
                result = streak.note(outcome)
                if result is not None and is_enough(result):
                    return result
            await asyncio.sleep(streak.pause_s(outcome, is_young=is_young))


@dataclass(frozen=True, slots=True)
class ContainerProbes:
    """The probes of one life of a container; one task executes `run`."""

    startup: Prober | None
    liveness: Prober | None
    readiness: Prober | None

    @property
    def are_any(self) -> bool:
        """Whether there is something to ask."""
        return any((self.startup, self.liveness, self.readiness))

    async def run(
        self, observer: Observer, slots: asyncio.Semaphore, *, age_s: float, has_started: bool
    ) -> None:
        """Ask until cancelled, or until a failure asks for the container's end."""
        loop = asyncio.get_running_loop()
        born = loop.time() - age_s
        startup = None if has_started else self.startup
        if startup and not await startup.run(observer, slots, lambda _: True, age_s=age_s):
            observer.is_to_end(ProbeKind.STARTUP)
            return
        observer.has_started()
        async with asyncio.TaskGroup() as tasks:
            if self.readiness is None:
                observer.is_ready(True)
            else:
                ready = self.readiness.run(
                    observer, slots, _going_on(observer.is_ready), age_s=loop.time() - born
                )
                tasks.create_task(ready)
            if self.liveness is not None:
                alive = self.liveness.run(
                    observer, slots, lambda ok: not ok, age_s=loop.time() - born
                )
                await alive
                observer.is_to_end(ProbeKind.LIVENESS)


def _going_on(report: Callable[[bool], None]) -> Callable[[bool], bool]:
    def settled(result: bool) -> bool:  # noqa: FBT001 - as `report`.
        report(result)
        return False

    return settled


def probes_of(
    container: Container, program: ContainerProgram, *, pid: int, place: ProbePlace
) -> ContainerProbes:
    """Return the probes that a container's manifest declares, or that our own programs have."""

    def declared(kind: ProbeKind, probe: Probe | None) -> Prober | None:
        attempt = None if probe is None else attempt_of(container, probe, place)
        if probe is None or attempt is None:
            return None
        return Prober(kind, ProbeSchedule.of(probe), attempt)

    readiness = declared(ProbeKind.READINESS, container.readiness_probe)
    return ContainerProbes(
        startup=declared(ProbeKind.STARTUP, container.startup_probe),
        liveness=declared(ProbeKind.LIVENESS, container.liveness_probe),
        readiness=readiness or _of_own_program(program.entry, program.argv, pid),
    )


def _of_own_program(entry: Entry, argv: Sequence[str], pid: int) -> Prober | None:
    if entry is not Entry.CILIATE or not argv or argv[0] not in _OWN_HEALTH:
        return None
    path, target = _OWN_HEALTH[argv[0]]
    return Prober(
        ProbeKind.READINESS,
        _OWN_SCHEDULE,
        lambda timeout_s: ask_unix(f"/proc/{pid}/root/{path}", target, timeout_s),
        is_told=False,
    )
