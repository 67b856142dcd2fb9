"""Every change the server acknowledged, on disk: a log of object versions in SQLite.

One row is one version of one object; the newest row of a key is the object, older ones are kept
as long as the history of its resource may need them (watches that resume after a restart). The
store decides what is kept and calls `commit` with a batch of changes before it acknowledges any
of them.

WAL with synchronous=NORMAL: a commit is a write(2) into the page cache, which survives the death
of the process (kill -9) but not that of the machine; only checkpoints call fsync, so a machine
that dies loses at most the latest commits and never the file's integrity. Commits run on the
event loop's thread: sqlite3 lets go of the interpreter lock at each step, and a second thread
would have to win it back from a busy loop row by row, up to 5 ms each. Checkpoints, which do wait
for the disk, are one call and run in a thread over a connection of their own.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.apiserver.errors import StoreError

#: Of the file's layout; a file of another one is refused.
_LAYOUT: Final = 1

_SCHEMA: Final = """
CREATE TABLE versions (
    revision INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    object BLOB NOT NULL
) STRICT;
CREATE TABLE floors (resource TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Version:
    """One row: an object as it was at `revision`; for a deletion, its last state."""

    revision: int
    resource: str
    namespace: str
    name: str
    deleted: bool
    raw: bytes


class Journal:
    """The open SQLite file; the only writer of it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            StoreError: It cannot be opened, is no such file, or has another layout.
        """
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._configure(self._connection)
            self._prepare()
        except sqlite3.Error as error:
            raise StoreError(str(path), str(error)) from error
        #: Octets written since the last checkpoint: the store asks for one when it is due.
        self.uncheckpointed_bytes = 0

    @staticmethod
    def _configure(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        # `checkpoint` does it instead, off the event loop.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA busy_timeout=2000")

    def _prepare(self) -> None:
        (layout,) = self._connection.execute("PRAGMA user_version").fetchone()
        if layout == 0:
            self._connection.executescript(f"{_SCHEMA}PRAGMA user_version={_LAYOUT};")
        elif layout != _LAYOUT:
            raise StoreError(
                str(self._path), f"has layout {layout}, this program writes {_LAYOUT}"
            )

    def versions(self) -> Iterator[Version]:
        """Every version kept, oldest first."""
        query = (
            "SELECT revision, resource, namespace, name, deleted, object FROM versions "
            "ORDER BY revision"
        )
        try:
            for revision, resource, namespace, name, deleted, raw in self._connection.execute(
                query
            ):
                yield Version(revision, resource, namespace, name, bool(deleted), raw)
        except sqlite3.Error as error:
            raise StoreError(str(self._path), str(error)) from error

    def floors(self) -> dict[str, int]:
        """Return the newest revision whose event each resource's history has dropped."""
        rows = self._connection.execute("SELECT resource, revision FROM floors")
        return dict(rows.fetchall())

    def commit(
        self, versions: Sequence[Version], obsolete: Sequence[int], floors: Mapping[str, int]
    ) -> None:
        """Write new versions, forget obsolete ones and note the floors, as one transaction.

        Raises:
            StoreError: Nothing of the batch is on disk.
        """
        rows = [(v.revision, v.resource, v.namespace, v.name, v.deleted, v.raw) for v in versions]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)", rows)
            if obsolete:
                self._connection.executemany(
                    "DELETE FROM versions WHERE revision = ?", [(r,) for r in obsolete]
                )
            if floors:
                self._connection.executemany(
                    "INSERT INTO floors VALUES (?, ?) "
                    "ON CONFLICT (resource) DO UPDATE SET revision = excluded.revision",
                    list(floors.items()),
                )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(str(self._path), str(error)) from error
        self.uncheckpointed_bytes += sum(len(row[5]) for row in rows)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file; may run in any thread, beside `commit`.

        Raises:
            StoreError: The disk refused.
        """
        self.uncheckpointed_bytes = 0
        try:
            connection = sqlite3.connect(self._path, isolation_level=None)
            try:
                connection.execute("PRAGMA busy_timeout=2000")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(str(self._path), str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
