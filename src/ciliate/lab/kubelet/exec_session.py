"""One `kubectl exec`: the client's channels on one side, a process on the other.

What carries the channels, a WebSocket or SPDY, is `remote_command`'s to know. By channel 255 the
client closes another one, so that `kubectl exec -i` can tell the command that its input has ended.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from ciliate.lab.errors import SpawnError, ZygoteGoneError
from ciliate.lab.kubelet.descriptor_io import read_some, write_all
from ciliate.lab.kubelet.terminal import set_size

#: After the command's end its children may hold its output open: how long we go on reading.
_DRAIN_S: Final = 1.0


class StreamChannel(IntEnum):
    """The channels of a session, by their numbers in Kubernetes' WebSocket protocol."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


class RunningCommand(Protocol):
    """A command that runs: `zygote_client.Child`."""

    async def wait(self) -> int:
        """Wait for its end: exit status, or minus the signal that killed it."""

    def kill(self, number: int) -> None:
        """Signal it and its process group."""

    def close(self) -> None:
        """Lose interest in it."""


class Starter(Protocol):
    """What starts commands in a container: `execution.Execution`."""

    def open_terminal(self) -> tuple[int, int]:
        """Make a terminal of the container's; our side, and the command's."""

    async def start(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, tty: bool = False
    ) -> RunningCommand:
        """Start a command. Raises SpawnError or ZygoteGoneError."""


class Peer(Protocol):
    """The client's side: `remote_command` has it as a WebSocket and as SPDY."""

    async def send(self, channel: StreamChannel, data: bytes) -> None:
        """Send one message; ConnectionError: the client is gone."""

    async def receive(self) -> tuple[StreamChannel, bytes] | None:
        """Return the next message, or None when the client has closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsAsked:
    """Which streams the client asks for; with a terminal stderr is part of stdout."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False

    @property
    def channels(self) -> frozenset[StreamChannel]:
        """The channels they come by."""
        asked = {
            StreamChannel.STDIN: self.stdin,
            StreamChannel.STDOUT: self.stdout,
            StreamChannel.STDERR: self.stderr,
            StreamChannel.RESIZE: self.tty,
        }
        return frozenset(channel for channel, is_asked in asked.items() if is_asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest(StreamsAsked):
    """What a client of exec asks for."""

    command: tuple[str, ...]


def exit_status(code: int) -> bytes:
    """Return the Status that tells the client how the command ended; minus a signal is 128 + n."""
    shown = 128 - code if code < 0 else code
    if shown == 0:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    document = {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {shown}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(shown)}]},
    }
    return json.dumps(document).encode()


def failure_status(message: str) -> bytes:
    """Return the Status that tells the client that the command was not run."""
    document = {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "code": 500,
    }
    return json.dumps(document).encode()


async def run_session(execution: Starter, wanted: ExecRequest, peer: Peer) -> None:
    """Run the command and carry its streams until it ends or the client leaves."""
    streams = _Terminal(execution) if wanted.tty else _Pipes(wanted)
    try:
        child = await streams.start(execution, wanted.command)
    except (SpawnError, ZygoteGoneError) as error:
        streams.close()
        with contextlib.suppress(ConnectionError):
            await _tell_not_run(error, wanted, peer)
        return
    try:
        # Tells the client that the connection stands, as kubelets do.
        with contextlib.suppress(ConnectionError):
            await peer.send(StreamChannel.STDOUT, b"")
        await _carry(streams, child, peer)
    finally:
        streams.close()
        child.close()


async def _tell_not_run(
    error: SpawnError | ZygoteGoneError, wanted: ExecRequest, peer: Peer
) -> None:
    if not isinstance(error, SpawnError):
        await peer.send(StreamChannel.ERROR, failure_status(str(error)))
        return
    # What containerd and runc say. kubectl exits with the Status' code, 126 or 127, and shows its
    # message to nobody: hence the line before.
    command = error.argv[0] if error.argv else ""
    document = json.loads(exit_status(error.code))
    document["message"] = (
        f'failed to exec in container: unable to start container process: exec: "{command}": '
        f"{error.problem}"
    )
    shown, end = (StreamChannel.STDOUT, "\r\n") if wanted.tty else (StreamChannel.STDERR, "\n")
    await peer.send(shown, f"{document['message']}{end}".encode())
    await peer.send(StreamChannel.ERROR, json.dumps(document).encode())


