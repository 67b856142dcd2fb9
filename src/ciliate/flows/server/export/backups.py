"""Backups of a flow log: what they are called, and which of them stay. Pure.

A file `events.log` that is full becomes `events-2026-01-02T15-04-05.678.log`, in UTC, and when it is
compressed `events-2026-01-02T15-04-05.678.log.gz`: the names that Hubble's own flow logs have.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

COMPRESSED: Final = ".gz"
#: Of a file that is being compressed: one that is there when nobody compresses is half of one.
UNFINISHED: Final = ".gz.unfinished"

_MILLISECOND: Final = timedelta(milliseconds=1)
_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}"
_READ: Final = "%Y-%m-%dT%H-%M-%S.%f"


@dataclass(frozen=True, slots=True)
class Tidying:
    """Names of a folder: what is removed, and then what is compressed."""

    remove: tuple[str, ...]
    compress: tuple[str, ...]


def backup_name(name: str, at: datetime, present: Collection[str]) -> str:
    """Return what the file `name` becomes: of its backups the last, even where the clock went back."""
    newest = max((moment for moment, _ in _found(name, present)), default="")
    stem, ending = _parts(name)
    if newest and _text(at) <= newest:
        at = datetime.strptime(newest, _READ).replace(tzinfo=at.tzinfo) + _MILLISECOND
    return f"{stem}-{_text(at)}{ending}"


def tidying(name: str, present: Collection[str], *, backups: int, compress: bool) -> Tidying:
    """Return what is done so that of `name` at most so many backups are there."""
    found = _found(name, present)
    moments = sorted({moment for moment, _ in found}, reverse=True)
    kept = set(moments[:backups])
    remove, unpacked = [], []
    for moment, backup in found:
        is_double = f"{backup}{COMPRESSED}" in present  # It was ended after it was compressed.
        if moment not in kept or backup.endswith(UNFINISHED) or is_double:
            remove.append(backup)
        elif compress and not backup.endswith(COMPRESSED):
            unpacked.append(backup)
    return Tidying(tuple(sorted(remove)), tuple(sorted(unpacked)))


def _found(name: str, present: Collection[str]) -> list[tuple[str, str]]:
    """Return the moments of backups and their names."""
    pattern = _pattern(name)
    return [(match[1], match[0]) for each in present if (match := pattern.fullmatch(each))]


@cache
def _pattern(name: str) -> re.Pattern[str]:
    stem, ending = map(re.escape, _parts(name))
    endings = f"(?:{re.escape(COMPRESSED)}|{re.escape(UNFINISHED)})?"
    return re.compile(f"{stem}-({_MOMENT}){ending}{endings}", re.ASCII)


def _parts(name: str) -> tuple[str, str]:
    """Return the name without its ending, and the ending with its dot."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if dot else (name, "")


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H-%M-%S}.{at.microsecond // 1000:03}"
