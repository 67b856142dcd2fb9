"""Where clients ask: the Observer and the peers, on a Unix socket and, for relays, over TCP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from ciliate.flows.feed import Begin, ListenBegin
from ciliate.flows.grpc_listener.front import Front
from ciliate.flows.grpc_listener.grpc_server import GrpcServer
from ciliate.flows.grpc_listener.tls_files import TlsFiles
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.pb.peer import peer_pb2, peer_pb2_grpc
from ciliate.flows.server.agent_events import AgentEvents
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.observer import Observer
from ciliate.flows.server.peers import PeerService, PeerTable

#: Requests under way, of all clients.
_REQUESTS_MAX: Final = 200


@asynccontextmanager
async def serve(
    store: FlowStore, peers: PeerTable, begin: Begin, events: AgentEvents | None = None
) -> AsyncIterator[None]:
    """Answer clients inside the block.

    Raises:
        CiliateError: It cannot listen at the Unix socket. A port that is taken is tried again.
    """
    server = GrpcServer(requests=_REQUESTS_MAX)
    observer = Observer(store, version=begin.version, events=events)
    observer_pb2_grpc.add_ObserverServicer_to_server(observer, server.grpc)
    peer_pb2_grpc.add_PeerServicer_to_server(PeerService(peers), server.grpc)
    described = (
        observer_pb2.DESCRIPTOR.services_by_name["Observer"],
        peer_pb2.DESCRIPTOR.services_by_name["Peer"],
    )
    server.describe([each.full_name for each in described])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server.serving(f"unix:{begin.listen}"))
        if begin.listener is not None:
            front = _front(begin.listener, begin.listen)
            await stack.enter_async_context(front.serving())
        yield


def _front(listener: ListenBegin, socket_path: str) -> Front:
    tls = None
    if listener.tls is not None:
        authorities = [Path(each) for each in listener.tls.client_authorities]
        tls = TlsFiles(Path(listener.tls.certificate), Path(listener.tls.key), authorities)
    return Front("hubble", listener.address, socket_path.encode(), tls=tls)
