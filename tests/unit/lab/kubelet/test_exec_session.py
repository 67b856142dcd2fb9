import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from ciliate.lab.errors import SpawnError
from ciliate.lab.kubelet.exec_session import (
    ExecRequest,
    RunningCommand,
    StreamChannel,
    exit_status,
    run_session,
)


class LocalCommand:
    """A command of this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    async def wait(self) -> int:
        return await asyncio.to_thread(self.process.wait)

    def kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # An earlier signal ended it.
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        """There is nothing to let go of."""


def _popen(
    command: Sequence[str], stdin: int, stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command), stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    )


class LocalStarter:
    """Starts commands on this machine, in place of a container."""

    def __init__(self) -> None:
        self.started: LocalCommand | None = None

    def open_terminal(self) -> tuple[int, int]:
        return os.openpty()

    async def start(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, tty: bool = False
    ) -> RunningCommand:
        del tty
        try:
            process = _popen(command, stdin, stdout, stderr)
        except FileNotFoundError as error:
            problem = "no such command on its PATH"
            raise SpawnError(argv=list(command), problem=problem, code=127) from error
        self.started = LocalCommand(process)
        return self.started


class Client:
    """A client that has prepared what it sends, and leaves when the test says so."""

    def __init__(self, *messages: tuple[StreamChannel, bytes]) -> None:
        self.received: dict[StreamChannel, bytes] = {}
        self.messages: asyncio.Queue[tuple[StreamChannel, bytes] | None] = asyncio.Queue()
        self.heard = asyncio.Event()
        for message in messages:
            self.messages.put_nowait(message)

    async def send(self, channel: StreamChannel, data: bytes) -> None:
        self.received[channel] = self.received.get(channel, b"") + data
        if data:
            self.heard.set()

    async def receive(self) -> tuple[StreamChannel, bytes] | None:
        return await self.messages.get()

    def leave(self) -> None:
        self.messages.put_nowait(None)

    @property
    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.received[StreamChannel.ERROR])
        return document


async def session(client: Client, *command: str, **wanted: bool) -> LocalStarter:
    starter = LocalStarter()
    async with asyncio.timeout(20):
        await run_session(starter, ExecRequest(command=command, **wanted), client)
    return starter


async def test_output_comes_on_its_channels_and_the_end_as_a_status() -> None:
    client = Client()

    await session(client, "sh", "-c", "echo out; echo err >&2; exit 3")

    assert client.received[StreamChannel.STDOUT] == b"out\n"
    assert client.received[StreamChannel.STDERR] == b"err\n"
    assert client.status["reason"] == "NonZeroExitCode"
    assert client.status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_success_is_a_success() -> None:
    client = Client()

    await session(client, "true")

    assert client.status == {"metadata": {}, "status": "Success"}


async def test_closed_input_ends_a_reader() -> None:
    """Version 5 of the protocol: channel 255 closes channel 0."""
    client = Client(
        (StreamChannel.STDIN, b"a" * 300_000), (StreamChannel.CLOSE, bytes([StreamChannel.STDIN]))
    )

    await session(client, "wc", "-c", stdin=True)

    assert client.received[StreamChannel.STDOUT].strip() == b"300000"


async def test_large_output_arrives_whole() -> None:
    client = Client()

    await session(client, "head", "-c", "3000000", "/dev/zero")

    assert len(client.received[StreamChannel.STDOUT]) == 3_000_000


async def test_command_ends_when_its_client_leaves() -> None:
    client = Client()
    client.leave()

    starter = await session(client, "sleep", "1000")

    assert starter.started is not None
    assert await starter.started.wait() in (-signal.SIGHUP, -signal.SIGTERM)
    assert StreamChannel.ERROR not in client.received


async def test_unknown_command_is_reported_with_shells_code() -> None:
    client = Client()

    await session(client, "no-such-command-here")

    assert client.status["details"]["causes"] == [{"reason": "ExitCode", "message": "127"}]
    assert "no-such-command-here" in client.status["message"]
    # kubectl shows no message beside an exit code.
    assert b'exec: "no-such-command-here": no such' in client.received[StreamChannel.STDERR]


async def test_terminal_has_the_clients_size() -> None:
    client = Client(
        (StreamChannel.RESIZE, b'{"Width":101,"Height":37}'), (StreamChannel.STDIN, b"\n")
    )

    await session(client, "sh", "-c", "read line; stty size", stdin=True, tty=True)

    assert b"37 101" in client.received[StreamChannel.STDOUT]


async def test_nonsense_size_is_ignored() -> None:
    client = Client(
        (StreamChannel.RESIZE, b"{"), (StreamChannel.RESIZE, b"[]"), (StreamChannel.STDIN, b"x\n")
    )

    await session(client, "sh", "-c", "read line; echo got $line", stdin=True, tty=True)

    assert b"got x" in client.received[StreamChannel.STDOUT]


async def test_child_that_holds_the_output_does_not_hold_the_client() -> None:
    client = Client()

    starter = await session(client, "sh", "-c", "sleep 1000 & echo done")

    assert client.received[StreamChannel.STDOUT] == b"done\n"
    assert client.status["status"] == "Success"
    assert starter.started is not None
    starter.started.kill(signal.SIGKILL)


def test_signal_shows_as_shells_show_it() -> None:
    document = json.loads(exit_status(-signal.SIGKILL))

    assert document["details"]["causes"][0]["message"] == "137"
