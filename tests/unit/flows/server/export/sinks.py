"""A sink that keeps what it is given, and refuses when it is told to."""

import errno
import os


class MemorySink:
    """Takes `lines_at_once`, and after `fails_after` lines none; None: all."""

    def __init__(
        self, *, lines_at_once: int | None = None, fails_after: int | None = None
    ) -> None:
        self.octets = b""
        self.lines_at_once = lines_at_once
        self.fails_after = fails_after
        self.is_untidy = False
        self.is_closed = False
        self.refusals = 0

    @property
    def lines(self) -> list[bytes]:
        return self.octets.splitlines()

    def append(self, lines: bytes) -> int:
        if self.fails_after is not None and len(self.lines) >= self.fails_after:
            self.refusals += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = b"".join(lines.splitlines(keepends=True)[: self.lines_at_once])
        self.octets += taken
        self.is_closed = False
        return len(taken)

    def tidy(self) -> None:
        self.is_untidy = False

    def close(self) -> None:
        self.is_closed = True
