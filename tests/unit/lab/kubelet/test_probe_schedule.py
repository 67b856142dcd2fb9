import pytest

from ciliate.lab.kubelet.probe_schedule import (
    Outcome,
    ProbeKind,
    ProbeSchedule,
    Streak,
    Verdict,
)
from ciliate.lab.objects import Probe

ANSWERS = {
    "+": Outcome(Verdict.SUCCESS),
    "w": Outcome(Verdict.WARNING),
    "-": Outcome(Verdict.FAILURE),
    "?": Outcome(Verdict.ERROR),
}


def streak(kind: ProbeKind = ProbeKind.READINESS, **probe: int) -> Streak:
    return Streak(ProbeSchedule.of(Probe(**probe)), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("successes", "failures", "answers", "results"),
    [
        (1, 3, "--+--+---", [None, None, True, None, None, True, None, None, False]),
        (2, 1, "+-++w", [None, False, None, True, True]),
        (1, 2, "-?-", [None, None, False]),  # An error neither counts nor ends a row.
        (1, 1, "--", [False, False]),
    ],
)
def test_result_comes_with_enough_answers_in_a_row(
    successes: int, failures: int, answers: str, results: list[bool | None]
) -> None:
    found = streak(success_threshold=successes, failure_threshold=failures)

    assert [found.note(ANSWERS[each]) for each in answers] == results


def test_manifest_names_the_times() -> None:
    probe = Probe(
        period_seconds=5,
        timeout_seconds=2,
        initial_delay_seconds=7,
        success_threshold=3,
        failure_threshold=4,
    )

    found = ProbeSchedule.of(probe)

    assert (found.period_s, found.timeout_s, found.delay_s) == (5, 2, 7)
    assert (found.successes, found.failures) == (3, 4)


def pauses(found: Streak, answers: str, *, young: int = 0) -> list[float]:
    """The pauses behind each answer; the first `young` ones are of a container's first second."""
    told = []
    for number, each in enumerate(answers):
        found.note(ANSWERS[each])
        told.append(found.pause_s(ANSWERS[each], is_young=number < young))
    return told


def test_readiness_is_asked_eagerly_until_it_is_there() -> None:
    assert pauses(streak(period_seconds=1), "-----+--") == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]


@pytest.mark.parametrize("kind", [ProbeKind.LIVENESS, ProbeKind.STARTUP])
def test_others_are_asked_eagerly_in_the_first_second_alone(kind: ProbeKind) -> None:
    assert pauses(streak(kind, period_seconds=9), "---", young=2) == [0.05, 0.1, 9]


def test_asking_our_own_programs_adds_at_most_a_tenth_to_their_start() -> None:
    """A lab's start waits for them: the one that is ready just after it was asked is asked soon."""
    schedule = ProbeSchedule(period_s=1.0, timeout_s=3.0, eager_s=0.03, eager_growth=1.1)
    streak = Streak(schedule, ProbeKind.READINESS)
    since_s, pause_s = 0.0, 0.0
    while pause_s < schedule.period_s:
        pause_s = streak.pause_s(Outcome(Verdict.FAILURE), is_young=True)
        assert pause_s <= schedule.eager_s + since_s / 10 + 1e-9
        since_s += pause_s

    assert since_s < 15  # And asking less and less often ends at the usual period.
