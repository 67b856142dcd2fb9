"""What passed a device, as tcpdump prints it: what the far end saw.

with Capture.on(place, "router", "eth1", "icmp") as seen:
    place.in_pod("ping -c1 192.168.10.200")
    lines = seen.until("echo reply")
"""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Final

from tests.lab.walkthrough.place import Place

_DEADLINE_S: Final = 5.0

#: Immediate mode: a packet is printed when it passes, not when a buffer is full.
_TCPDUMP: Final = ("tcpdump", "-l", "-nn", "-t", "--immediate-mode")


@dataclass(frozen=True, slots=True)
class Capture:
    """A tcpdump that runs."""

    place: str
    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)
    seen: list[str] = field(default_factory=list)

    @staticmethod
    @contextmanager
    def on(place: Place, machine: str, device: str, *words: str) -> Iterator["Capture"]:
        """Capture on a machine's device, or a pod's, from here on until the end of the block."""
        process = place.background(machine, *_TCPDUMP, "-i", device, *words)
        assert process.stdout is not None
        assert process.stderr is not None
        capture = Capture(f"{machine}, {device}")
        reader = threading.Thread(target=capture._read, args=(process.stdout,))
        with process:
            try:
                _await_listening(process.stderr)
                reader.start()
                yield capture
            finally:
                process.terminate()
                if reader.ident is not None:
                    reader.join()  # Before `process` closes what it reads.

    def until(self, *parts: str, within_s: float = _DEADLINE_S) -> list[str]:
        """Every packet up to the first one whose line has all `parts`; that one is the last."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                shown = "\n".join(self.seen)
                raise AssertionError(f"no {parts} on {self.place}; seen:\n{shown}") from None
            self.seen.append(line)
            if all(part in line for part in parts):
                return self.seen

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self.lines.put(line.strip())


def _await_listening(errors: IO[str]) -> None:
    """Return once packets are captured; tcpdump says so.

    Its end, for instance for a wrong filter, ends its output too.
    """
    said: list[str] = []
    for line in errors:
        said.append(line)
        if "listening on" in line:
            return
    raise AssertionError(f"tcpdump ended: {''.join(said)}")
