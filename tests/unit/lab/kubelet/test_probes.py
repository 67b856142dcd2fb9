import asyncio
from pathlib import Path

from ciliate.api.core import ContainerPort
from ciliate.lab.kubelet.images import container_program
from ciliate.lab.kubelet.probes import Readiness, readiness_of
from ciliate.lab.objects import Container, Probe


class Reported:
    """Collects what a probe reports, until that is enough."""

    def __init__(self, enough: int) -> None:
        self.changes: list[bool] = []
        self.enough = enough
        self.done = asyncio.Event()

    def __call__(self, ready: bool) -> None:  # noqa: FBT001 - what a probe calls.
        self.changes.append(ready)
        if len(self.changes) == self.enough:
            self.done.set()


async def reported_by(
    answers: list[bool | Exception], *, enough: int, failures_max: int
) -> list[bool]:
    """Return the changes reported for a series of answers; the last one repeats."""
    left = list(answers)

    async def attempt() -> bool:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    reported = Reported(enough)
    readiness = Readiness(
        attempt=attempt, period_s=0.001, eager_period_s=0.001, failures_max=failures_max
    )
    task = asyncio.ensure_future(readiness.run(reported))
    async with asyncio.timeout(10):
        await reported.done.wait()
    task.cancel()
    return reported.changes


async def test_first_success_makes_ready() -> None:
    answers: list[bool | Exception] = [False, ConnectionRefusedError(), FileNotFoundError(), True]

    assert await reported_by(answers, enough=1, failures_max=3) == [True]


async def test_only_failures_in_a_row_make_unready() -> None:
    answers: list[bool | Exception] = [True, False, False, True, False, False, False]

    assert await reported_by(answers, enough=2, failures_max=3) == [True, False]


async def never(command: tuple[str, ...]) -> bool:
    raise AssertionError(command)


def readiness(container: Container, *words: str) -> Readiness | None:
    return readiness_of(
        container,
        container_program(container.image, words),
        pid=1,
        pins=Path("/nowhere"),
        address="127.0.0.1",
        execute=never,
    )


def test_container_without_probe_is_ready_when_it_runs() -> None:
    assert readiness(Container("c", image="traefik/whoami")) is None


def test_agent_is_asked_on_its_socket_without_a_declared_probe() -> None:
    assert readiness(Container("c", image="quay.io/cilium/cilium:v1"), "ciliate", "agent")


def test_asking_adds_at_most_a_tenth_to_an_agents_start() -> None:
    """A lab's start waits for it: the one that is ready just after it was asked is asked soon."""
    asked = readiness(Container("c", image="quay.io/cilium/cilium:v1"), "ciliate", "agent")
    assert asked is not None

    since_s, pause_s = 0.0, asked.eager_period_s
    while pause_s < asked.period_s:
        assert pause_s <= asked.eager_period_s + since_s / 10 + 1e-9
        since_s, pause_s = since_s + pause_s, asked.later(pause_s)

    assert since_s < 15  # And asking less and less often ends at the usual period.


def test_shell_in_the_agents_image_is_not_asked() -> None:
    assert readiness(Container("c", image="quay.io/cilium/cilium:v1"), "sleep", "1") is None


async def test_tcp_probe_with_a_named_port_connects() -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        container = Container(
            "c",
            image="nginx",
            ports=(ContainerPort(port, name="http"),),
            readiness_probe=Probe(tcp_socket={"port": "http"}, period_seconds=5),
        )

        found = readiness(container)

    assert found is not None
    assert found.period_s == 5
