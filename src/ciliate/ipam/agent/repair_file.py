"""The record of repairs on this node: JSON lines in the agent's state directory, newest last.

A line is on disk before its address is freed, so that every repair can be undone. Undoing adds a
line as well; the file is never edited, only its oldest half removed when it has grown long.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from ciliate.api.ipam_audit import RepairRecord
from ciliate.errors import CiliateError
from ciliate.system.atomic_file import replace_file

#: Beyond this the oldest half is forgotten: some 2 MiB.
LINES_MAX: Final = 4096


class RepairFileError(CiliateError):
    """The record cannot be kept or read; nothing was repaired."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}: nothing was repaired, since it could not be undone")


class RepairFile:
    """The records at `path`; blocking, and small."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[RepairRecord, ...]:
        """Return every record in its latest state, oldest first.

        Raises:
            RepairFileError: The file cannot be read.
        """
        latest: dict[tuple[str, str], RepairRecord] = {}
        for line in self._lines():
            try:
                record = msgspec.json.decode(line, type=RepairRecord)
            except msgspec.MsgspecError:
                continue  # A line cut off by a full disk.
            latest[record.id, record.address] = record
        return tuple(latest.values())

    def append(self, records: Iterable[RepairRecord]) -> None:
        """Add records; they are on disk when this returns.

        Raises:
            RepairFileError: They are not.
        """
        text = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        lines = self._lines()
        try:
            if len(lines) > LINES_MAX:
                self._cut(lines)
            if lines and not lines[-1].endswith(b"\n"):
                text = b"\n" + text
            with open(self._path, "ab", opener=_open_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RepairFileError(self._path, f"cannot be written: {error}") from error

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RepairFileError(self._path, f"cannot be read: {error}") from error

    def _cut(self, lines: list[bytes]) -> None:
        kept = b"".join(lines[-LINES_MAX // 2 :])
        replace_file(self._path, kept, mode=0o600, durable=True)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
