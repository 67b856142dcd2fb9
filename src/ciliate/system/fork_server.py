"""A process of one thread that forks others on request: they begin with what is imported already.

A program of Python's that is executed imports for a third of a second before it does anything, and has
all of that in memory once more. A fork has neither. But a process with threads must not fork (a lock
that another thread holds stays held for ever), and ours get threads soon. So the fork server is forked
off before: `ForkServer.start`.

It ends when its parent does, and what it forked goes on, as the children of a parent that is killed do.
"""

import asyncio
import gc
import importlib
import io
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Self

from ciliate.errors import CiliateError
from ciliate.system.process_title import set_process_title

_REQUEST_BYTES_MAX: Final = 4096
#: What a request brings: its standard input and output, and the socket that is told of its process.
_DESCRIPTORS: Final = 3
#: Reported as plain octets, each a message of its own: the number of the process, then how it ended.
_NUMBER_BYTES: Final = 4

#: A fork takes milliseconds. One that comes after all finds its input closed.
_ANSWER_S: Final = 10.0

#: Signals that are held back.
_Mask = set[int | signal.Signals]

#: Ctrl-C in a terminal goes to every process, and this one ends with its parent alone.
_UNHEEDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ForkServerGoneError(CiliateError):
    """The fork server does not answer: it was killed, or the machine has no process left."""

    def __init__(self) -> None:
        super().__init__("the fork server does not answer")


