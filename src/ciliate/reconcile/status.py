"""How the runs of one reconciler or periodic task went, for people and for `dbg status`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class KeyFailure:
    """One key of a target that is not as it should be: why, since when, when it is tried again."""

    message: str
    since: datetime
    next_try: datetime
    attempts: int = 1


class RunStatus:
    """Counts, times and the last failure of a named task."""

    __slots__ = (
        "consecutive_failures",
        "failing_keys",
        "failures",
        "last_failure",
        "last_failure_at",
        "last_success_at",
        "name",
        "successes",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.successes = 0
        self.failures = 0
        self.consecutive_failures = 0
        self.last_success_at: datetime | None = None
        self.last_failure_at: datetime | None = None
        self.last_failure = ""
        #: By the key's text; empty for tasks without keys.
        self.failing_keys: Mapping[str, KeyFailure] = {}

    def succeeded(self) -> None:
        """Note a run without failure."""
        self.successes += 1
        self.consecutive_failures = 0
        self.last_failure = ""
        self.last_success_at = datetime.now(UTC)

    def failed(self, message: str) -> None:
        """Note a run that failed, fully or in part."""
        self.failures += 1
        self.consecutive_failures += 1
        self.last_failure = message
        self.last_failure_at = datetime.now(UTC)
