"""When a probe is asked and what its answers add up to: kubelet's thresholds. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ciliate.lab.objects import Probe

#: A kubelet first looks at a container about so long after its start. Failures before that are not
#: told and not counted, and soon asked again: containers here start within milliseconds.
YOUNG_S: Final = 1.0
_EAGER_S: Final = 0.05


class ProbeKind(Enum):
    """What a probe asks; the words of events."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


class Verdict(Enum):
    """What an answer says. An ERROR says nothing about the container: it was not asked."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer, with the words of its event."""

    verdict: Verdict
    message: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether the container did not answer as it should."""
        return self.verdict is Verdict.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSchedule:
    """How often a container is asked; times in seconds, `delay_s` from its start."""

    period_s: float
    timeout_s: float
    delay_s: float = 0
    successes: int = 1
    failures: int = 3
    #: The first pause after a failure; each is longer than the last by `eager_growth`, up to the
    #: period.
    eager_s: float = _EAGER_S
    eager_growth: float = 2.0

    @classmethod
    def of(cls, probe: Probe) -> "ProbeSchedule":
        """Return what a manifest says."""
        return cls(
            period_s=probe.period_seconds,
            timeout_s=probe.timeout_seconds,
            delay_s=probe.initial_delay_seconds,
            successes=probe.success_threshold,
            failures=probe.failure_threshold,
        )


class Streak:
    """Answers of the same kind in a row, for one probe of one life of a container."""

    def __init__(self, schedule: ProbeSchedule, kind: ProbeKind) -> None:
        self._schedule = schedule
        self._is_readiness = kind is ProbeKind.READINESS
        self._last: bool | None = None
        self._count = 0
        self._has_succeeded = False
        self._eager_s = schedule.eager_s

    def note(self, outcome: Outcome) -> bool | None:
        """Return the result that the answers so far come to; None: they change nothing."""
        if outcome.verdict is Verdict.ERROR:
            return None
        succeeded = not outcome.is_failure
        self._has_succeeded |= succeeded
        self._count = self._count + 1 if succeeded == self._last else 1
        self._last = succeeded
        schedule = self._schedule
        enough = schedule.successes if succeeded else schedule.failures
        return succeeded if self._count >= enough else None

    def pause_s(self, outcome: Outcome, *, is_young: bool) -> float:
        """Return how long to wait for the next question.

        Readiness is asked eagerly until it is there: what waits for a pod is to wait no longer.
        """
        eager = is_young or (self._is_readiness and not self._has_succeeded)
        if not (outcome.is_failure and eager):
            return self._schedule.period_s
        pause_s = min(self._eager_s, self._schedule.period_s)
        self._eager_s *= self._schedule.eager_growth
        return pause_s
