"""Starting processes through the zygote, from asyncio."""

import asyncio
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ciliate.lab.errors import SpawnError, ZygoteGoneError
from ciliate.lab.spawn import MESSAGE_BYTES_MAX, Answer, Signal, SpawnRequest


@dataclass(slots=True, eq=False)
class Child:
    """A process of the lab, a child of the zygote.

    `pid` is for showing and for /proc; signals go through `kill`, since only the zygote knows
    whether the number still is this process.
    """

    pid: int
    argv: list[str]
    _socket: socket.socket
    _path: str
    _exit: asyncio.Future[int] | None = field(default=None)

    async def wait(self) -> int:
        """The exit status, or minus the number of the signal that killed it. Repeatable.

        Raises:
            ZygoteGoneError: The zygote died; the process may still run.
        """
        if self._exit is None:
            self._exit = asyncio.ensure_future(self._receive_exit())
        return await asyncio.shield(self._exit)

    async def _receive_exit(self) -> int:
        try:
            answer = await _receive(self._socket, self._path)
        finally:
            self._socket.close()
        if answer.exit is None:
            raise ZygoteGoneError(path=self._path)
        return answer.exit

    def kill(self, number: int = signal.SIGTERM, *, group: bool = True) -> None:
        """Signal the process, and its group; one that has ended is a success."""
        if self._exit is not None and self._exit.done():
            return
        with suppress(OSError):  # The zygote has reported its end and closed.
            self._socket.send(msgspec.json.encode(Signal(number, group)), socket.MSG_NOSIGNAL)

    def close(self) -> None:
        """Lose interest: the process goes on, and its exit code is lost."""
        if self._exit is not None:
            self._exit.cancel()
        self._socket.close()


async def _receive(connection: socket.socket, path: str) -> Answer:
    try:
        message = await asyncio.get_running_loop().sock_recv(connection, MESSAGE_BYTES_MAX)
    except OSError as error:
        raise ZygoteGoneError(path=path) from error
    if not message:
        raise ZygoteGoneError(path=path)
    return msgspec.json.decode(message, type=Answer)


@dataclass(frozen=True, slots=True)
class ZygoteClient:
    """Asks the zygote behind `path` for processes."""

    path: Path

    async def spawn(
        self,
        request: SpawnRequest,
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        sockets: tuple[int, ...] = (),
    ) -> Child:
        """Start a process; back when it is inside its namespaces and begins its work.

        The descriptors stay the caller's, to be closed by it. `sockets` become descriptors 3 and
        up, counted in LISTEN_FDS (sd_listen_fds(3)).

        Raises:
            SpawnError: It could not be started; `code` is 127 for an unknown command, else 126.
            ZygoteGoneError: The zygote does not answer.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        try:
            # Never blocks but for a full backlog, which is an error then.
            connection.connect(str(self.path))
            socket.send_fds(
                connection, [msgspec.json.encode(request)], [stdin, stdout, stderr, *sockets]
            )
            answer = await _receive(connection, str(self.path))
        except OSError as error:
            connection.close()
            raise ZygoteGoneError(path=str(self.path)) from error
        except BaseException:
            connection.close()
            raise
        if answer.pid is None:
            connection.close()
            problem = answer.error or f"ended with {answer.exit} while it was set up"
            raise SpawnError(argv=request.argv, problem=problem, code=answer.code)
        return Child(answer.pid, list(request.argv), connection, str(self.path))
