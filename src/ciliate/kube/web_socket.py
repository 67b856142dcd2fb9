"""A WebSocket with the API server, once it is accepted: messages in both directions.

`transport` opens it, and with this module alone knows aiohttp.
"""

import socket
from typing import Final

import aiohttp

from ciliate.kube.errors import UnavailableError

#: Given up after 10 + 3 * 5 seconds without an answer: a firewall may have forgotten the connection.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class WebSocket:
    """An accepted one; `verb` and `target` name it in errors."""

    def __init__(
        self, response: aiohttp.ClientWebSocketResponse, *, verb: str, target: str
    ) -> None:
        self._response = response
        self._verb = verb
        self._target = target
        connection = response.get_extra_info("socket")
        if connection is not None:
            keep_alive(connection)

    async def receive(self) -> bytes | None:
        """Return the next message; None: the other end has closed, or is gone."""
        while True:
            message = await self._response.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                octets: bytes = message.data
                return octets
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None

    async def send(self, octets: bytes) -> None:
        """Send one message; waits for an end that does not read.

        Raises:
            UnavailableError: The other end is gone.
        """
        try:
            await self._response.send_bytes(octets)
        except (aiohttp.ClientError, OSError) as error:
            detail = f"the connection is broken: {error}"
            raise UnavailableError(verb=self._verb, target=self._target, detail=detail) from error


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel test a connection while it is idle."""
    for level, option, value in _KEEP_ALIVE:
        connection.setsockopt(level, option, value)
