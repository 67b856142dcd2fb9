"""The ipcache of an agent as the kernel has it: the pinned map on the agent's node.

Read through the agent's own view of the file system, so that no process has to enter its machine.
"""

import time
from pathlib import Path
from typing import Final

from benchmarks.agent_process import ProcessId

from ciliate.datapath.bpf_map import OpenMap, open_pinned
from ciliate.datapath.layout import IpcacheEntry, PrefixKey
from ciliate.errors import CiliateError
from ciliate.identity.maps import IPCACHE

IpcacheMap = OpenMap[PrefixKey, IpcacheEntry]

#: Longest wait without any progress, in seconds; and between polls.
_LEARN_TIMEOUT_S: Final = 60.0
_POLL_EVERY_S: Final = 0.25


class PodsUnknownError(CiliateError):
    """The agent's map does not show what the cluster has."""

    def __init__(self, *, known: int, wanted: int) -> None:
        super().__init__(f"ipcache has {known} of {wanted} entries, since {_LEARN_TIMEOUT_S:g} s")


def open_ipcache(process: ProcessId) -> IpcacheMap:
    """Open the map that the agent `process` keeps, for reading.

    Raises:
        DatapathError: It has none, or one of another layout.
    """
    return open_pinned(Path(f"/proc/{process}/root/sys/fs/bpf"), IPCACHE)


def await_entries(ipcache: IpcacheMap, wanted: int) -> None:
    """Wait until the map has `wanted` entries.

    Raises:
        PodsUnknownError: For a minute it got no more.
    """
    most = -1
    deadline = 0.0
    while (known := ipcache.count()) < wanted:
        now = time.monotonic()
        if known > most:
            most, deadline = known, now + _LEARN_TIMEOUT_S
        if now > deadline:
            raise PodsUnknownError(known=known, wanted=wanted)
        time.sleep(_POLL_EVERY_S)
