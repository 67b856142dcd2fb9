"""The delete queue: DELs that came while the agent was away.

The plugin writes an entry under a shared lock, after a last check for the socket. A starting agent
holds the lock alone from before it reads the queue until its socket listens: each DEL either
finds the socket or is in the queue before it is read.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.frame import FRAME_BYTES_MAX, Frame, parse_frame
from ciliate.cni.request import Del, parse_request, requested_version
from ciliate.cni.request_log import RequestLog
from ciliate.cni.result import render_error
from ciliate.errors import CiliateError
from ciliate.system.regular_file import read_regular

#: As many entries as the plugin writes; further files are not ours.
ENTRIES_MAX: Final = 256
#: Plugins hold the lock for a moment each.
LOCK_WAIT_S: Final = 10.0

#: How long a start may drain: with a delegated IPAM plugin each DEL waits for that plugin.
DRAIN_WAIT_S: Final = 60.0

_SUFFIX: Final = ".delete"
_LOCK_RETRY_S: Final = 0.01
_LOCK_NAME: Final = "lockfile"
_DRAFT_PREFIX: Final = ".draft-"  # As the plugin names them.

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What was found: deletions done, entries that failed and stay, entries not readable."""

    deleted: int
    kept: int
    unreadable: int


async def drain_delete_queue(
    directory: str,
    delete: Callable[[Del], Awaitable[None]],
    *,
    start: Callable[[], Awaitable[None]],
    requests: RequestLog | None = None,
) -> DrainReport:
    """Perform every queued deletion, then await `start`, which makes the socket listen.

    Each has its line in `requests`, as one that came by the socket.

    An entry whose deletion fails, or whose turn does not come within DRAIN_WAIT_S, stays for the
    next start; one that is no request is deleted. Without the lock after LOCK_WAIT_S it goes on,
    with a warning; so it does where the directory cannot be used (no space or descriptor left).
    """
    try:
        lock = _open_lock(directory)
    except OSError as error:
        _log.error("delete queue %s cannot be used, its deletions wait: %s", directory, error)
        await start()
        return DrainReport(deleted=0, kept=0, unreadable=0)
    try:
        if await _lock_alone(lock):
            _remove_drafts(directory)
        else:
            _log.warning(
                "delete queue %s stays locked by others: a deletion may be missed", directory
            )
        report = await _drain(directory, delete, requests or RequestLog(None))
        await start()
        return report
    finally:
        os.close(lock)


def _open_lock(directory: str) -> int:
    os.makedirs(directory, mode=0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(os.path.join(directory, _LOCK_NAME), flags, 0o600)


def _remove_drafts(directory: str) -> None:
    """Remove what killed plugins left half written: none writes while the lock is ours alone."""
    for name in _names(directory):
        if name.startswith(_DRAFT_PREFIX):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(directory, name))


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        _log.error("delete queue %s cannot be read, its deletions wait: %s", directory, error)
        return []


async def _lock_alone(lock: int) -> bool:
    deadline = asyncio.get_running_loop().time() + LOCK_WAIT_S
    while asyncio.get_running_loop().time() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_LOCK_RETRY_S)
        else:
            return True
    return False


async def _drain(
    directory: str, delete: Callable[[Del], Awaitable[None]], requests: RequestLog
) -> DrainReport:
    names = [name for name in _names(directory) if name.endswith(_SUFFIX)]
    deleted = kept = unreadable = 0
    deadline = asyncio.get_running_loop().time() + DRAIN_WAIT_S
    for place, name in enumerate(names[:ENTRIES_MAX]):
        path = os.path.join(directory, name)
        if asyncio.get_running_loop().time() > deadline:
            left = min(len(names), ENTRIES_MAX) - place
            _log.warning("delete queue %s: %d entries stay for the next start", directory, left)
            kept += left
            break
        try:
            entry = _read_entry(path)
        except CniError as error:
            _log.warning("delete queue entry %s is dropped: %s", ascii(path), error)
            unreadable += 1
        else:
            if not await _is_deleted(entry, delete, requests, deadline=deadline):
                kept += 1
                continue
            deleted += 1
        with contextlib.suppress(OSError):  # One that stays is done again: DEL may be repeated.
            os.unlink(path)
    return DrainReport(deleted=deleted, kept=kept, unreadable=unreadable)


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    queued: datetime
    frame: Frame
    request: Del


async def _is_deleted(
    entry: _Entry,
    delete: Callable[[Del], Awaitable[None]],
    requests: RequestLog,
    *,
    deadline: float,
) -> bool:
    """Perform a deletion by `deadline`, of the loop's clock, and log it; whether it succeeded."""
    begun = time.monotonic()
    failure = await _failure(entry, delete, deadline)
    answer = b""
    if failure is not None:
        answer = render_error(failure, requested_version(entry.frame.stdin))
    requests.write(
        entry.frame,
        duration_s=time.monotonic() - begun,
        exit_code=0 if failure is None else 1,
        answer=answer,
        queued=entry.queued,
    )
    return failure is None


async def _failure(
    entry: _Entry, delete: Callable[[Del], Awaitable[None]], deadline: float
) -> CniError | None:
    path = ascii(entry.path)
    try:
        async with asyncio.timeout_at(deadline):
            await delete(entry.request)
    except CniError as error:
        failure = error
    except CiliateError as error:
        failure = CniError(CniCode.TRY_AGAIN_LATER, str(error))
    except TimeoutError:
        failure = CniError(
            CniCode.TRY_AGAIN_LATER,
            f"the agent did not finish all queued deletions within {DRAIN_WAIT_S:g} s",
        )
    except Exception as bug:  # noqa: BLE001 - one entry must not end each start of the agent.
        _log.exception("delete queue entry %s stays, by a bug", path)
        return CniError(CniCode.INTERNAL, f"a bug of the agent's: {type(bug).__name__}")
    else:
        return None
    _log.warning("delete queue entry %s stays: %s", path, failure)
    return failure


def _read_entry(path: str) -> _Entry:
    try:
        octets = read_regular(path, FRAME_BYTES_MAX + 1)
        queued = datetime.fromtimestamp(os.stat(path).st_mtime, UTC)
    except OSError as error:
        raise CniError(CniCode.IO_FAILURE, f"cannot be read: {error.strerror}") from error
    frame = parse_frame(octets)
    request = parse_request(frame.environment, frame.stdin)
    if not isinstance(request, Del):
        raise CniError(CniCode.INVALID_ENVIRONMENT, "holds another request than a DEL")
    return _Entry(path, queued, frame, request)
