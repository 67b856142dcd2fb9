"""The instance locks: one agent per node, since two would give out the same addresses.

And one per network namespace and per BPF root, whatever their state directories: the second of two
would take the maps and routes of the first for its own former ones, and empty them. The kernel
frees a lock when the process ends, however that is. A new agent waits for the old one to finish.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ciliate.errors import CiliateError

#: As long as a terminating agent may take (its pod's grace period), in seconds.
_WAIT_S: Final = 35.0
_RETRY_S: Final = 0.05

#: The agent's own network namespace.
NETWORK_NAMESPACE: Final = Path("/proc/self/ns/net")
_PID_DIGITS_MAX: Final = 10

_log = logging.getLogger(__name__)


class OtherAgentError(CiliateError):
    """Another agent works on this node, or on a part of this machine that is each agent's own."""

    def __init__(self, path: Path, node: str, own: str) -> None:
        super().__init__(
            f"the agent of node {node} cannot start: another one holds {path} for {_WAIT_S:.0f} s:"
            f" stop it, or give this one {own} of its own"
        )


class StateDirectoryError(CiliateError):
    """The agent's state directory cannot be written to."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path}: cannot be opened: {error.strerror}: the agent needs a writable directory"
            f" {path.parent} of its own"
        )


@asynccontextmanager
async def instance_lock(state: Path, node: str) -> AsyncIterator[None]:
    """Hold the node's agent lock, in the agent's own directory `state`, which is made.

    Raises:
        StateDirectoryError: The directory cannot be written to.
        OtherAgentError: Another process keeps it.
    """
    path = state / "agent.lock"
    descriptor = _open(path)
    try:
        if not _try(descriptor):
            _log.info(
                "agent %s of this node still runs: waiting %.0f s for its end",
                os.pread(descriptor, _PID_DIGITS_MAX, 0).decode() or "?",
                _WAIT_S,
            )
            await _wait(descriptor, OtherAgentError(path, node, "a node and a --state-dir"))
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def claim(path: Path, node: str, own: str) -> AsyncIterator[None]:
    """Hold alone what `path` leads to, a directory or a namespace, which stays as it is.

    `own` is what another agent would need of its own: "a bpf-root".

    Raises:
        OtherAgentError: Another process keeps it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not _try(descriptor):
            _log.info("another agent holds %s: waiting %.0f s for its end", path, _WAIT_S)
            await _wait(descriptor, OtherAgentError(path, node, own))
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirectoryError(path, error) from error


async def _wait(descriptor: int, failure: OtherAgentError) -> None:
    deadline = asyncio.get_running_loop().time() + _WAIT_S
    while not _try(descriptor):
        if asyncio.get_running_loop().time() > deadline:
            raise failure
        await asyncio.sleep(_RETRY_S)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
