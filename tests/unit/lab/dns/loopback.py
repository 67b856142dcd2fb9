"""A name server on loopback, at a port of its own, by UDP and TCP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dns.message import Message, from_wire

from ciliate.lab.dns.datagrams import DatagramServer
from ciliate.lab.dns.responder import Responder
from ciliate.lab.dns.streams import stream_server

HOST = "127.0.0.1"


@asynccontextmanager
async def serving(responder: Responder, tasks: asyncio.TaskGroup) -> AsyncIterator[int]:
    """Answer while the body runs; yields the port."""
    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((HOST, port))
    datagrams = DatagramServer(bound, responder, tasks)
    streams = stream_server(responder, tasks)
    datagrams.open()
    streams.listen(listener)
    try:
        yield port
    finally:
        datagrams.close()
        streams.end()


def framed(*queries: Message) -> bytes:
    """Messages as a stream carries them."""
    wires = [query.to_wire() for query in queries]
    return b"".join(len(wire).to_bytes(2) + wire for wire in wires)


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next message of a stream."""
    length = int.from_bytes(await reader.readexactly(2))
    return from_wire(await reader.readexactly(length))
