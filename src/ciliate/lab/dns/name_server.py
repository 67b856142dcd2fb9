"""A name server's sockets: port 53 of every address, or of one link, by UDP and TCP."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

from ciliate.lab.dns.datagrams import DatagramServer
from ciliate.lab.dns.manifests import PORT
from ciliate.lab.dns.responder import Responder
from ciliate.lab.dns.streams import stream_server
from ciliate.lab.link_sockets import bound

_BACKLOG: Final = 128


class NameServer:
    """Answers on any number of links."""

    def __init__(self, responder: Responder, tasks: asyncio.TaskGroup) -> None:
        self._responder = responder
        self._tasks = tasks
        self._streams = stream_server(responder, tasks)

    @contextlib.contextmanager
    def on(self, family: int, *, link: str | None = None) -> Iterator[None]:
        """Answer while the body runs, on one link or on all; connections stay.

        Raises:
            OSError: The port is taken.
        """
        stream = bound(family, socket.SOCK_STREAM, PORT, link)
        try:
            stream.listen(_BACKLOG)
            datagrams = DatagramServer(
                bound(family, socket.SOCK_DGRAM, PORT, link), self._responder, self._tasks
            )
        except OSError:
            stream.close()
            raise
        self._streams.listen(stream)
        datagrams.open()
        try:
            yield
        finally:
            datagrams.close()
            self._streams.close(stream)

    def end(self) -> None:
        """End every connection."""
        self._streams.end()
