"""When an ended container is started again. Pure.

The first restart is immediate; then pauses of 10 s, doubling to 5 min, forgotten after 10 min of
running (kubelet's CrashLoopBackOff).
"""

from dataclasses import dataclass
from typing import Final

_FIRST_S: Final = 10.0
_LIMIT_S: Final = 300.0
_RESET_S: Final = 600.0


@dataclass(slots=True)
class RestartBackoff:
    """The pause before a container's next start; times in seconds of one monotonic clock."""

    pause_s: float = 0.0
    due: float = 0.0
    _started: float = 0.0

    def note_start(self, now: float) -> None:
        """The container runs."""
        self._started = now

    def running_s(self, now: float) -> float:
        """How long the container has run."""
        return now - self._started

    def note_exit(self, now: float) -> None:
        """The container has ended: set when it is due again."""
        if self._started and now - self._started >= _RESET_S:
            self.pause_s = 0.0
        self.due = now + self.pause_s
        self.pause_s = min(max(self.pause_s * 2, _FIRST_S), _LIMIT_S)

    def left_s(self, now: float) -> float:
        """How long the container still has to wait."""
        return max(self.due - now, 0.0)


def restarts(policy: str, exit_code: int) -> bool:
    """Whether a container that ended with `exit_code` is started again under `policy`."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
