"""Numbered channels in a WebSocket's messages, for exec, attach and port-forward.

A message begins with its channel's number. Clients send it as octets or as text, whichever they have
at hand (the official Python client sends what is typed as text); a browser may choose a protocol with
`base64` in its name, where both the number and the rest are text.
"""

import asyncio
import binascii
from base64 import b64decode, b64encode
from typing import Final

from aiohttp import WSMsgType, web

#: Channel 0 where numbers are text; those above 9 are the characters that follow.
_ZERO: Final = ord("0")


class WebSocketChannels:
    """A client's WebSocket, once it is accepted."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._is_text = "base64." in (socket.ws_protocol or "")
        self._sending = asyncio.Lock()  # Several channels send at once.

    async def read(self) -> tuple[int, bytes] | None:
        """Return the next message's channel and octets; None: the client has left."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                octets = message.data.encode()
            elif message.type is WSMsgType.BINARY:
                octets = message.data
            else:
                return None
            if not octets:
                continue
            if not self._is_text:
                return octets[0], octets[1:]
            try:
                return octets[0] - _ZERO, b64decode(octets[1:], validate=True)
            except binascii.Error:
                return None

    async def write(self, channel: int, octets: bytes) -> None:
        """Send one message.

        Raises:
            ConnectionError: The client is gone.
        """
        async with self._sending:
            if self._is_text:
                await self._socket.send_str(chr(_ZERO + channel) + b64encode(octets).decode())
            else:
                await self._socket.send_bytes(bytes([channel]) + octets)
