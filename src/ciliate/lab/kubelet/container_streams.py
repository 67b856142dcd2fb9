"""Standard input and output of a container, which outlive the kubelet.

The output is a FIFO, opened for reading and writing: without a reader it does not break (a killed
kubelet must not kill pods), it only fills; the next kubelet reads on. With `stdin: true` the input
is a FIFO held open in the same way, which never ends. With `stdinOnce: true` as well it is a pipe
that ends when the first client has left, or the kubelet has. With `tty: true` both are the two ways
of a terminal (`terminal`).
"""

import asyncio
import contextlib
import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.kubelet.descriptor_io import write_all
from ciliate.lab.kubelet.terminal import RELAY
from ciliate.lab.spawn import ENVIRONMENT, Entry, SpawnRequest
from ciliate.lab.zygote_client import ZygoteClient

#: What waits in a FIFO while no kubelet reads it; beyond it a container's writes block.
_FIFO_BYTES: Final = 1024 * 1024
_F_SETPIPE_SZ: Final = 1031
_OURS: Final = os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsWanted:
    """What a container's manifest says of its standard streams."""

    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class ContainerInput:
    """What clients write to a container's standard input."""

    def __init__(self, descriptor: int, *, once: bool) -> None:
        self._descriptor: int | None = descriptor
        self._once = once
        self._is_over = False
        self._writing = asyncio.Lock()  # Of two clients one waits until the other's piece is in.

    @classmethod
    def adopt(cls, fifo: Path) -> "ContainerInput | None":
        """Return the input of a container of an earlier kubelet, if it has one."""
        try:
            return cls(os.open(input_fifo(fifo), os.O_WRONLY | _OURS), once=False)
        except OSError:
            return None  # It has no such FIFO, or nobody who would read from it.

    async def write(self, data: bytes) -> None:
        """Write for a client, once the container takes it; nothing happens when it cannot."""
        async with self._writing:
            if self._descriptor is not None and not await write_all(self._descriptor, data):
                self._is_over = True
            if self._is_over:
                self._close()

    def leave(self) -> None:
        """Note that a client has no more to say: with `stdinOnce` the input has ended."""
        if self._once:
            self.end()

    def end(self) -> None:
        """Nothing more is written: at once, or when what is being written is in."""
        self._is_over = True
        if not self._writing.locked():
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(slots=True, kw_only=True)
class ContainerStreams:
    """The descriptors of a container that is being started: its own, the relay's and ours."""

    stdin: int
    output: int
    reading: int
    input: ContainerInput | None
    #: The relay's input, output, and the socket by which it gets its side of the terminal.
    relayed: tuple[int, int, int] | None = None

    async def start_relay(self, zygote: ZygoteClient, *, cgroup: str, name: str) -> None:
        """Start the process that keeps the container's terminal, if it has one.

        Raises:
            SpawnError: It cannot be started.
            ZygoteGoneError: The zygote does not answer.
        """
        if self.relayed is None:
            return
        stdin, stdout, console = self.relayed
        request = SpawnRequest(
            argv=[RELAY],
            entry=Entry.CALL,
            cgroup=cgroup,
            env=dict(ENVIRONMENT),
            title=f"terminal of container {name}",
        )
        child = await zygote.spawn(
            request, stdin=stdin, stdout=stdout, stderr=stdout, sockets=(console,)
        )
        child.close()  # It ends by itself.

    def close_theirs(self) -> None:
        """Close what the container and the relay have by now."""
        for descriptor in {self.stdin, self.output, *(self.relayed or ())}:
            os.close(descriptor)

    def abandon(self) -> None:
        """Close ours: the container could not be started."""
        os.close(self.reading)
        if self.input is not None:
            self.input.end()


def input_fifo(output_fifo: Path) -> Path:
    """Where the FIFO of a container's input lies: beside that of its output."""
    return output_fifo.with_name(f"{output_fifo.name}.in")


def make_streams(fifo: Path, wanted: StreamsWanted) -> ContainerStreams:
    """Make what a container is to be started with; its output goes to a FIFO there."""
    fifo.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = _make_fifo(fifo)
    input_fifo(fifo).unlink(missing_ok=True)
    stdin, ours = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), None
    if wanted.stdin:
        os.close(stdin)
        once = wanted.stdin_once and not wanted.tty  # A terminal's input has no end.
        stdin, descriptor = _make_pipe() if once else _make_input_fifo(input_fifo(fifo))
        ours = ContainerInput(descriptor, once=once)
    if not wanted.tty:
        return ContainerStreams(stdin=stdin, output=writing, reading=reading, input=ours)
    # The terminal is the container's own, made when the container is: `SpawnRequest.tty`.
    console, relays = (end.detach() for end in socket.socketpair())
    return ContainerStreams(
        stdin=console,
        output=console,
        reading=reading,
        input=ours,
        relayed=(stdin, writing, relays),
    )


def remove_fifos(fifo: Path) -> None:
    """Remove a container's FIFOs; absent ones are a success."""
    fifo.unlink(missing_ok=True)
    input_fifo(fifo).unlink(missing_ok=True)


def _make_pipe() -> tuple[int, int]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)
    return reading, writing


def _make_input_fifo(path: Path) -> tuple[int, int]:
    """Make a FIFO; both ends in one for the container, its writing end for us."""
    os.mkfifo(path, 0o600)
    both = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return both, os.open(path, os.O_WRONLY | _OURS)


def _make_fifo(path: Path) -> tuple[int, int]:
    """Make a FIFO; its reading end for us, and both ends in one for the container."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    reading = os.open(path, os.O_RDONLY | _OURS)
    writing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    with contextlib.suppress(PermissionError):  # Beyond the user's share of pipe memory.
        fcntl.fcntl(writing, _F_SETPIPE_SZ, _FIFO_BYTES)
    return reading, writing
