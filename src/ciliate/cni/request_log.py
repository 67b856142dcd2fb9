"""The log of CNI requests, `cni-log-file`: one line for each, whoever asked.

Cilium's plugin writes such a file itself. Ours is a thin program that may not spend the time, and
the agent knows more: what came of a request, and how long it took. A line is logfmt, as Cilium's:

    time=2026-01-02T03:04:05.678Z verb=ADD container=3f… ifname=eth0 pod=default/web duration=1.4ms
    time=… verb=ADD container=3f… … duration=20003.1ms code=11 error="no address is free …"
    time=… verb=DEL container=3f… … queued=2026-01-02T03:01:12.345Z duration=0.4ms

The last came while the agent was away, and waited for it since the time after `queued`.

The log never fails a request: what cannot be written is told once in the agent's own log.
"""

import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from ciliate.cni.frame import Frame

#: Some 40,000 requests a file; Cilium keeps seven compressed files of 100 MB.
FILE_BYTES_MAX: Final = 10 * 1024 * 1024
FILES_KEPT: Final = 3
#: Of a field; a runtime may send a megabyte.
FIELD_CHARACTERS_MAX: Final = 512

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@+-]+")
_ARGUMENT: Final = "K8S_POD_%s="

_log = logging.getLogger(__name__)


def describe(
    frame: Frame,
    *,
    at: datetime,
    duration_s: float,
    exit_code: int,
    answer: bytes,
    queued: datetime | None = None,
) -> str:
    """Return the line of a request and its answer, without line end."""
    fields: dict[str, str] = {
        "time": _time(at),
        "verb": frame.environment.get("CNI_COMMAND", ""),
        "container": frame.environment.get("CNI_CONTAINERID", ""),
        "ifname": frame.environment.get("CNI_IFNAME", ""),
        "pod": _pod(frame.environment.get("CNI_ARGS", "")),
        "queued": _time(queued) if queued is not None else "",
        "duration": f"{duration_s * 1000:.1f}ms",
    }
    if exit_code:
        fields |= _failure(answer)
    return " ".join(f"{name}={_text(value)}" for name, value in fields.items() if value)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pod(arguments: str) -> str:
    pairs = arguments.split(";")
    found = [
        pair.removeprefix(prefix)
        for prefix in (_ARGUMENT % "NAMESPACE", _ARGUMENT % "NAME")
        for pair in pairs
        if pair.startswith(prefix)
    ]
    return "/".join(found[:2])


def _failure(answer: bytes) -> Iterator[tuple[str, str]]:
    error: dict[str, Any] = {}
    with suppress(ValueError):
        error = json.loads(answer)
    details = error.get("details")
    yield "code", str(error.get("code", ""))
    yield "error", f"{error.get('msg', '')}{f': {details}' if details else ''}"


def _text(value: str) -> str:
    """Return a value on one line of ASCII: some are a runtime's octets."""
    cut = value[:FIELD_CHARACTERS_MAX]
    return cut if _PLAIN.fullmatch(cut) else json.dumps(cut)


class RequestLog:
    """The file of one agent, bounded; with an empty path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._handler: _File | None = None
        self._told = ""

    def write(
        self,
        frame: Frame,
        *,
        duration_s: float,
        exit_code: int,
        answer: bytes,
        queued: datetime | None = None,
    ) -> None:
        """Add a request's line; `queued`: since when it waited for the agent."""
        if self._path is None:
            return
        line = describe(
            frame,
            at=datetime.now(UTC),
            duration_s=duration_s,
            exit_code=exit_code,
            answer=answer,
            queued=queued,
        )
        try:
            if self._handler is None:
                self._handler = _open(self._path)
            self._handler.emit(logging.makeLogRecord({"msg": line}))
        except OSError as error:
            self._tell(f"{self._path}: {error.strerror or error}")
        else:
            self._told = ""

    def close(self) -> None:
        """Close the file; a later request opens it anew."""
        handler, self._handler = self._handler, None
        if handler is not None:
            with suppress(OSError):  # What could not be written is tried once more, in vain.
                handler.close()

    def _tell(self, problem: str) -> None:
        self.close()
        if problem != self._told:
            _log.warning("cni-log-file: %s: requests go unlogged meanwhile", problem)
        self._told = problem


class _File(RotatingFileHandler):
    """Root's alone; raises what it meets, where the library would print it."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="ascii", opener=_open_for_root)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name.
        del record
        raise  # noqa: PLE0704 - called inside of the handler's own `except`.


def _open_for_root(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _open(path: Path) -> _File:
    with suppress(FileNotFoundError):
        if stat.S_ISFIFO(path.stat().st_mode):
            raise OSError("is a FIFO, and opening it would wait for a reader: name a file")
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return _File(path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="ascii")
