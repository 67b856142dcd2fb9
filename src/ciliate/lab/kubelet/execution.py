"""A command run inside a container that exists: `kubectl exec` and exec probes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ciliate.lab.kubelet.container import ContainerPlace
from ciliate.lab.kubelet.images import program_of
from ciliate.lab.spawn import SpawnRequest
from ciliate.lab.zygote_client import Child, ZygoteClient


@dataclass(frozen=True, slots=True)
class Execution:
    """Starts commands where a container runs."""

    zygote: ZygoteClient
    place: ContainerPlace
    environment: Mapping[str, str]

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
            pins=str(self.place.pins),
            cgroup=self.place.cgroup,
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
