"""A connection to each node, kept as long as there is the node."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

import grpc

from ciliate.errors import CiliateError
from ciliate.flows.pb.observer.observer_pb2_grpc import ObserverStub
from ciliate.flows.relay.channels import Channels
from ciliate.flows.relay.peers import Peer, Peers
from ciliate.reconcile.listeners import Listeners

_log = logging.getLogger(__name__)

#: How long a connection that cannot be made is tried with the certificates that it began with.
_ANEW_S: Final = 15.0
_PAUSE_S: Final = 1.0

#: How long a connection may take, before its node counts as one that does not answer.
_SETTLE_S: Final = 1.0

_READY: Final = grpc.ChannelConnectivity.READY
_FAILED: Final = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)


class Node:
    """A node, and the connection to it."""

    def __init__(self, peer: Peer, channels: Channels) -> None:
        self.peer = peer
        self._channels = channels
        self._channel: grpc.aio.Channel | None = None
        self._settled = asyncio.Event()
        self.is_ready = False
        self.has_settled = False
        #: What clients ask of the node; None: there is no connection yet.
        self.stub: ObserverStub | None = None

    async def keep(self, changed: Listeners["Node"]) -> None:
        """Keep the connection until cancelled; tell when the node begins or ceases to answer."""
        told = ""
        try:
            while True:
                try:
                    self._channel = self._channels.open(self.peer.address, self.peer.server_name)
                except CiliateError as error:
                    if str(error) != told:
                        told = str(error)
                        _log.warning("node %s: %s", self.peer.name, error)
                    self._note(changed, is_ready=False)
                    await asyncio.sleep(_PAUSE_S)
                    continue
                told, self.stub = "", ObserverStub(self._channel)
                await self._follow(self._channel, changed)
                await self._channel.close()
        finally:
            if self._channel is not None:
                await self._channel.close()

    async def _follow(self, channel: grpc.aio.Channel, changed: Listeners["Node"]) -> None:
        """Follow a connection's state; return when it is time for one with other certificates."""
        clock = asyncio.get_running_loop().time
        failing_since: float | None = None
        while True:
            state = channel.get_state(try_to_connect=True)
            if state is _READY or state in _FAILED:
                self._note(changed, is_ready=state is _READY)
            if state is _READY:
                failing_since = None
            elif failing_since is None:
                failing_since = clock()
            left_s = None if failing_since is None else failing_since + _ANEW_S - clock()
            if left_s is not None and left_s <= 0:
                return
            try:
                async with asyncio.timeout(left_s):
                    await channel.wait_for_state_change(state)
            except TimeoutError:
                return

    def _note(self, changed: Listeners["Node"], *, is_ready: bool) -> None:
        was, self.is_ready = self.is_ready, is_ready
        self.has_settled = True
        self._settled.set()
        if was != is_ready:
            _log.info("node %s: %s", self.peer.name, "connected" if is_ready else "not connected")
            changed(self)

    async def settled(self) -> None:
        """Return when it is known whether the node answers."""
        await self._settled.wait()


class Pool:
    """The nodes of `peers`, each with its connection; `run` keeps them."""

    def __init__(self, peers: Peers, channels: Channels) -> None:
        self._channels = channels
        self._nodes: dict[str, Node] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._came = asyncio.Event()
        #: Called with a node that begins or ceases to answer, or is gone.
        self.changed: Listeners[Node] = Listeners()
        peers.changed.add(self._peer_changed)

    def __iter__(self) -> Iterator[Node]:
        return iter(tuple(self._nodes.values()))

    def has(self, node: Node) -> bool:
        """Whether a node is still there, at the same address."""
        return self._nodes.get(node.peer.name) is node

    @property
    def ready(self) -> list[Node]:
        """The nodes that answer, by name."""
        return sorted((n for n in self if n.is_ready), key=lambda node: node.peer.name)

    @property
    def unready(self) -> list[Node]:
        """The nodes that do not, by name."""
        return sorted((n for n in self if not n.is_ready), key=lambda node: node.peer.name)

    async def settled(self) -> None:
        """Give connections that have just begun a moment."""
        waiting = [asyncio.ensure_future(n.settled()) for n in self if not n.has_settled]
        if waiting:
            await asyncio.wait(waiting, timeout=_SETTLE_S)
            for each in waiting:
                each.cancel()

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _peer_changed(self, before: Peer | None, after: Peer | None) -> None:
        if before is not None:
            self._tasks.pop(before.name).cancel()
            self.changed(self._nodes.pop(before.name))
        if after is not None:
            node = self._nodes[after.name] = Node(after, self._channels)
            self._tasks[after.name] = asyncio.create_task(node.keep(self.changed))
