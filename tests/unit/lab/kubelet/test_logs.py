import asyncio
from pathlib import Path

import pytest

from ciliate.lab.kubelet import logs
from ciliate.lab.kubelet.logs import ContainerLog, Line, LogOptions, older, read_log, stored_lines


async def text_of(path: Path, options: LogOptions, live: ContainerLog | None = None) -> bytes:
    return b"".join([part async for part in read_log(path, options, live)])


def written(path: Path, *texts: bytes) -> ContainerLog:
    log = ContainerLog(path)
    for text in texts:
        log.write(text)
    return log


def stored(path: Path, raw: bytes) -> None:
    """Write a log file as an earlier kubelet left it."""
    path.parent.mkdir()
    path.write_bytes(raw)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c" / "0.log"


async def test_lines_come_back_as_they_were_written(path: Path) -> None:
    written(path, b"one\ntw", b"o\n", b"three").close()

    assert await text_of(path, LogOptions()) == b"one\ntwo\nthree\n"


async def test_tail_gives_the_last_lines(path: Path) -> None:
    written(path, b"1\n2\n3\n").close()

    assert await text_of(path, LogOptions(tail_lines=2)) == b"2\n3\n"
    assert await text_of(path, LogOptions(tail_lines=0)) == b""


async def test_limit_cuts_within_a_line(path: Path) -> None:
    written(path, b"12345\n67890\n").close()

    assert await text_of(path, LogOptions(bytes_max=8)) == b"12345\n67"


async def test_since_leaves_out_older_lines(path: Path) -> None:
    stored(path, Line(10, b"old").to_bytes() + Line(2_000_000_000, b"new").to_bytes())

    assert await text_of(path, LogOptions(since_ns=1_000_000_000)) == b"new\n"


async def test_timestamps_keep_nanoseconds(path: Path) -> None:
    stored(path, Line(1_751_371_200_123_456_789, b"x").to_bytes())

    shown = await text_of(path, LogOptions(timestamps=True))

    assert shown == b"2025-07-01T12:00:00.123456789Z x\n"


def test_stored_line_parses_back() -> None:
    line = Line(1_751_371_200_000_000_001, b"a b  c", whole=False)

    assert Line.parse(line.to_bytes().removesuffix(b"\n")) == line


def test_line_cut_short_by_a_crash_is_left_out(path: Path) -> None:
    stored(path, Line(1, b"whole").to_bytes() + b"2025-07-01T12:00:0")

    assert [line.text for line in stored_lines(path)] == [b"whole"]


async def test_long_line_is_stored_in_parts_and_shown_whole(path: Path) -> None:
    text = b"x" * (2 * logs.LINE_BYTES_MAX + 5)
    written(path, text + b"\n").close()

    assert await text_of(path, LogOptions()) == text + b"\n"
    assert max(len(line.text) for line in stored_lines(path)) == logs.LINE_BYTES_MAX


def test_log_stays_within_its_bound(path: Path) -> None:
    log = ContainerLog(path)
    for _ in range(400):
        log.write(b"y" * 8191 + b"\n")
    log.close()

    sizes = [file.stat().st_size for file in (path, older(path))]
    assert max(sizes) < logs.FILE_BYTES_MAX + 10_000


async def test_follower_sees_old_and_new_lines_once_and_the_end(path: Path) -> None:
    log = written(path, b"old\n")
    seen: list[bytes] = []
    first = asyncio.Event()

    async def follow() -> None:
        async for part in read_log(path, LogOptions(follow=True), log):
            seen.append(part)
            first.set()

    task = asyncio.ensure_future(follow())
    await first.wait()
    log.write(b"new\n")
    log.close()
    await task

    assert b"".join(seen) == b"old\nnew\n"


async def test_follower_far_behind_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FOLLOWER_LINES_MAX", 4)
    log = ContainerLog(path)

    with log.follower() as (_, queue):
        log.write(b"1\n2\n3\n4\n5\n6\n")
        queued = [queue.get_nowait() for _ in range(queue.qsize())]

    assert queued[-1] is None


async def test_log_goes_on_in_the_same_file_after_a_restart(path: Path) -> None:
    written(path, b"before\n")

    written(path, b"after\n").close()

    assert await text_of(path, LogOptions()) == b"before\nafter\n"