class ForkedProcess:
    """A process that was asked for, with pipes to its standard input and output."""

    def __init__(
        self,
        pid: int,
        stdin: asyncio.StreamWriter,
        stdout: asyncio.StreamReader,
        end: "asyncio.Task[int]",
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self._end = end

    @property
    def returncode(self) -> int | None:
        """How it ended, as `subprocess` has it; None: it runs."""
        return self._end.result() if self._end.done() else None

    async def wait(self) -> int:
        """Return how it ended, when it has."""
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        """End it by force; one that has ended is a success."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class ForkServer:
    """Its other side: asks it for processes."""

    pid: int
    _requests: socket.socket

    @classmethod
    def start(cls) -> Self:
        """Fork it from this process, which must have no other thread yet.

        Raises:
            OSError: The machine has no process or no descriptor left.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The collector would write to every page that both share.
        gc.freeze()
        # Held back until either heeds them in its own way.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _UNHEEDED)
        try:
            pid = os.fork()
            if pid == 0:
                _be_fork_server(theirs, ours, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        ours.setblocking(False)
        return cls(pid, ours)

    def close(self) -> None:
        """Have it end."""
        self._requests.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    async def spawn(self, target: str, *, title: str) -> ForkedProcess:
        """Run `target`, "package.module:function", in a process that `ps` shows as `title`.

        Raises:
            ForkServerGoneError: It does not answer.
            OSError: There is no descriptor left.
        """
        loop = asyncio.get_running_loop()
        told, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told.setblocking(False)
        input_read, input_write = os.pipe()
        output_read, output_write = os.pipe()
        kept = [output_read, input_write]
        try:
            request = json.dumps([target, title]).encode()
            given = [input_read, output_write, tells.fileno()]
            with suppress(OSError):  # No answer will come.
                socket.send_fds(self._requests, [request], given)
            tells.close()
            try:
                async with asyncio.timeout(_ANSWER_S):
                    answer = await loop.sock_recv(told, _NUMBER_BYTES)
            except TimeoutError:
                raise ForkServerGoneError from None
            pid = _number(answer)
            stdin, stdout = await _streams(input_write, output_read, kept)
        except BaseException:
            told.close()
            for each in kept:
                os.close(each)
            raise
        finally:
            tells.close()
            os.close(input_read)
            os.close(output_write)
        end = asyncio.create_task(_end_of(told))
        return ForkedProcess(pid, stdin, stdout, end)


def _number(answer: bytes) -> int:
    if not answer:
        raise ForkServerGoneError
    return int.from_bytes(answer, "little", signed=True)


async def _end_of(told: socket.socket) -> int:
    """Return how a process ended; by a fork server that is gone, as killed."""
    with told:
        try:
            return _number(await asyncio.get_running_loop().sock_recv(told, _NUMBER_BYTES))
        except (ForkServerGoneError, OSError):
            return -signal.SIGKILL


async def _streams(
    writable: int, readable: int, kept: list[int]
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    """Return streams of pipes; what belongs to a stream is no longer in `kept`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    # By its file a transport has the descriptor, and closes it.
    kept.remove(readable)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(readable, "rb", 0)
    )
    kept.remove(writable)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(writable, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop), reader


def _be_fork_server(requests: socket.socket, parents: socket.socket, mask: _Mask) -> NoReturn:
    """Fork on request until the parent is gone."""
    code = 0
    try:
        parents.close()
        set_process_title("ciliate fork server")
        for number in _UNHEEDED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        launch = _Forker(requests).serve()
        if launch is not None:
            code = launch.run()
    except BaseException:  # noqa: BLE001 - the last frame of a process.
        traceback.print_exc()
        code = 1
    os._exit(code)


@dataclass(frozen=True, slots=True)
class _Launch:
    """What a forked process is to do."""

    target: str
    title: str
    stdin: int
    stdout: int
    mask: _Mask

    def run(self) -> int:
        """Do it; return the exit code."""
        for number in _UNHEEDED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        set_process_title(self.title)
        for place, received in enumerate((self.stdin, self.stdout)):
            os.dup2(received, place, inheritable=True)
            os.close(received)
        input_, output = io.FileIO(0, closefd=False), io.FileIO(1, "w", closefd=False)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(input_), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(output), encoding="utf-8")
        module, _, name = self.target.partition(":")
        function: Callable[[], Any] = getattr(importlib.import_module(module), name)
        try:
            return int(function() or 0)
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()


class _Forker:
    """The fork server's own side: takes requests, and tells how each process ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)
        #: Of each process its number, and who is told; by a descriptor that is ready at its end.
        self._running: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> _Launch | None:
        """Serve; return in a forked process what it is to do, in the server None at its end."""
        while True:
            for key, _events in self._selector.select():
                if key.fd in self._running:
                    self._reap(key.fd)
                    continue
                message, descriptors, _, _ = socket.recv_fds(
                    self._requests, _REQUEST_BYTES_MAX, _DESCRIPTORS
                )
                if not message:
                    return None
                launch = self._fork(message, *descriptors)
                if launch is not None:
                    return launch

    def _fork(self, message: bytes, stdin: int, stdout: int, last: int) -> _Launch | None:
        tells = socket.socket(fileno=last)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _UNHEEDED)
        try:
            pid = os.fork()
        except OSError:
            pid = -1  # By the end of its socket the client knows.
        if pid == 0:
            tells.close()
            self._forget_parent()
            target, title = json.loads(message)
            return _Launch(target, title, stdin, stdout, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(stdin)
        os.close(stdout)
        if pid < 0:
            tells.close()
            return None
        with suppress(OSError):  # The client left.
            tells.send(pid.to_bytes(_NUMBER_BYTES, "little"))
        process = os.pidfd_open(pid)
        self._running[process] = (pid, tells)
        self._selector.register(process, selectors.EVENT_READ)
        return None

    def _reap(self, process: int) -> None:
        pid, tells = self._running.pop(process)
        self._selector.unregister(process)
        os.close(process)
        _pid, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        with tells, suppress(OSError):
            tells.send(code.to_bytes(_NUMBER_BYTES, "little", signed=True))

    def _forget_parent(self) -> None:
        """In a forked process: close what is the server's."""
        self._selector.close()
        self._requests.close()
        for process, (_pid, tells) in self._running.items():
            os.close(process)
            tells.close()
