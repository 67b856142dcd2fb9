"""Which nodes there are, as an agent tells; what was told holds while none answers."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc

from ciliate.errors import CiliateError
from ciliate.flows import tls_names
from ciliate.flows.pb.peer import peer_pb2
from ciliate.flows.pb.peer.peer_pb2_grpc import PeerStub
from ciliate.flows.relay.channels import Channels, details_of
from ciliate.flows.relay.settings import RelaySettings
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.listeners import Listeners

_log = logging.getLogger(__name__)

#: After an agent has begun to tell, until those that it did not name are gone.
_FIRST_S: Final = 3.0

#: The longest pause before an agent is asked again.
_PAUSE_MAX_S: Final = 10.0

#: No cluster has more nodes.
_PEERS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Peer:
    """A node's flow server."""

    name: str
    address: str
    server_name: str  # Empty: without TLS.


class Peers:
    """The nodes by name; `run` keeps them right, `changed` is called with one before and after."""

    def __init__(self, settings: RelaySettings, channels: Channels) -> None:
        self._settings = settings
        self._channels = channels
        self._peers: dict[str, Peer] = {}
        self.changed: Listeners[Peer | None, Peer | None] = Listeners()
        #: Whether an agent tells at the moment.
        self.is_told = False
        self._is_full_told = False

    @property
    def by_name(self) -> Mapping[str, Peer]:
        """The nodes that are known."""
        return self._peers

    async def run(self) -> None:
        """Listen to an agent until cancelled; when it ends, to another."""
        pause, told = Backoff(limit_s=_PAUSE_MAX_S), ""
        while True:
            try:
                await self._listen(pause)
                problem = "it has nothing more to tell"
            except grpc.RpcError as error:
                problem = details_of(error)
            except CiliateError as error:
                problem = str(error)
            self.is_told = False
            if problem != told:
                _log.warning("peers: %s: %s; asking again", self._settings.peer_service, problem)
                told = problem
            await asyncio.sleep(pause.next())

    async def _listen(self, pause: Backoff) -> None:
        name = tls_names.peer_service_name(self._settings.cluster)
        async with self._channels.open(self._settings.peer_service, name) as channel:
            seen: set[str] | None = set()
            begun_s = asyncio.get_running_loop().time()
            changes = PeerStub(channel).Notify(peer_pb2.NotifyRequest()).__aiter__()
            following = asyncio.ensure_future(anext(changes))
            try:
                while True:
                    left_s = None
                    if seen is not None:
                        left_s = max(0.0, begun_s + _FIRST_S - asyncio.get_running_loop().time())
                    await asyncio.wait((following,), timeout=left_s)
                    if following.done():
                        change = following.result()
                        if not self.is_told:
                            _log.info("peers: %s tells", self._settings.peer_service)
                        self.is_told = True
                        pause.reset()
                        self._take(change, seen)
                        following = asyncio.ensure_future(anext(changes))
                    elif seen is not None and self.is_told:
                        self._forget_others(seen)
                        seen = None
                    else:
                        begun_s = asyncio.get_running_loop().time()
            except StopAsyncIteration:
                return
            finally:
                following.cancel()

    def _take(self, change: peer_pb2.ChangeNotification, seen: set[str] | None) -> None:
        if change.type == peer_pb2.PEER_DELETED:
            self._forget(change.name)
            return
        if change.name not in self._peers and len(self._peers) >= _PEERS_MAX:
            if not self._is_full_told:
                self._is_full_told = True
                _log.warning("peers: more than %d nodes: %s is not asked", _PEERS_MAX, change.name)
            return
        peer = Peer(change.name, change.address, change.tls.server_name)
        if seen is not None:
            seen.add(change.name)
        before = self._peers.get(peer.name)
        if before != peer:
            self._peers[peer.name] = peer
            self.changed(before, peer)

    def _forget_others(self, seen: set[str]) -> None:
        for name in set(self._peers) - seen:
            self._forget(name)

    def _forget(self, name: str) -> None:
        before = self._peers.pop(name, None)
        if before is not None:
            self.changed(before, None)
