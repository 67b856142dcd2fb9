"""Container logs: written line by line with times, bounded, read back as `kubectl logs` asks.

A container writes into a FIFO that it holds open for reading too (`container`), so it survives a
kubelet that is killed: lines wait in the FIFO. The kubelet writes them as the CRI log format
("2025-07-01T12:00:00.000000000Z stdout F text") to `<restart count>.log`; a file that grows too
long is moved to `.log.1`, whose predecessor is gone. All labs' files lie on a tmpfs: hence the
bound is small.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

#: A container keeps between one and two times this much of its latest output.
FILE_BYTES_MAX: Final = 512 * 1024
#: A longer line is cut into parts, as containerd does (16 KiB there as well).
LINE_BYTES_MAX: Final = 16 * 1024
#: Lines a follower may be behind before it is cut off: a stopped terminal must not fill memory.
FOLLOWER_LINES_MAX: Final = 10_000
#: Pieces of output, up to 64 KiB each, that an attached client may be behind.
LISTENER_PIECES_MAX: Final = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output: its time as nanoseconds of the epoch, its text without line end."""

    time_ns: int
    text: bytes
    whole: bool = True  # False: the line goes on in the next one.

    def to_bytes(self) -> bytes:
        """Return the line in the CRI's format."""
        tag = b"F" if self.whole else b"P"
        return b"%s stdout %s %s\n" % (_time_text(self.time_ns).encode(), tag, self.text)

    @classmethod
    def parse(cls, raw: bytes) -> "Line | None":
        """Return the line, or None for one that a crash cut short."""
        parts = raw.split(b" ", 3)
        if len(parts) != 4:
            return None
        try:
            time_ns = _time_ns(parts[0].decode("ascii"))
        except ValueError:
            return None
        return cls(time_ns, parts[3], whole=parts[2] == b"F")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What of a log is asked for (PodLogOptions of the Kubernetes API)."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_ns: int | None = None
    bytes_max: int | None = None


class ContainerLog:
    """The log of one life of a container: written by its kubelet alone, followed by any number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size_bytes = os.fstat(self._file).st_size
        self._partial = b""
        self._followers: set[asyncio.Queue[Line | None]] = set()
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self.closed = False

    def write(self, data: bytes) -> None:
        """Add output; what ends within a line waits for the rest of it."""
        for listener in self._listeners:
            _offer(listener, data)
        now = time.time_ns()
        *complete, self._partial = (self._partial + data).split(b"\n")
        lines = [line for text in complete for line in _parts(now, text)]
        while len(self._partial) >= LINE_BYTES_MAX:
            lines.append(Line(now, self._partial[:LINE_BYTES_MAX], whole=False))
            self._partial = self._partial[LINE_BYTES_MAX:]
        self._store(lines)

    def close(self) -> None:
        """The container has ended: write what is left and end every follower."""
        if self.closed:
            return
        if self._partial:
            self._store([Line(time.time_ns(), self._partial)])
            self._partial = b""
        self.closed = True
        os.close(self._file)
        for follower in self._followers:
            _offer(follower, None)
        for listener in self._listeners:
            _offer(listener, None)

    def _store(self, lines: list[Line]) -> None:
        if not lines:
            return
        raw = b"".join(line.to_bytes() for line in lines)
        os.write(self._file, raw)
        self._size_bytes += len(raw)
        if self._size_bytes > FILE_BYTES_MAX:
            self._rotate()
        for follower in self._followers:
            for line in lines:
                _offer(follower, line)

    def _rotate(self) -> None:
        os.close(self._file)
        self._path.replace(older(self._path))
        self._file = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._size_bytes = 0

    @contextlib.contextmanager
    def follower(self) -> Iterator[tuple[list[Line], "asyncio.Queue[Line | None]"]]:
        """Give what is stored and a queue of what comes; None in the queue is the end.

        Both are taken without an await in between: no line is missed or sent twice.
        """
        queue: asyncio.Queue[Line | None] = asyncio.Queue(FOLLOWER_LINES_MAX)
        stored = list(stored_lines(self._path))
        if self.closed:
            queue.put_nowait(None)
        self._followers.add(queue)
        try:
            yield stored, queue
        finally:
            self._followers.discard(queue)

    @contextlib.contextmanager
    def listener(self) -> Iterator["asyncio.Queue[bytes | None]"]:
        """Give a queue of what is written from now on, as it comes; None in it is the end.

        The end comes early, while `closed` is false, to one that is too far behind.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(LISTENER_PIECES_MAX)
        if self.closed:
            queue.put_nowait(None)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


def _offer(queue: "asyncio.Queue[T | None]", item: T | None) -> None:
    """Queue a line or piece; one who is too far behind gets the end instead."""
    if queue.qsize() >= queue.maxsize - 1:
        item = None
    if not queue.full():
        queue.put_nowait(item)


def _parts(now: int, text: bytes) -> Iterator[Line]:
    while len(text) > LINE_BYTES_MAX:
        yield Line(now, text[:LINE_BYTES_MAX], whole=False)
        text = text[LINE_BYTES_MAX:]
    yield Line(now, text)


def older(path: Path) -> Path:
    """Where the part of a log before the current file lies."""
    return path.with_name(path.name + ".1")


def remove_log(path: Path) -> None:
    """Remove a log's files; absent ones are a success."""
    for file in (path, older(path)):
        file.unlink(missing_ok=True)


def stored_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a log's two files."""
    for file in (older(path), path):
        try:
            raw = file.read_bytes()
        except FileNotFoundError:
            continue
        for part in raw.splitlines():
            line = Line.parse(part)
            if line is not None:
                yield line


async def read_log(
    path: Path, options: LogOptions, live: ContainerLog | None
) -> AsyncIterator[bytes]:
    """Yield a log's text as `kubectl logs` prints it.

    `live` is the log while its container runs: only then is there something to follow. A log
    whose file has gone is empty.
    """
    left = options.bytes_max
    async for raw in _rendered(path, options, live):
        if left is None:
            yield raw
            continue
        yield raw[:left]
        left -= len(raw)
        if left <= 0:
            return


async def _rendered(
    path: Path, options: LogOptions, live: ContainerLog | None
) -> AsyncIterator[bytes]:
    if not options.follow or live is None:
        chosen = _chosen(list(stored_lines(path)), options)
        yield b"".join(_render(line, options) for line in chosen)
        return
    with live.follower() as (stored, queue):
        yield b"".join(_render(line, options) for line in _chosen(stored, options))
        while (line := await queue.get()) is not None:
            yield _render(line, options)


def _chosen(lines: list[Line], options: LogOptions) -> list[Line]:
    if options.since_ns is not None:
        lines = [line for line in lines if line.time_ns >= options.since_ns]
    if options.tail_lines is not None:
        lines = lines[-options.tail_lines :] if options.tail_lines > 0 else []
    return lines


def _render(line: Line, options: LogOptions) -> bytes:
    end = b"\n" if line.whole else b""
    if options.timestamps:
        return b"%s %s%s" % (_time_text(line.time_ns).encode(), line.text, end)
    return line.text + end


def _time_text(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _time_ns(text: str) -> int:
    """Parse RFC 3339 with nanoseconds, which `datetime` does not keep.

    Raises:
        ValueError: It is not such a time.
    """
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0")[:9])
