"""One Event for each problem of an object, when it appears or changes."""

import pytest

from ciliate.api.core import ObjectReference
from ciliate.ipam.operator.problem_events import ProblemEvents
from ciliate.kube.events import EventRecorder, Severity

POOL = ObjectReference(kind="CiliumPodIPPool", name="blue")
OTHER = ObjectReference(kind="CiliumPodIPPool", name="red")


class RecordedEvents(EventRecorder):
    """Keeps what is recorded instead of writing it."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, str, str]] = []

    def record(
        self, regarding: ObjectReference, *, severity: Severity, reason: str, message: str
    ) -> None:
        assert severity is Severity.WARNING
        self.recorded.append((regarding.name, reason, message))


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture
def problems(events: RecordedEvents) -> ProblemEvents:
    return ProblemEvents(events)


def test_a_problem_that_stays_makes_one_event(
    problems: ProblemEvents, events: RecordedEvents
) -> None:
    for _ in range(3):
        problems.publish(POOL, "Refused", {"10.0.0.0/8": "overlaps"})

    assert events.recorded == [("blue", "Refused", "overlaps")]
    assert problems.standing == ["CiliumPodIPPool blue: overlaps"]


def test_another_text_is_another_event(problems: ProblemEvents, events: RecordedEvents) -> None:
    problems.publish(POOL, "Refused", {"10.0.0.0/8": "overlaps red"})
    problems.publish(POOL, "Refused", {"10.0.0.0/8": "overlaps green"})

    assert [message for _, _, message in events.recorded] == ["overlaps red", "overlaps green"]
    assert problems.standing == ["CiliumPodIPPool blue: overlaps green"]


def test_what_is_no_longer_said_is_over_for_its_reason_and_object_alone(
    problems: ProblemEvents, events: RecordedEvents
) -> None:
    problems.publish(POOL, "Refused", {"a": "first"})
    problems.publish(POOL, "InUse", {"a": "second"})
    problems.publish(OTHER, "Refused", {"a": "third"})

    problems.publish(POOL, "Refused", {})
    assert problems.standing == ["CiliumPodIPPool blue: second", "CiliumPodIPPool red: third"]

    problems.publish(POOL, "Refused", {"a": "first"})
    assert len(events.recorded) == 4


def test_without_an_event_a_problem_stands_all_the_same(
    problems: ProblemEvents, events: RecordedEvents
) -> None:
    problems.publish(POOL, "InUse", {"held": "5 blocks"}, with_event=False)

    assert not events.recorded
    assert problems.standing == ["CiliumPodIPPool blue: 5 blocks"]
