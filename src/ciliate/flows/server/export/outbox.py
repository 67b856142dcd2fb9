"""Lines on their way to a sink: filled by the loop, emptied by a thread.

What a sink did not take stays, in its order. Many lines go at once, cut where lines end.
"""

import threading
from collections import deque
from typing import Final, Protocol

#: Octets that a sink is given at once.
_PART_BYTES: Final = 1 << 18


class Sink(Protocol):
    """Where lines go. All of it blocks, and is called in threads."""

    def append(self, lines: bytes) -> int:
        """Take whole lines from the beginning of `lines`; return how many octets that were.

        Raises:
            OSError: It took none.
        """

    @property
    def is_untidy(self) -> bool:
        """Whether something is to be done by `tidy`."""

    def tidy(self) -> None:
        """Remove or compress what is old.

        Raises:
            OSError: It cannot.
        """

    def close(self) -> None:
        """Let it go, until it is given lines again."""


class Outbox:
    """Holds lines until its sink has them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._drains = threading.Lock()
        # Of two threads each counts for itself.
        self._added_bytes = 0
        self._taken_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Octets that are not in the sink."""
        return self._added_bytes - self._taken_bytes

    def add(self, line: bytes) -> None:
        """Add a line, with its end."""
        self._added_bytes += len(line)
        self._lines.append(line)

    def drain(self) -> None:
        """Give the sink everything.

        Raises:
            OSError: It does not take it; what it did not take is still held.
        """
        with self._drains:
            while self._rest or self._lines:
                if not self._rest:
                    self._rest = self._part()
                count = self._sink.append(self._rest)
                self._rest = self._rest[count:]
                self._taken_bytes += count

    def end(self) -> None:
        """Give the sink everything and close it; see `drain`."""
        try:
            self.drain()
        finally:
            self._sink.close()

    def _part(self) -> bytes:
        lines: list[bytes] = []
        size = 0
        while self._lines and size < _PART_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        return b"".join(lines)
