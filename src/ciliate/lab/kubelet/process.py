"""The process of a container: started through the zygote, or found again after a restart.

A restarted kubelet gets no signal when processes end that it had started: it watches them by
pidfd, and asks the pidfd for the exit code (Linux 6.15, PIDFD_GET_INFO with PIDFD_INFO_EXIT).
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
from typing import Final, Protocol

from ciliate.lab.container.running import start_ticks_of

#: What real kubelets report when a container's end was missed (ContainerStatusUnknown).
UNKNOWN_EXIT_CODE: Final = 137

#: _IOWR(0xFF, 11, struct pidfd_info), include/uapi/linux/pidfd.h, in its first version, 64 bytes.
_PIDFD_GET_INFO: Final = 0xC040FF0B
_PIDFD_INFO_EXIT: Final = 1 << 3
_PIDFD_INFO: Final = struct.Struct("QQ" + "I" * 11 + "i")


class Process(Protocol):
    """A container's process."""

    @property
    def pid(self) -> int:
        """Its number, for /proc."""

    async def wait(self) -> int:
        """Wait for its end: exit status, or minus the signal that killed it."""

    def kill(self, number: int, *, group: bool = True) -> None:
        """Signal it, or its process group; one that has ended is a success."""


class AdoptedProcess:
    """A process some earlier life of this kubelet had started."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self._pid = pid
        self._descriptor = descriptor
        self._exit: asyncio.Future[int] | None = None

    @classmethod
    def find(cls, pid: int, start_ticks: int) -> "AdoptedProcess | None":
        """Return the process, unless it is gone or its number belongs to another by now."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        if start_ticks_of(pid) != start_ticks:
            os.close(descriptor)
            return None
        return cls(pid, descriptor)

    @property
    def pid(self) -> int:
        """Its number, for /proc."""
        return self._pid

    async def wait(self) -> int:
        """Wait for its end; the code is UNKNOWN_EXIT_CODE where the kernel does not report it."""
        if self._exit is None:
            loop = asyncio.get_running_loop()
            self._exit = loop.create_future()
            loop.add_reader(self._descriptor, self._ended)
        return await asyncio.shield(self._exit)

    def kill(self, number: int, *, group: bool = True) -> None:
        """Signal it, or its process group, which it leads."""
        with contextlib.suppress(ProcessLookupError):
            # With 0: is it still the process we adopted?
            signal.pidfd_send_signal(self._descriptor, 0 if group else number)
            if group:
                os.killpg(self._pid, number)

    def _ended(self) -> None:
        assert self._exit is not None
        # Readable means ended, but the kernel has the code only once the parent, the zygote,
        # has reaped it.
        code = _exit_code(self._descriptor)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        if code is None:
            loop.call_later(0.1, self._ended_for_good)
        else:
            self._finish(code)

    def _ended_for_good(self) -> None:
        code = _exit_code(self._descriptor)
        self._finish(UNKNOWN_EXIT_CODE if code is None else code)

    def _finish(self, code: int) -> None:
        assert self._exit is not None
        os.close(self._descriptor)
        if not self._exit.done():
            self._exit.set_result(code)


def _exit_code(descriptor: int) -> int | None:
    request = _PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *([0] * 12), 0)
    try:
        answer = fcntl.ioctl(descriptor, _PIDFD_GET_INFO, request)
    except OSError:
        return None  # A kernel before 6.15, or not reaped yet (ESRCH).
    fields = _PIDFD_INFO.unpack(answer)
    if not fields[0] & _PIDFD_INFO_EXIT:
        return None
    return os.waitstatus_to_exitcode(fields[-1])
