"""`flows/server/export/log_file.py`: whole lines, bounded files, and what a killed process left."""

import errno
import gzip
import os
import stat
from pathlib import Path

import pytest

from ciliate.flows.server.export.flow_log import Keeping
from ciliate.flows.server.export.log_file import LogFile

LINE = b'{"flow":1}\n'


def append(file: LogFile, lines: bytes) -> None:
    """Append all of it, as an outbox does."""
    while lines:
        lines = lines[file.append(lines) :]


def log_at(
    path: Path, *, size: int = 1 << 20, backups: int = 5, compress: bool = False
) -> LogFile:
    return LogFile(path, Keeping(size_bytes=size, backups=backups, compress=compress))


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_file_and_its_folders_are_made_and_root_alone_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "events.log"
    before = os.umask(0o177)  # The flow server's.
    try:
        append(log_at(path), LINE)
    finally:
        os.umask(before)

    assert path.read_bytes() == LINE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_restart_appends(tmp_path: Path) -> None:
    for _ in range(2):
        file = log_at(tmp_path / "e.log")
        append(file, LINE)
        file.close()

    assert (tmp_path / "e.log").read_bytes() == LINE * 2


def test_half_a_line_of_a_killed_process_is_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "e.log").write_bytes(LINE + LINE[:5])

    append(log_at(tmp_path / "e.log"), LINE)

    assert (tmp_path / "e.log").read_bytes().splitlines() == [LINE[:-1], LINE[:5], LINE[:-1]]


def test_no_file_is_larger_than_it_may_be_and_no_line_is_cut(tmp_path: Path) -> None:
    file = log_at(tmp_path / "e.log", size=3 * len(LINE) + 2)

    append(file, LINE * 5)
    append(file, LINE * 3)

    contents = [(tmp_path / name).read_bytes() for name in names(tmp_path)]
    assert sorted(contents) == sorted([LINE * 3, LINE * 3, LINE * 2])
    assert (tmp_path / "e.log").read_bytes() == LINE * 2


def test_line_longer_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    file = log_at(tmp_path / "e.log", size=4)

    append(file, LINE * 2)

    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == [LINE] * 2


def test_backups_beyond_the_bound_are_removed(tmp_path: Path) -> None:
    file = log_at(tmp_path / "e.log", size=len(LINE), backups=2)

    append(file, LINE * 6)
    assert len(names(tmp_path)) == 6
    assert file.is_untidy
    file.tidy()

    assert len(names(tmp_path)) == 3
    assert not file.is_untidy


def test_backups_are_compressed_and_read_back(tmp_path: Path) -> None:
    file = log_at(tmp_path / "e.log", size=len(LINE) * 2, compress=True)

    append(file, LINE * 3)
    file.tidy()

    [backup] = [each for each in tmp_path.iterdir() if each.name != "e.log"]
    assert backup.name.endswith(".log.gz")
    assert gzip.decompress(backup.read_bytes()) == LINE * 2
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_file_that_others_moved_is_made_again(tmp_path: Path) -> None:
    file = log_at(tmp_path / "e.log")
    append(file, LINE)
    (tmp_path / "e.log").rename(tmp_path / "moved")

    append(file, LINE)

    assert (tmp_path / "e.log").read_bytes() == (tmp_path / "moved").read_bytes() == LINE


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "e.log")

    with pytest.raises(OSError, match="no regular file"):
        log_at(tmp_path / "e.log").append(LINE)


def test_folder_that_cannot_be_made_is_an_error_and_later_no_longer(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    file = log_at(tmp_path / "a" / "e.log")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        file.append(LINE)
    (tmp_path / "a").unlink()

    append(file, LINE)

    assert (tmp_path / "a" / "e.log").read_bytes() == LINE


class FullDisk(LogFile):
    """A disk that takes some octets and then no more."""

    room = 1 << 30

    def _put(self, octets: memoryview) -> int:
        taken = min(len(octets), self.room)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= taken
        return super()._put(octets[:taken])


def test_full_disk_has_whole_lines_and_each_of_them_once(tmp_path: Path) -> None:
    file = FullDisk(tmp_path / "e.log", Keeping())
    append(file, LINE)
    file.room = 15

    assert file.append(LINE * 3) == len(LINE)
    file.room = 5
    with pytest.raises(OSError, match="No space left"):
        file.append(LINE * 2)
    assert (tmp_path / "e.log").read_bytes() == LINE * 2
    file.room = 1 << 20
    append(file, LINE * 2)

    assert (tmp_path / "e.log").read_bytes() == LINE * 4
