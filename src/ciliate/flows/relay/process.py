"""A relay's run: who is asked, where clients ask, whether it is well."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Final

from ciliate import CILIUM_API_VERSION
from ciliate.flows.grpc_listener.front import Front, abstract_target
from ciliate.flows.grpc_listener.grpc_server import GrpcServer
from ciliate.flows.grpc_listener.tls_files import TlsFiles
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.relay.channels import Channels
from ciliate.flows.relay.observer import RelayObserver
from ciliate.flows.relay.peers import Peers
from ciliate.flows.relay.pool import Pool
from ciliate.flows.relay.settings import RelaySettings, TlsServer

_log = logging.getLogger(__name__)

#: Requests under way: each is as many as there are nodes.
_REQUESTS_MAX: Final = 128
#: Of probes.
_PROBES_MAX: Final = 16

#: How often it is looked whether any node can be asked.
_HEALTH_S: Final = 0.5


async def run_relay(settings: RelaySettings, *, name: str) -> None:
    """Serve until cancelled, as `name`."""
    if settings.without_effect:
        _log.info("keys without effect here: %s", ", ".join(settings.without_effect))
    channels = Channels(settings.client_tls)
    peers = Peers(settings, channels)
    pool = Pool(peers, channels)
    server, probed = GrpcServer(requests=_REQUESTS_MAX), GrpcServer(requests=_PROBES_MAX)
    observer = RelayObserver(pool, name=name, version=CILIUM_API_VERSION)
    observer_pb2_grpc.add_ObserverServicer_to_server(observer, server.grpc)
    server.describe([observer_pb2.DESCRIPTOR.services_by_name["Observer"].full_name])
    try:
        async with AsyncExitStack() as stack:
            for each, title, address, tls in (
                (server, "hubble-relay", settings.listen_address, settings.server_tls),
                (probed, "hubble-relay-health", settings.health_address, None),
            ):
                place, target = abstract_target(title)
                await stack.enter_async_context(each.serving(place, is_well=False))
                front = Front(title, address, target, tls=_tls_files(tls))
                await stack.enter_async_context(front.serving())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(peers.run())
            tasks.create_task(_tell_health(peers, pool, (server, probed)))
    finally:
        await pool.close()


def _tls_files(tls: TlsServer | None) -> TlsFiles | None:
    return None if tls is None else TlsFiles(tls.certificate, tls.key, tls.client_authorities)


async def _tell_health(peers: Peers, pool: Pool, servers: tuple[GrpcServer, ...]) -> None:
    """A relay is well while an agent tells it of nodes, and one of them answers at least."""
    was_well = False
    while True:
        is_well = peers.is_told and bool(pool.ready)
        if is_well != was_well:
            for server in servers:
                await server.set_health(is_well=is_well)
            was_well = is_well
        await asyncio.sleep(_HEALTH_S)
