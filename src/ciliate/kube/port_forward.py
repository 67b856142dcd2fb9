"""Local ports of this machine whose connections end in a pod of a Service.

As `kubectl port-forward service/NAME`, but for one thing: each connection goes to a pod that is ready
when it is made. A pod that is replaced ends its connections, and the next one goes to another. What
goes wrong with a connection ends that one alone, and is told to whoever asked for the forwarding.
"""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Final

from ciliate.api.resource import ObjectKey
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, KubeError
from ciliate.kube.port_forward_stream import (
    Passage,
    PortUnreachableError,
    check_allowed,
    opened,
)
from ciliate.kube.port_forward_target import ForwardTarget, ready_targets
from ciliate.kube.web_socket import WebSocket

LOOPBACK: Final = "127.0.0.1"

#: Connections at a time, each over one of its own with the API server; further ones are ended at once.
CONNECTIONS_MAX: Final = 64

#: How long the pods that were found are taken for those there are: a browser connects several times
#: in a moment.
_FOUND_S: Final = 1.0
#: Pods that one connection tries.
_TRIES_MAX: Final = 3
#: How long a local program may take to read the last that a pod said.
_CLOSE_S: Final = 5.0

#: Is told what went wrong with a connection.
Tell = Callable[[str], None]


class LocalPortError(CiliateError):
    """The local port cannot be listened at."""

    def __init__(self, *, address: str, port: int, problem: str) -> None:
        self.port = port
        super().__init__(f"{address}:{port} cannot be listened at: {problem}")


class LocalPortInUseError(LocalPortError):
    """Another program listens there, such as another forwarding."""


class Forwarding:
    """Forwards connections to one port of one Service; `forwarded` listens for them."""

    def __init__(self, client: ApiClient, service: ObjectKey, *, port: int, tell: Tell) -> None:
        self._client = client
        self._service = service
        self._port = port
        self._tell = tell
        self._told = ""
        self._connections = 0
        self._finding = asyncio.Lock()  # Connections of one moment share what is found.
        self._found: Sequence[ForwardTarget] = ()
        self._found_at_s = float("-inf")
        self._used: ForwardTarget | None = None
        self._failed: ForwardTarget | None = None

    async def check(self) -> None:
        """Return if a pod is ready, and we may forward to it.

        Raises:
            CiliateError: As `forwarded` says.
        """
        await check_allowed(self._client.transport, (await self._ready())[0])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one local connection to its end, and close it."""
        self._connections += 1
        try:
            if self._connections > CONNECTIONS_MAX:
                self._say(f"more than {CONNECTIONS_MAX} connections at a time: one is ended")
            else:
                await self._forward(reader, writer)
        except CiliateError as error:
            self._say(str(error))
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            self._connections -= 1
        await _close(writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with contextlib.AsyncExitStack() as stack:
            target, socket = await self._open(stack)
            try:
                await Passage(socket, target).carry(reader, writer)
            except PortUnreachableError:
                self._forget(target)
                raise
            self._told = ""

    async def _open(self, stack: contextlib.AsyncExitStack) -> tuple[ForwardTarget, WebSocket]:
        """Open a way to a pod that is ready, for as long as `stack` lasts."""
        tried: dict[ForwardTarget, KubeError] = {}
        while True:
            target = next((each for each in await self._ready() if each not in tried), None)
            if target is None or len(tried) == _TRIES_MAX:
                raise next(reversed(tried.values()))
            self._used = target
            try:
                opening = opened(self._client.transport, target)
                return target, await stack.enter_async_context(opening)
            except ForbiddenError:
                raise  # So it is with every pod.
            except KubeError as error:
                tried[target] = error
                self._forget(target)

    async def _ready(self) -> Sequence[ForwardTarget]:
        """Return pods that are ready: first that of the last connection, last one that failed."""
        async with self._finding:
            if time.monotonic() - self._found_at_s > _FOUND_S:
                self._found = await ready_targets(self._client, self._service, self._port)
                self._found_at_s = time.monotonic()
            return sorted(self._found, key=lambda each: (each == self._failed, each != self._used))

    def _forget(self, target: ForwardTarget) -> None:
        """Have pods looked for anew, and this one tried last."""
        self._failed = target
        self._found_at_s = float("-inf")

    def _say(self, problem: str) -> None:
        """Tell a problem, once as long as it stays the same."""
        if problem != self._told:
            self._told = problem
            self._tell(problem)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a local connection once its program has read what the pod said."""
    writer.close()
    try:
        async with asyncio.timeout(_CLOSE_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


@contextlib.asynccontextmanager
async def forwarded(
    client: ApiClient,
    service: ObjectKey,
    *,
    tell: Tell,
    port: int = 0,
    local_port: int = 0,
) -> AsyncGenerator[int, None]:
    """Forward connections to a local port for as long as the block takes; yields that port.

    `port` is the Service's, 0 its first; `local_port` 0 is any that is free. `tell` is told what goes
    wrong with a connection later on.

    Raises:
        NotFoundError: There is no such Service.
        NotForwardableError: It has no such port, or names no pods.
        NoReadyPodError: None of its pods is ready.
        ForbiddenError: We may not read the Service or its pods, or not forward to them.
        LocalPortInUseError: Another program listens at the local port.
        LocalPortError: It cannot be listened at.
        KubeError: The API server is away.
    """
    # Its own port first: that costs nothing, and is what users have chosen wrongly most often.
    with _listeners(local_port) as (number, sockets):
        forwarding = Forwarding(client, service, port=port, tell=tell)
        await forwarding.check()
        async with asyncio.TaskGroup() as tasks:
            serving: set[asyncio.Task[None]] = set()

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = tasks.create_task(forwarding.serve(reader, writer))
                serving.add(task)
                task.add_done_callback(serving.discard)

            servers = [await asyncio.start_server(accept, sock=each) for each in sockets]
            try:
                yield number
            finally:
                for server in servers:
                    server.close()
                for task in serving:
                    task.cancel()


@contextlib.contextmanager
def _listeners(port: int) -> Generator[tuple[int, list[socket.socket]], None, None]:
    """Listen at a port of loopback, in IPv6 too where that is there: "localhost" means either."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(_listener(socket.AF_INET, LOOPBACK, port))
        number = int(first.getsockname()[1])
        sockets = [first]
        with contextlib.suppress(LocalPortError):
            sockets.append(stack.enter_context(_listener(socket.AF_INET6, "::1", number)))
        yield number, sockets


def _listener(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        problem = error.strerror or str(error)
        kind = LocalPortInUseError if error.errno == errno.EADDRINUSE else LocalPortError
        raise kind(address=address, port=port, problem=problem) from error
