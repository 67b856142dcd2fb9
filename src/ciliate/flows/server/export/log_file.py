"""A flow log's file: what is appended stands there as whole lines, and old files become backups.

A process that is killed while it writes leaves half a line at most. Whoever opens the file next begins
a line of its own behind it. What a full disk took half of is taken back. The file may be moved or removed
by others: then another is made.
"""

import errno
import gzip
import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ciliate.flows.server.export.backups import COMPRESSED, UNFINISHED, backup_name, tidying
from ciliate.flows.server.export.flow_log import Keeping

#: A pipe without a reader is not waited for; it is refused.
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o755
_COPY_BYTES: Final = 1 << 18


class LogFile:
    """A `Sink` that is a file of at most so many octets."""

    def __init__(self, path: Path, keeping: Keeping) -> None:
        self._path = path
        self._keeping = keeping
        self._file = -1
        self._size = 0
        #: Others may have left backups: the first look is at the beginning.
        self.is_untidy = True

    def append(self, lines: bytes) -> int:
        """Write what has room; see `Sink`."""
        self._open()
        try:
            room = self._keeping.size_bytes - self._size
            count = lines.rfind(b"\n", 0, max(room, 0)) + 1
            if not count and self._size:
                self._begin_anew()
                return self.append(lines)
            count = count or lines.index(b"\n") + 1  # Longer than a file: it has one of its own.
            return self._write(lines[:count])
        except OSError:
            self.close()
            raise

    def _open(self) -> None:
        """Have the file open, and begin a line."""
        if self._file >= 0 and self._is_in_place():
            return
        self.close()
        _make_folders(self._path.parent)
        self._file = os.open(self._path, _FLAGS, _FILE_MODE)
        try:
            self._size = _regular_size(self._file)
            if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
                self._write(b"\n")
        except OSError:
            self.close()
            raise

    def _is_in_place(self) -> bool:
        """Whether the file that is open is the one that others find."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._file))

    def _write(self, lines: bytes) -> int:
        """Write as many lines as there is room for; return their octets.

        Raises:
            OSError: There is room for none.
        """
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[self._put(rest) :]
        except OSError:
            whole = lines.rfind(b"\n", 0, len(lines) - len(rest)) + 1
            try:
                os.ftruncate(self._file, self._size + whole)
            except OSError:
                self.close()  # It is looked at anew: what follows begins a line of its own.
            if not whole:
                raise
            lines = lines[:whole]
        self._size += len(lines)
        return len(lines)

    def _put(self, octets: memoryview) -> int:
        return os.write(self._file, octets)

    def _begin_anew(self) -> None:
        """Make the file a backup."""
        name = self._path.name
        backup = backup_name(name, datetime.now(UTC), os.listdir(self._path.parent))
        self._path.rename(self._path.parent / backup)
        self.is_untidy = True

    def tidy(self) -> None:
        """Remove backups that are too many, and compress others; see `Sink`."""
        self.is_untidy = False  # What becomes a backup from here on is for the next time.
        folder, keeping = self._path.parent, self._keeping
        try:
            present = os.listdir(folder)
        except FileNotFoundError:
            return
        todo = tidying(
            self._path.name, present, backups=keeping.backups, compress=keeping.compress
        )
        for name in todo.remove:
            (folder / name).unlink(missing_ok=True)
        for name in todo.compress:
            _compress(folder / name)

    def close(self) -> None:
        """See `Sink`."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def _regular_size(file: int) -> int:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file (`stdout` is the agent's log)")
    return found.st_size


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it, passable whatever the process's mask is."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(_FOLDER_MODE)


def _compress(backup: Path) -> None:
    unfinished = Path(f"{backup}{UNFINISHED}")
    try:
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with backup.open("rb") as source, open(file, "wb") as target:
            with gzip.GzipFile(backup.name, "wb", fileobj=target, mtime=0) as packed:
                shutil.copyfileobj(source, packed, _COPY_BYTES)
            target.flush()
            os.fsync(target.fileno())  # Before the other is gone.
        unfinished.rename(f"{backup}{COMPRESSED}")
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    backup.unlink(missing_ok=True)
