"""Pings that go on while something happens; afterwards they say how many were lost, and where."""

import itertools
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.cluster import eventually
from tests.lab.walkthrough.place import Place

INTERVAL_S: Final = 0.02

_NUMBER: Final = re.compile(r"bytes from .* icmp_seq=(\d+) ")


@dataclass(frozen=True, slots=True)
class Pings:
    """One ping that runs, or has run."""

    file: Path

    @property
    def answered(self) -> list[int]:
        """The numbers of those that were answered, in their order."""
        return [int(number) for number in _NUMBER.findall(self.file.read_text())]

    @property
    def lost(self) -> int:
        """Those before the latest answered one that were not."""
        answered = set(self.answered)
        return max(answered) - len(answered)

    @property
    def longest_silence_s(self) -> float:
        """How long none was answered between two that were."""
        answered = self.answered
        gaps = (b - a for a, b in itertools.pairwise(answered))
        return (max(gaps, default=1) - 1) * INTERVAL_S

    def go_on(self, *, within_s: float = 10.0) -> None:
        """Wait until more are answered than now: several, so that it is no straggler."""
        until_now = len(self.answered)
        what = f"pings go on after {self.answered[-1:]}"
        eventually(lambda: len(self.answered) > until_now + 5, within_s=within_s, what=what)


@contextmanager
def pinging(place: Place, source: str, address: str) -> Iterator[Pings]:
    """Ping 50 times a second from a pod or machine, until the end of the block."""
    with tempfile.NamedTemporaryFile("w+") as output:
        words = ("ping", "-i", str(INTERVAL_S), address)
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *place.entering(source), "stdbuf", "-oL", *words],
            stdout=output,
        ) as process:
            found = Pings(Path(output.name))
            try:
                eventually(lambda: found.answered, what=f"the first answer of {address}")
                yield found
            finally:
                process.send_signal(signal.SIGINT)