async def _carry(streams: "_Streams", child: RunningCommand, peer: Peer) -> None:
    """Move data both ways; the first of command's end and client's leaving ends it."""
    outputs = [
        asyncio.ensure_future(_pump(descriptor, channel, peer))
        for descriptor, channel in streams.outputs()
    ]
    inputs = asyncio.ensure_future(_feed(streams, peer))
    ended = asyncio.ensure_future(child.wait())
    try:
        await asyncio.wait({inputs, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            child.kill(signal.SIGHUP)
            child.kill(signal.SIGTERM)
            return
        if outputs:
            await asyncio.wait(outputs, timeout=_DRAIN_S)
        with contextlib.suppress(ConnectionError):
            await peer.send(StreamChannel.ERROR, _end_of(ended))
    finally:
        for task in (*outputs, inputs, ended):
            task.cancel()
        await asyncio.gather(*outputs, inputs, ended, return_exceptions=True)


def _end_of(ended: "asyncio.Future[int]") -> bytes:
    try:
        return exit_status(ended.result())
    except ZygoteGoneError as error:
        return failure_status(str(error))


async def _pump(descriptor: int, channel: StreamChannel, peer: Peer) -> None:
    """Send what the command prints until no process has the other end open."""
    while data := await read_some(descriptor):
        try:
            await peer.send(channel, data)
        except ConnectionError:
            return


async def _feed(streams: "_Streams", peer: Peer) -> None:
    """Pass on what the client sends; back when it has left."""
    while (message := await peer.receive()) is not None:
        channel, data = message
        if channel is StreamChannel.STDIN:
            await streams.write(data)
        elif channel is StreamChannel.RESIZE:
            streams.resize(data)
        elif channel is StreamChannel.CLOSE and data[:1] == bytes([StreamChannel.STDIN]):
            streams.end_input()


class _Streams(Protocol):
    """The descriptors of one command."""

    async def start(self, execution: Starter, command: Sequence[str]) -> RunningCommand: ...
    def outputs(self) -> list[tuple[int, StreamChannel]]: ...
    async def write(self, data: bytes) -> None: ...
    def end_input(self) -> None: ...
    def resize(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class _Pipes:
    """Three pipes, or what of them the client asked for."""

    def __init__(self, wanted: ExecRequest) -> None:
        self._nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._input: int | None = None
        self._theirs = [self._nothing] * 3
        self._outputs: list[tuple[int, StreamChannel]] = []
        if wanted.stdin:
            self._theirs[0], self._input = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._input, False)
        for channel, asked in (
            (StreamChannel.STDOUT, wanted.stdout),
            (StreamChannel.STDERR, wanted.stderr),
        ):
            if asked:
                ours, self._theirs[channel] = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(ours, False)
                self._outputs.append((ours, channel))

    async def start(self, execution: Starter, command: Sequence[str]) -> RunningCommand:
        stdin, stdout, stderr = self._theirs
        try:
            return await execution.start(command, stdin=stdin, stdout=stdout, stderr=stderr)
        finally:
            for descriptor in {*self._theirs, self._nothing}:
                os.close(descriptor)

    def outputs(self) -> list[tuple[int, StreamChannel]]:
        return self._outputs

    async def write(self, data: bytes) -> None:
        if self._input is not None and not await write_all(self._input, data):
            self.end_input()

    def end_input(self) -> None:
        if self._input is not None:
            os.close(self._input)
            self._input = None

    def resize(self, data: bytes) -> None:
        del data  # There is no terminal.

    def close(self) -> None:
        self.end_input()
        for descriptor, _ in self._outputs:
            os.close(descriptor)
        self._outputs = []


class _Terminal:
    """A pseudo-terminal: one stream both ways, with a size."""

    def __init__(self, execution: Starter) -> None:
        self._ours, self._theirs = execution.open_terminal()
        os.set_blocking(self._ours, False)

    async def start(self, execution: Starter, command: Sequence[str]) -> RunningCommand:
        try:
            return await execution.start(
                command, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, tty=True
            )
        finally:
            os.close(self._theirs)

    def outputs(self) -> list[tuple[int, StreamChannel]]:
        return [(self._ours, StreamChannel.STDOUT)]

    async def write(self, data: bytes) -> None:
        await write_all(self._ours, data)

    def end_input(self) -> None:
        """A terminal has no end of input of its own; Ctrl-D comes as data."""

    def resize(self, data: bytes) -> None:
        set_size(self._ours, data)

    def close(self) -> None:
        os.close(self._ours)
