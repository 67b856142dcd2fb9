"""A command run inside a container that exists: `kubectl exec`, exec probes and hooks."""

import asyncio
import fcntl
import os
import signal
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.lab.container.spec import Privileges, RunningProcess
from ciliate.lab.kubelet.descriptor_io import read_some
from ciliate.lab.kubelet.images import program_of
from ciliate.lab.spawn import SpawnRequest
from ciliate.lab.zygote_client import Child, ZygoteClient

#: ioctl_tty(2): unlock the other side, and open it without its path. The same on x86 and arm64.
_TIOCSPTLCK: Final = 0x40045431
_TIOCGPTPEER: Final = 0x5441
#: Of a command's output; kubelet keeps as much.
_OUTPUT_BYTES_MAX: Final = 10 * 1024
#: After a command's end, how long the rest of its output is waited for.
_DRAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Execution:
    """Starts commands where a container runs."""

    zygote: ZygoteClient
    cgroup: str
    first: RunningProcess
    environment: Mapping[str, str]
    privileges: Privileges

    def open_terminal(self) -> tuple[int, int]:
        """Make a terminal in the container, which shows it as /dev/pts/N; our side, and its side."""
        try:
            ours = os.open(
                f"/proc/{self.first.pid}/root/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
            )
        except OSError:
            return os.openpty()  # The container has just ended: the command's start will say so.
        try:
            fcntl.ioctl(ours, _TIOCSPTLCK, struct.pack("i", 0))
            flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
            return ours, fcntl.ioctl(ours, _TIOCGPTPEER, flags)
        except BaseException:
            os.close(ours)
            raise

    async def start(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, tty: bool = False
    ) -> Child:
        """Start `command`; the descriptors stay the caller's.

        Raises:
            SpawnError: The command is not there or cannot be run.
            ZygoteGoneError: The zygote does not answer.
        """
        program = program_of(command)
        environment = dict(self.environment)
        if tty:
            environment.setdefault("TERM", "xterm")
        request = SpawnRequest(
            argv=list(program.argv),
            entry=program.entry,
            beside=self.first,
            privileges=self.privileges,
            cgroup=self.cgroup,
            env=environment,
            cwd="/",
            tty=tty,
            title=program.title,
        )
        return await self.zygote.spawn(request, stdin=stdin, stdout=stdout, stderr=stderr)

    async def output_of(self, command: Sequence[str]) -> tuple[int, bytes]:
        """Run `command` to its end: exit status, and the first 10 KiB of what it printed.

        A command whose caller is cancelled is killed.

        Raises:
            SpawnError: The command is not there or cannot be run.
            ZygoteGoneError: The zygote does not answer.
        """
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        kept = bytearray()
        reading = asyncio.ensure_future(_keep(ours, kept))
        child = None
        try:
            child = await self._start_quietly(command, theirs)
            code = await child.wait()
            # A child of it that goes on may keep its output open.
            await asyncio.wait({reading}, timeout=_DRAIN_S)
        except BaseException:
            if child is not None:
                child.kill(signal.SIGKILL)
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            os.close(ours)
            if child is not None:
                child.close()
        return (128 - code if code < 0 else code), bytes(kept)

    async def _start_quietly(self, command: Sequence[str], output: int) -> Child:
        """Start a command without input; `output` is closed here."""
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            return await self.start(command, stdin=nothing, stdout=output, stderr=output)
        finally:
            os.close(nothing)
            os.close(output)


async def _keep(descriptor: int, kept: bytearray) -> None:
    """Read to the end, so that nobody waits to write, and keep the beginning."""
    while data := await read_some(descriptor):
        kept += data[: max(0, _OUTPUT_BYTES_MAX - len(kept))]
