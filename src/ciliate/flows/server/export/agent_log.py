"""The agent's log as a flow log's sink: the flow server's standard error, which it has from the agent.

Its standard output is not that: there the agent is told how many flows there are.
"""

import os
import select
from typing import Final

#: Who reads the agent's log has taken nothing for so long: it is tried again.
_PATIENCE_MS: Final = 1000


class AgentLog:
    """A `Sink` whose lines stand among those of others, none of them in the middle of one."""

    is_untidy: bool = False

    def __init__(self, file: int = 2) -> None:
        self._file = file
        self._is_inside = False

    def append(self, lines: bytes) -> int:
        """Write as many lines as a pipe takes without others between; see `Sink`."""
        count = lines.rfind(b"\n", 0, select.PIPE_BUF) + 1 or lines.index(b"\n") + 1
        rest = memoryview(lines)[:count]
        if self._is_inside:
            self._write(memoryview(b"\n"))
        while rest:
            written = self._write(rest)
            self._is_inside = written < len(rest)
            rest = rest[written:]
        return count

    def _write(self, octets: memoryview) -> int:
        try:
            return os.write(self._file, octets)
        except BlockingIOError:
            room = select.poll()
            room.register(self._file, select.POLLOUT)
            room.poll(_PATIENCE_MS)
            return os.write(self._file, octets)

    def tidy(self) -> None:
        """See `Sink`: others keep the agent's log."""

    def close(self) -> None:
        """See `Sink`: it stays open, for others write to it."""
