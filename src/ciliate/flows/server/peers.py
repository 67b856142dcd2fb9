"""The nodes that have a flow server, for a relay that asks one of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import grpc

from ciliate.flows.feed import NodePeer, NodePeerGone
from ciliate.flows.pb.peer import peer_pb2, peer_pb2_grpc

#: Changes that a listener may not have taken, beside those it is told first.
_UNTAKEN_MAX: Final = 10_000

Change = peer_pb2.ChangeNotification


class PeerTable:
    """The nodes by name, and who is told of changes."""

    def __init__(self) -> None:
        self._peers: dict[str, NodePeer] = {}
        self._queues: set[asyncio.Queue[Change | None]] = set()

    def take(self, line: NodePeer | NodePeerGone) -> None:
        """Note that a node is there, is elsewhere, or is gone."""
        before = self._peers.get(line.name)
        if isinstance(line, NodePeer):
            self._peers[line.name] = line
            if before is None:
                self._tell(_change(peer_pb2.PEER_ADDED, line))
            elif before != line:
                self._tell(_change(peer_pb2.PEER_UPDATED, line))
        elif before is not None:
            del self._peers[line.name]
            self._tell(_change(peer_pb2.PEER_DELETED, before))

    def _tell(self, change: Change) -> None:
        for queue in tuple(self._queues):
            try:
                queue.put_nowait(change)
            except asyncio.QueueFull:
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)

    async def changes(self) -> AsyncIterator[Change]:
        """Yield every node as added, then each change; end where too many are not taken."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(_UNTAKEN_MAX)
        self._queues.add(queue)
        try:
            for change in tuple(self._all()):
                yield change
            while (next_change := await queue.get()) is not None:
                yield next_change
        finally:
            self._queues.discard(queue)

    def _all(self) -> Iterator[Change]:
        for peer in self._peers.values():
            yield _change(peer_pb2.PEER_ADDED, peer)


def _change(kind: peer_pb2.ChangeNotificationType, peer: NodePeer) -> Change:
    change = Change(name=peer.name, address=peer.address, type=kind)
    if peer.server_name:
        change.tls.server_name = peer.server_name
    return change


class PeerService(peer_pb2_grpc.PeerServicer):
    """Tells relays which nodes there are."""

    def __init__(self, peers: PeerTable) -> None:
        self._peers = peers

    async def Notify(  # noqa: N802 - gRPC's name.
        self, request: peer_pb2.NotifyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Change]:
        """Tell every node as added, then each change."""
        del request
        async for change in self._peers.changes():
            yield change
        await context.abort(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "changes were not taken in time: ask anew"
        )
