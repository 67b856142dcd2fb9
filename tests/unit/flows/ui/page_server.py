"""The page's server on loopback, in the process of a test, and a client that asks as a browser does."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from google.protobuf.message import Message
from tests.unit.flows.grpc_listener.fronted_server import HERE, connected, free_port

from ciliate.flows.ui.grpc_web import CONTENT_TYPE, message_frame
from ciliate.flows.ui.serving import serve_page
from ciliate.flows.ui.settings import UiSettings

_HEAD = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call was answered with."""

    messages: Sequence[bytes]
    #: By the trailers; -1: none came.
    status: int
    details: str


@dataclass(frozen=True, slots=True)
class Browser:
    """Asks the page's server."""

    session: aiohttp.ClientSession
    url: str

    def post(
        self, method: str, body: bytes, **headers: str
    ) -> "contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]":
        """Send a body to a method of the flow API; words of `headers` have _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Content-Type": CONTENT_TYPE} | named
        return self.session.post(f"{self.url}/flow-api/{method}", data=body, headers=sent)

    async def call(self, method: str, request: Message, **headers: str) -> Answered:
        """Ask, and return the whole answer."""
        body = message_frame(request.SerializeToString())
        async with self.post(f"observer.Observer/{method}", body, **headers) as response:
            assert response.status == 200
            assert response.content_type == CONTENT_TYPE
            return answered(await response.read())


def answered(body: bytes) -> Answered:
    """Return what the frames of a whole answer say."""
    messages, trailers = [], ""
    while body:
        flags, length = _HEAD.unpack_from(body)
        frame, body = body[_HEAD.size : _HEAD.size + length], body[_HEAD.size + length :]
        if flags:
            trailers = frame.decode()
        else:
            messages.append(frame)
    found = dict(line.split(": ", 1) for line in trailers.splitlines())
    return Answered(messages, int(found.get("grpc-status", -1)), found.get("grpc-message", ""))


@asynccontextmanager
async def page(relay: str) -> AsyncIterator[Browser]:
    """Serve the page beside a relay at gRPC's address for it."""
    port = free_port()
    serving = asyncio.create_task(serve_page(UiSettings(f"{HERE}:{port}", relay, "", None)))
    try:
        _reader, writer = await connected(port)
        writer.close()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(60)
        ) as session:
            yield Browser(session, f"http://{HERE}:{port}")
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
