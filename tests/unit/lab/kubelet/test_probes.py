import asyncio
from collections.abc import Sequence

from ciliate.lab.kubelet.images import container_program
from ciliate.lab.kubelet.probe_handlers import ProbePlace
from ciliate.lab.kubelet.probe_schedule import Outcome, ProbeKind, ProbeSchedule, Verdict
from ciliate.lab.kubelet.probes import ContainerProbes, Prober, probes_of
from ciliate.lab.objects import Container, Probe

OLD_S = 100.0  # No container in its first second.


class Observer:
    """Collects what probes find, until there is enough of it."""

    def __init__(self, enough: int) -> None:
        self.found: list[str] = []
        self.enough = enough
        self.done = asyncio.Event()

    def told(self, outcome: Outcome, kind: ProbeKind) -> None:
        self.note(f"{kind.value}: {outcome.message}")

    def has_started(self) -> None:
        self.note("started")

    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - what a probe calls.
        self.note("ready" if ready else "unready")

    def is_to_end(self, kind: ProbeKind) -> None:
        self.note(f"end by {kind.value}")

    def note(self, what: str) -> None:
        self.found.append(what)
        if len(self.found) == self.enough:
            self.done.set()


def prober(kind: ProbeKind, answers: str, *, failures: int = 1) -> Prober:
    """A probe with these answers, "+" or "-"; the last one repeats."""
    left = list(answers)

    async def attempt(_timeout_s: float) -> Outcome:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return Outcome(Verdict.SUCCESS) if answer == "+" else Outcome(Verdict.FAILURE, "no")

    schedule = ProbeSchedule(period_s=0.001, timeout_s=1, failures=failures)
    return Prober(kind, schedule, attempt)


async def found_by(
    *probers: Prober, enough: int, age_s: float = OLD_S, has_started: bool = False
) -> list[str]:
    """What an observer hears of a container's probes."""
    by_kind = {each.kind: each for each in probers}
    probes = ContainerProbes(
        startup=by_kind.get(ProbeKind.STARTUP),
        liveness=by_kind.get(ProbeKind.LIVENESS),
        readiness=by_kind.get(ProbeKind.READINESS),
    )
    observer = Observer(enough)
    run = probes.run(observer, asyncio.Semaphore(1), age_s=age_s, has_started=has_started)
    task = asyncio.ensure_future(run)
    async with asyncio.timeout(10):
        await observer.done.wait()
    task.cancel()
    return observer.found[:enough]


async def test_startup_holds_back_the_others() -> None:
    found = await found_by(
        prober(ProbeKind.STARTUP, "--+", failures=5),
        prober(ProbeKind.READINESS, "+"),
        enough=4,
    )

    assert found == ["Startup: no", "Startup: no", "started", "ready"]


async def test_startup_that_fails_too_often_asks_for_the_end() -> None:
    found = await found_by(
        prober(ProbeKind.STARTUP, "-", failures=2), prober(ProbeKind.READINESS, "+"), enough=3
    )

    assert found == ["Startup: no", "Startup: no", "end by Startup"]


async def test_startup_that_succeeded_once_is_not_asked_by_a_later_kubelet() -> None:
    found = await found_by(
        prober(ProbeKind.STARTUP, "-"),
        prober(ProbeKind.READINESS, "+"),
        enough=2,
        has_started=True,
    )

    assert found == ["started", "ready"]


async def test_liveness_asks_for_the_end_and_readiness_goes_on() -> None:
    found = await found_by(prober(ProbeKind.LIVENESS, "+-", failures=2), enough=5)

    assert found == ["started", "ready", "Liveness: no", "Liveness: no", "end by Liveness"]


async def test_readiness_of_a_container_that_was_ready_can_go() -> None:
    """A kubelet that starts anew finds containers that are ready by their records."""
    found = await found_by(prober(ProbeKind.READINESS, "-"), enough=3, has_started=True)

    assert found == ["started", "Readiness: no", "unready"]


async def test_failures_of_the_first_second_are_neither_told_nor_counted() -> None:
    found = await found_by(
        prober(ProbeKind.LIVENESS, "--+-"), prober(ProbeKind.READINESS, "--+"), enough=3, age_s=0
    )

    assert found == ["started", "ready", "ready"]


async def never(words: object) -> object:
    raise AssertionError(words)


def probes(container: Container, *words: str) -> ContainerProbes:
    place = ProbePlace(new_socket=never, address="127.0.0.1", execute=never)  # type: ignore[arg-type]
    return probes_of(container, container_program(container.image, words), pid=1, place=place)


def test_container_without_probes_has_nothing_to_be_asked() -> None:
    assert not probes(Container("c", image="traefik/whoami")).are_any


def test_agent_is_asked_on_its_socket_without_a_declared_probe() -> None:
    found = probes(Container("c", image="quay.io/cilium/cilium:v1"), "ciliate", "agent")

    assert found.readiness is not None
    assert not found.readiness.is_told


def test_shell_in_the_agents_image_is_not_asked() -> None:
    assert not probes(Container("c", image="quay.io/cilium/cilium:v1"), "sleep", "1").are_any


def test_each_declared_probe_is_asked() -> None:
    probe = Probe(exec={"command": ["true"]}, period_seconds=5)

    found = probes(
        Container(
            "c", image="nginx", startup_probe=probe, liveness_probe=probe, readiness_probe=probe
        )
    )

    every: Sequence[Prober | None] = (found.startup, found.liveness, found.readiness)
    assert [each and (each.kind, each.schedule.period_s) for each in every] == [
        (ProbeKind.STARTUP, 5),
        (ProbeKind.LIVENESS, 5),
        (ProbeKind.READINESS, 5),
    ]
