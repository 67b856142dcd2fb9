"""A command run inside a container that exists: `kubectl exec` and exec probes."""

import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.lab.container.spec import Privileges, RunningProcess
from ciliate.lab.kubelet.images import program_of
from ciliate.lab.spawn import SpawnRequest
from ciliate.lab.zygote_client import Child, ZygoteClient

#: ioctl_tty(2): unlock the other side, and open it without its path. The same on x86 and arm64.
_TIOCSPTLCK: Final = 0x40045431
_TIOCGPTPEER: Final = 0x5441


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

    async def succeeds(self, command: Sequence[str]) -> bool:
        """Run `command` without input or output; whether it exits with 0."""
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            child = await self.start(command, stdin=nothing, stdout=nothing, stderr=nothing)
        finally:
            os.close(nothing)
        return await child.wait() == 0
