import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from ciliate.lab.errors import SpawnError
from ciliate.lab.kubelet.exec_session import (
    Channel,
    Command,
    Wanted,
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

    async def start(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, tty: bool = False
    ) -> Command:
        del tty
        try:
            process = _popen(command, stdin, stdout, stderr)
        except FileNotFoundError as error:
            problem = "no such command on its PATH"
            raise SpawnError(argv=list(command), problem=problem, code=127) from error
        self.started = LocalCommand(process)
        return self.started


class Client:
    """A client that has prepared what it sends, and leaves when told."""

    def __init__(self, *messages: tuple[Channel, bytes]) -> None:
        self.received: dict[Channel, bytes] = {}
        self.messages: asyncio.Queue[tuple[Channel, bytes] | None] = asyncio.Queue()
        self.heard = asyncio.Event()
        for message in messages:
            self.messages.put_nowait(message)

    async def send(self, channel: Channel, data: bytes) -> None:
        self.received[channel] = self.received.get(channel, b"") + data
        if data:
            self.heard.set()

    async def receive(self) -> tuple[Channel, bytes] | None:
        return await self.messages.get()

    def leave(self) -> None:
        self.messages.put_nowait(None)

    @property
    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.received[Channel.ERROR])
        return document


async def session(client: Client, *command: str, **wanted: bool) -> LocalStarter:
    starter = LocalStarter()
    async with asyncio.timeout(20):
        await run_session(starter, Wanted(command=command, **wanted), client)
    return starter


async def test_output_comes_on_its_channels_and_the_end_as_a_status() -> None:
    client = Client()

    await session(client, "sh", "-c", "echo out; echo err >&2; exit 3")

    assert client.received[Channel.STDOUT] == b"out\n"
    assert client.received[Channel.STDERR] == b"err\n"
    assert client.status["reason"] == "NonZeroExitCode"
    assert client.status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_success_is_a_success() -> None:
    client = Client()

    await session(client, "true")

    assert client.status == {"metadata": {}, "status": "Success"}


async def test_closed_input_ends_a_reader() -> None:
    """Version 5 of the protocol: channel 255 closes channel 0."""
    client = Client((Channel.STDIN, b"a" * 300_000), (Channel.CLOSE, bytes([Channel.STDIN])))

    await session(client, "wc", "-c", stdin=True)

    assert client.received[Channel.STDOUT].strip() == b"300000"


async def test_large_output_arrives_whole() -> None:
    client = Client()

    await session(client, "head", "-c", "3000000", "/dev/zero")

    assert len(client.received[Channel.STDOUT]) == 3_000_000


async def test_command_ends_when_its_client_leaves() -> None:
    client = Client()
    client.leave()

    starter = await session(client, "sleep", "1000")

    assert starter.started is not None
    assert await starter.started.wait() in (-signal.SIGHUP, -signal.SIGTERM)
    assert Channel.ERROR not in client.received


async def test_unknown_command_is_told_with_shells_code() -> None:
    client = Client()

    await session(client, "no-such-command-here")

    assert client.status["details"]["causes"] == [{"reason": "ExitCode", "message": "127"}]
    assert "no-such-command-here" in client.status["message"]


async def test_terminal_has_the_clients_size() -> None:
    client = Client((Channel.RESIZE, b'{"Width":101,"Height":37}'), (Channel.STDIN, b"\n"))

    await session(client, "sh", "-c", "read line; stty size", stdin=True, tty=True)

    assert b"37 101" in client.received[Channel.STDOUT]


async def test_nonsense_size_is_ignored() -> None:
    client = Client((Channel.RESIZE, b"{"), (Channel.RESIZE, b"[]"), (Channel.STDIN, b"x\n"))

    await session(client, "sh", "-c", "read line; echo got $line", stdin=True, tty=True)

    assert b"got x" in client.received[Channel.STDOUT]


async def test_child_that_holds_the_output_does_not_hold_the_client() -> None:
    client = Client()

    starter = await session(client, "sh", "-c", "sleep 1000 & echo done")

    assert client.received[Channel.STDOUT] == b"done\n"
    assert client.status["status"] == "Success"
    assert starter.started is not None
    starter.started.kill(signal.SIGKILL)


def test_signal_shows_as_shells_show_it() -> None:
    document = json.loads(exit_status(-signal.SIGKILL))

    assert document["details"]["causes"][0]["message"] == "137"
