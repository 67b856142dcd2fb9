"""One forwarded connection: a local socket on one side, a port of a pod on the other.

The protocol is Kubernetes' port forwarding over a WebSocket of its own (`v4.channel.k8s.io`): the first
octet of each message is its channel, 0 for what passes and 1 for what went wrong, and each channel
begins with the port, two octets (k8s.io/kubelet/pkg/cri/streaming/portforward). It has no word for an
end that has said all and still listens: so much is known of a local program that closes, and no more,
and a pod that answers nothing for `_LAST_WORDS_S` has nothing to say.
"""

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from typing import Final

from ciliate.api.core import PODS
from ciliate.errors import CiliateError
from ciliate.kube.document import target_of
from ciliate.kube.errors import InvalidError
from ciliate.kube.port_forward_target import ForwardTarget
from ciliate.kube.transport import Transport
from ciliate.kube.web_socket import WebSocket

_PROTOCOLS: Final = ("v4.channel.k8s.io",)
_DATA, _ERROR = 0, 1
#: With which each channel begins.
_PORT_BYTES: Final = 2

#: What is read of a local socket at once. A kubelet sends pieces of 32 KiB.
_PIECE_BYTES: Final = 32 * 1024
_MESSAGE_BYTES_MAX: Final = 1024 * 1024
#: Of what a kubelet says when it cannot reach the port.
_ERROR_BYTES_MAX: Final = 4096

#: How long a pod may be silent once the local end has said all.
_LAST_WORDS_S: Final = 30.0


class PortUnreachableError(CiliateError):
    """The pod's node cannot connect to the port, or lost the connection."""

    def __init__(self, target: ForwardTarget, problem: str) -> None:
        self.target = target
        super().__init__(f"pod {target}: {problem}")


class Passage:
    """The pod's end of a connection."""

    def __init__(self, socket: WebSocket, target: ForwardTarget) -> None:
        self._socket = socket
        self._target = target
        self._greeting = {_DATA: _PORT_BYTES, _ERROR: _PORT_BYTES}
        self._problem = b""
        self._heard = asyncio.Event()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry both directions until the pod has said all, or either end is gone.

        Raises:
            PortUnreachableError: The pod's node cannot reach the port.
        """
        giving = asyncio.ensure_future(self._give(reader))
        taking = asyncio.ensure_future(self._take(writer))
        try:
            await asyncio.wait({giving, taking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            giving.cancel()
            taking.cancel()
            ends = await asyncio.gather(giving, taking, return_exceptions=True)
        if self._problem:
            text = self._problem.decode(errors="replace").strip()
            raise PortUnreachableError(self._target, text)
        # Of the local end nothing is told: a program that goes away is none of ours.
        for end in ends:
            if isinstance(end, CiliateError):
                raise end

    async def _give(self, reader: asyncio.StreamReader) -> None:
        """Send what the local end says, then wait until the pod has nothing more to say."""
        while octets := await reader.read(_PIECE_BYTES):
            await self._socket.send(bytes([_DATA]) + octets)
        while True:
            self._heard.clear()
            try:
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._heard.wait()
            except TimeoutError:
                return

    async def _take(self, writer: asyncio.StreamWriter) -> None:
        """Pass on what the pod says, to its end."""
        while (message := await self._socket.receive()) is not None:
            channel, octets = message[0] if message else -1, message[1:]
            if channel not in self._greeting:
                continue
            greeting = self._greeting[channel]
            self._greeting[channel] -= min(greeting, len(octets))
            octets = octets[greeting:]
            if channel == _ERROR:
                self._problem = (self._problem + octets)[:_ERROR_BYTES_MAX]
            elif octets:
                self._heard.set()
                writer.write(octets)
                await writer.drain()


def opened(transport: Transport, target: ForwardTarget) -> AbstractAsyncContextManager[WebSocket]:
    """Open what a connection passes through, for as long as a block takes.

    Raises:
        KubeError: The API server or the node refuses, or is away.
    """
    return transport.web_socket(
        _path(target),
        verb="forward",
        target=_name(target),
        params=(("ports", str(target.port)),),
        protocols=_PROTOCOLS,
        message_bytes_max=_MESSAGE_BYTES_MAX,
    )


async def check_allowed(transport: Transport, target: ForwardTarget) -> None:
    """Return if we may forward to a pod; nobody in it is disturbed.

    A request that is no WebSocket is refused as such, once all else is in order.

    Raises:
        KubeError: We may not, there is no such pod, or the API server is away.
    """
    with contextlib.suppress(InvalidError):
        await transport.request(
            "GET",
            _path(target),
            verb="forward",
            target=_name(target),
            params={"ports": str(target.port)},
        )


def _path(target: ForwardTarget) -> str:
    return PODS.path(namespace=target.namespace, name=target.pod, subresource="portforward")


def _name(target: ForwardTarget) -> str:
    return target_of(PODS, target.namespace, target.pod, "portforward")
