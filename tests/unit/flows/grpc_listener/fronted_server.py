"""A flow server behind a front on loopback, and clients that ask it from one address or another."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from tests.deadlines import Deadline
from tests.unit.flows.certificate_files import NODE, CertificateFiles
from tests.unit.flows.server.flow_clients import VERSION, WatchedStore, soon
from tests.unit.flows.server.sample_records import packet

from ciliate.flows.grpc_listener.front import Front
from ciliate.flows.grpc_listener.grpc_server import GrpcServer
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.server.observer import Observer
from ciliate.system.admission import Bounds

#: A client of its own each, which connects again at once.
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
)
HERE, THERE = "127.0.0.1", "127.0.0.2"


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server((HERE, 0)) as free:
        return int(free.getsockname()[1])


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to a port of loopback, as soon as anybody listens there."""
    deadline = Deadline(60)
    while not deadline.passed:
        with contextlib.suppress(ConnectionRefusedError):
            return await asyncio.open_connection(HERE, port)
        await asyncio.sleep(0.01)
    raise AssertionError(f"nobody listens at port {port}")


@asynccontextmanager
async def from_address(source: str, port: int, path: Path) -> AsyncIterator[str]:
    """Carry connections to `port` of loopback from an address; yield where gRPC connects to."""
    carrying: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        with contextlib.suppress(OSError):
            back, there = await asyncio.open_connection(HERE, port, local_addr=(source, 0))
            ways = [
                asyncio.ensure_future(each) for each in (_pass(reader, there), _pass(back, writer))
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                there.transport.abort()
        writer.transport.abort()

    server = await asyncio.start_unix_server(carry, path)
    try:
        yield f"unix:{path}"
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@dataclass
class Fronted:
    """Where a front listens, and what is behind it."""

    folder: Path
    port: int
    store: WatchedStore
    front: Front
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @asynccontextmanager
    async def client(
        self,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        name: str = NODE,
        source: str = HERE,
        options: Sequence[tuple[str, Any]] = (),
    ) -> AsyncIterator[observer_pb2_grpc.ObserverStub]:
        """Yield the calls of a client with a connection of its own, from an address."""
        options = (*OPTIONS, *options)
        async with contextlib.AsyncExitStack() as stack:
            target = f"{HERE}:{self.port}"
            if source != HERE:
                path = self.folder / f"from-{next(self.numbers)}"
                target = await stack.enter_async_context(from_address(source, self.port, path))
            if credentials is None:
                channel = grpc.aio.insecure_channel(target, options=options)
            else:
                named = (*options, ("grpc.ssl_target_name_override", name))
                channel = grpc.aio.secure_channel(target, credentials, options=named)
            await stack.enter_async_context(channel)
            yield observer_pb2_grpc.ObserverStub(channel)


async def flows_kept(stub: observer_pb2_grpc.ObserverStub, *, waits: bool = True) -> int:
    """Return how many flows the server says it keeps; without `waits`, or fail where it is away."""
    question = observer_pb2.ServerStatusRequest()
    answer = await soon(stub.ServerStatus(question, wait_for_ready=waits, timeout=30))
    return int(answer.num_flows)


@asynccontextmanager
async def fronted(
    folder: Path,
    files: CertificateFiles | None = None,
    *,
    requests: int = 200,
    within: Bounds | None = None,
) -> AsyncIterator[Fronted]:
    """Serve a store with one flow, behind a front."""
    store, port = WatchedStore(1023, packet()), free_port()
    server = GrpcServer(requests=requests)
    observer_pb2_grpc.add_ObserverServicer_to_server(Observer(store, version=VERSION), server.grpc)
    server.describe(["observer.Observer"])
    path = folder / "server.sock"
    front = Front(
        f"front of {folder.name}",
        f"{HERE}:{port}",
        str(path).encode(),
        tls=files.tls if files else None,
        within=within,
    )
    async with server.serving(f"unix:{path}"), front.serving():
        yield Fronted(folder, port, store, front)
