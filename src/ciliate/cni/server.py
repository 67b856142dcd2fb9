"""The CNI socket: takes a plugin's request, has the backend do it, sends the answer.

One request a connection. A connection without a valid request ends without an answer within
seconds; a backend that takes too long is cancelled, and the answer is code 11, try again later.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, Protocol, Self

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.frame import (
    LENGTH,
    Frame,
    environment_length,
    parse_environment,
    render_answer,
    stdin_length,
)
from ciliate.cni.plugin_result import PassedResult
from ciliate.cni.request import (
    Add,
    Check,
    Del,
    Gc,
    Request,
    Status,
    Verb,
    VersionQuery,
    parse_request,
    requested_version,
)
from ciliate.cni.request_log import RequestLog
from ciliate.cni.result import render_add, render_error, render_version
from ciliate.cni.version import NEWEST_VERSION
from ciliate.config.installation import STATE_DIR
from ciliate.errors import CiliateError
from ciliate.net.pod_interface import PodInterface
from ciliate.system.admission import Bounds
from ciliate.system.bounded_server import BoundedServer, connection_of
from ciliate.system.descriptors import share
from ciliate.system.unix_socket import listen_unix

SOCKET_PATH: Final = f"{STATE_DIR}/cni.sock"

#: Requests at work at one time; more wait their turn. A kubelet starts some tens of pods at once.
REQUESTS_MAX: Final = 64
#: STATUS and VERSION have slots of their own: they must not wait behind DELs that another plugin
#: holds up. A runtime that gets no answer to STATUS takes the node for broken.
QUESTIONS_MAX: Final = 16
_QUESTIONS: Final = frozenset({Verb.STATUS, Verb.VERSION})
#: Connections at one time, those included whose requests wait their turn. One that brings its
#: request keeps its place; of those that say nothing, the oldest makes room (system/admission.py).
CONNECTIONS_MAX: Final = 1024
#: Connections that may wait in the kernel for us to accept them.
BACKLOG: Final = 256
#: A plugin writes its whole request at once; a client that is silent for longer is no plugin.
READ_TIMEOUT_S: Final = 10
#: The plugin waits 90 s, a kubelet 120 s; a healthy agent needs milliseconds.
BACKEND_TIMEOUT_S: Final = 60
#: A stopping agent gives requests under way this long; their runtimes ask again.
STOP_TIMEOUT_S: Final = 5

_log = logging.getLogger(__name__)


class _CutShortError(Exception):
    """A request that did not come to its end."""


class Backend(Protocol):
    """What does the work. Raises CniError for an answer of its own choosing.

    Any other CiliateError is answered as code 11, try again later, with its message.
    """

    async def add(self, request: Add) -> PodInterface | PassedResult:
        """Give the container an interface; again, the same answer.

        A chained request is answered with the result before it, unchanged.
        """
        ...

    async def delete(self, request: Del) -> None:
        """Take the interface away; what is gone is a success."""
        ...

    async def check(self, request: Check) -> None:
        """Raise unless the interface is as ADD left it."""
        ...

    async def gc(self, request: Gc) -> None:
        """Remove every attachment that is not listed as valid."""
        ...

    async def status(self, request: Status) -> None:
        """Raise unless an ADD could succeed now."""
        ...


class CniServer:
    """Serves the CNI socket while it is open; root alone may connect."""

    def __init__(
        self,
        backend: Backend,
        *,
        path: str = SOCKET_PATH,
        chaining_mode: str = "none",
        requests: RequestLog | None = None,
    ) -> None:
        """Serve at `path`; `chaining_mode` applies to lists that do not set it."""
        self._backend = backend
        self._requests = requests or RequestLog(None)
        self._chaining_mode = chaining_mode
        self._path = path
        self._server: BoundedServer | None = None
        self._listener: socket.socket | None = None
        self._identity = (0, 0)  # Device and inode of the socket.
        self._slots = asyncio.Semaphore(REQUESTS_MAX)
        self._question_slots = asyncio.Semaphore(QUESTIONS_MAX)
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; the socket of an earlier agent is replaced."""
        listener = listen_unix(self._path, backlog=BACKLOG)
        found = os.stat(self._path)
        self._identity = found.st_dev, found.st_ino
        if self._server is None:
            bounds = replace(Bounds.of_one_peer(share(CONNECTIONS_MAX)), request_s=READ_TIMEOUT_S)
            self._server = BoundedServer("cni", self._conversation, bounds)
        self._server.listen(listener)
        self._listener = listener

    @property
    def is_reachable(self) -> bool:
        """Whether the socket at the path is this server's: somebody may have removed it."""
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    async def reopen(self) -> None:
        """Listen at the path anew; requests under way go on.

        Raises:
            OSError: The socket cannot be made.
        """
        former = self._listener
        await self.start()
        if self._server is not None and former is not None:
            self._server.close(former)

    async def stop(self) -> None:
        """Listen no more; answer what is under way, within STOP_TIMEOUT_S."""
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        if self._conversations:
            _, late = await asyncio.wait(self._conversations, timeout=STOP_TIMEOUT_S)
            for conversation in late:
                conversation.cancel()
        self._server.end()
        self._requests.close()
        self._server = None

    def _conversation(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._serve)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this in a task"
        self._conversations.add(task)
        task.add_done_callback(self._finish)
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _finish(self, conversation: asyncio.Task[None]) -> None:
        """Log a bug now: asyncio (3.11) would when it drops the task. The agent serves on."""
        self._conversations.discard(conversation)
        if not conversation.cancelled() and (bug := conversation.exception()) is not None:
            _log.error("CNI: a request ended without an answer, by a bug", exc_info=bug)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            environment = parse_environment(await _read(reader, 8, environment_length))
            # From here on it waits for us, not we for it: it keeps its place.
            if (connection := connection_of(writer.transport)) is not None:
                connection.begin()
            is_question = environment.get("CNI_COMMAND") in _QUESTIONS
            async with self._question_slots if is_question else self._slots:
                stdin = await _read(reader, LENGTH.size, stdin_length)
                exit_code, text = await self._answer_and_log(Frame(environment, stdin))
        except _CutShortError as error:
            _log.warning("CNI: a request was cut short: %s", error)
            return
        except CniError as error:
            exit_code, text = 1, render_error(error, NEWEST_VERSION)
        writer.write(render_answer(exit_code, text))
        # A plugin that was killed meanwhile does not matter: the runtime asks again.
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    async def _answer_and_log(self, frame: Frame) -> tuple[int, bytes]:
        started = time.monotonic()
        exit_code, text = await self._answer(frame)
        duration_s = time.monotonic() - started
        self._requests.write(frame, duration_s=duration_s, exit_code=exit_code, answer=text)
        return exit_code, text

    async def _answer(self, frame: Frame) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(BACKEND_TIMEOUT_S):
                request = parse_request(
                    frame.environment, frame.stdin, chaining_mode=self._chaining_mode
                )
                return 0, await self._perform(request)
        except CniError as error:
            failure = error
        except CiliateError as error:
            failure = CniError(CniCode.TRY_AGAIN_LATER, str(error))
        except TimeoutError:
            failure = CniError(
                CniCode.TRY_AGAIN_LATER, f"the agent did not finish within {BACKEND_TIMEOUT_S} s"
            )
        except Exception as bug:  # noqa: BLE001 - this request's failure, and no other's.
            _log.exception("CNI: a request failed by a bug")
            failure = CniError(
                CniCode.INTERNAL,
                f"the agent failed by a bug of its own: {type(bug).__name__}",
                "the agent's log has the details: please report them",
            )
        verb = frame.environment.get("CNI_COMMAND", "")
        container = frame.environment.get("CNI_CONTAINERID", "?")
        _log.warning(  # Octets of a runtime's, on one line of ASCII.
            "CNI %s of container %s failed: %s",
            verb if verb.isalpha() and verb.isascii() else "?",
            ascii(container[:64])[1:-1],
            failure,
        )
        return 1, render_error(failure, requested_version(frame.stdin))

    async def _perform(self, request: Request) -> bytes:
        match request:
            case Add():
                return render_add(await self._backend.add(request), request.version)
            case Del():
                await self._backend.delete(request)
            case Check():
                await self._backend.check(request)
            case Gc():
                await self._backend.gc(request)
            case Status():
                await self._backend.status(request)
            case VersionQuery():
                return render_version(request.version)
        return b""


async def _read(
    reader: asyncio.StreamReader, head_bytes: int, length_of: Callable[[bytes], int]
) -> bytes:
    """Read a part of a request; its length is checked before memory is given to it."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await reader.readexactly(length_of(await reader.readexactly(head_bytes)))
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
        raise _CutShortError(str(error)) from error
