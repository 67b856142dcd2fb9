"""One `kubectl attach`: the client beside a container that runs, at its standard streams.

It sees what the container prints from now on, of stdout and stderr alike, and the end of it as
success: how the container ended stands in the pod's status.
"""

import asyncio
import contextlib
from typing import Protocol

from ciliate.lab.kubelet.container_streams import ContainerInput
from ciliate.lab.kubelet.exec_session import (
    Peer,
    StreamChannel,
    StreamsAsked,
    exit_status,
    failure_status,
)
from ciliate.lab.kubelet.logs import ContainerLog


class Attachable(Protocol):
    """A container that runs: `container.ContainerLife`."""

    @property
    def log(self) -> ContainerLog:
        """Where its output comes by."""

    @property
    def input(self) -> ContainerInput | None:
        """Its standard input, if it has one."""

    def resize(self, size: bytes) -> None:
        """Give its terminal, if it has one, the size that a client sends."""


async def run_attach(life: Attachable, wanted: StreamsAsked, peer: Peer) -> None:
    """Carry the streams until the container ends or the client leaves."""
    written = life.input if wanted.stdin else None
    with life.log.listener() as output:
        tasks = (
            asyncio.ensure_future(_show(output, life.log, wanted, peer)),
            asyncio.ensure_future(_feed(life, written, peer)),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if written is not None:
                written.leave()


async def _show(
    output: "asyncio.Queue[bytes | None]", log: ContainerLog, wanted: StreamsAsked, peer: Peer
) -> None:
    with contextlib.suppress(ConnectionError):
        while (data := await output.get()) is not None:
            if wanted.stdout:
                await peer.send(StreamChannel.STDOUT, data)
        status = exit_status(0) if log.closed else failure_status("the client reads too slowly")
        await peer.send(StreamChannel.ERROR, status)


async def _feed(life: Attachable, written: ContainerInput | None, peer: Peer) -> None:
    """Pass on what the client sends; back when it has left."""
    while (message := await peer.receive()) is not None:
        channel, data = message
        if channel is StreamChannel.RESIZE:
            life.resize(data)
        elif written is None:
            continue
        elif channel is StreamChannel.STDIN:
            await written.write(data)
        elif channel is StreamChannel.CLOSE and data[:1] == bytes([StreamChannel.STDIN]):
            written.leave()
