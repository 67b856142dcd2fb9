"""How big a soak is: `make soak` runs the whole, the suite of tests a short form of it."""

import os
from dataclasses import dataclass
from typing import Final

import pytest

#: Set by `make soak`.
WHOLE: Final = bool(os.environ.get("CILIATE_SOAK"))

#: Beside tests that have no short form.
only_whole: Final = pytest.mark.skipif(not WHOLE, reason="takes minutes: run `make soak`")


@dataclass(frozen=True, slots=True)
class Scale:
    """How many pods hold connections, and how hard and how long they are attacked."""

    pods: int
    connections_each: int
    packets_per_second: int  # of all attackers together
    seconds: int
    room: int  # Connections that a node's table holds: floods fill it many times over.


SCALE: Final = Scale(50, 20, 100_000, 60, 131_072) if WHOLE else Scale(10, 20, 20_000, 5, 8_192)
