"""Answers that clients take slowly: whether what was written goes on leaving, or stands still.

What a client has not taken waits in our buffers and then in the kernel's, which may hold megabytes
of an answer that its handler has long forgotten. A client that takes any of it between two looks
makes progress; one that takes nothing for a while is ended, over TCP by the kernel as well.
"""

import fcntl
import socket
import termios
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

C = TypeVar("C", bound=Hashable)

#: SIOCOUTQ (tcp(7), unix(7)): octets of a socket that its peer's side has not taken.
_OUTPUT_QUEUE: Final = termios.TIOCOUTQ


def in_kernel_bytes(sending: socket.socket) -> int:
    """Return how much of what was sent the peer's machine, or process, has not taken; 0: closed."""
    size = bytearray(4)
    try:
        fcntl.ioctl(sending, _OUTPUT_QUEUE, size)
    except (OSError, ValueError):  # ValueError: its descriptor is closed.
        return 0
    return int.from_bytes(size, "little", signed=True)


@dataclass(slots=True)
class _Taker:
    left_bytes: int
    moved_at: float  # When something was taken last.


class SlowTakers(Generic[C]):
    """Connections with an answer on its way; as many as there are connections."""

    def __init__(self) -> None:
        self._takers: dict[C, _Taker] = {}

    def __contains__(self, connection: C) -> bool:
        return connection in self._takers

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._takers))

    def note(self, connection: C, left_bytes: int, *, now: float) -> None:
        """Take in what is left; less than before is progress."""
        known = self._takers.get(connection)
        if known is None:
            self._takers[connection] = _Taker(left_bytes, now)
            return
        if left_bytes < known.left_bytes:
            known.moved_at = now
        known.left_bytes = left_bytes

    def stalled_s(self, connection: C, *, now: float) -> float:
        """Return for how long nothing of the answer was taken."""
        return now - self._takers[connection].moved_at

    def forget(self, connection: C) -> None:
        """Forget a connection, if it is known."""
        self._takers.pop(connection, None)
