"""What became of one question, asked up to three times. Pure."""

from dataclasses import dataclass
from enum import Enum


class OutcomeKind(Enum):
    """How a question ended."""

    REPLIED = "replied"
    TOLD = "told"  # A router said what MTU it has.
    LOST = "lost"  # Nothing came.
    REFUSED = "refused"  # The node's own packet filter (EPERM).
    UNSENDABLE = "unsendable"  # The node's own stack.
    UNSTEADY = "unsteady"  # Lost, and smaller ones as well.


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a question ended; `mtu` of 0 is a router's that does not say how much passes."""

    kind: OutcomeKind
    seconds: float = 0.0
    mtu: int = 0
    by: str = ""
    problem: str = ""
