"""Where clients ask: the Observer, its health and its description, on a Unix socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ciliate.errors import CiliateError
from ciliate.flows.feed import Begin
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.observer import Observer

#: The name under which clients ask for the Observer's health.
HEALTH_NAME: Final = "hubble.server.Observer"

#: Requests under way, of all clients.
_REQUESTS_MAX: Final = 200

_OPTIONS: Final = (
    ("grpc.max_concurrent_streams", 100),  # Of one connection.
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.so_reuseport", 0),
)


@asynccontextmanager
async def serve(store: FlowStore, begin: Begin) -> AsyncIterator[None]:
    """Answer clients inside the block.

    Raises:
        CiliateError: It cannot listen there.
    """
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_REQUESTS_MAX)
    observer_pb2_grpc.add_ObserverServicer_to_server(
        Observer(store, version=begin.version), server
    )
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    described = observer_pb2.DESCRIPTOR.services_by_name["Observer"].full_name
    reflection.enable_server_reflection((described, reflection.SERVICE_NAME), server)
    try:
        server.add_insecure_port(f"unix:{begin.listen}")
    except RuntimeError as error:
        raise CiliateError(f"{begin.listen}: cannot listen: {error}") from error
    await server.start()
    for name in ("", HEALTH_NAME):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield
    finally:
        await server.stop(grace=0)
