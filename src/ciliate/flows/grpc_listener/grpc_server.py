"""A gRPC server that can be asked for its health and its description."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ciliate.errors import CiliateError
from ciliate.flows.grpc_listener.shares import PeerShares

#: The name under which clients ask for the Observer's health.
HEALTH_NAME: Final = "hubble.server.Observer"

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING

_OPTIONS: Final = (
    ("grpc.max_concurrent_streams", 100),  # Of one connection.
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.so_reuseport", 0),
    # Relays look after connections to nodes that say nothing.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class GrpcServer:
    """A server to which services are added, before it serves; it is well until told otherwise."""

    def __init__(self, *, requests: int) -> None:
        """Answer so many requests at once, of all clients."""
        self.grpc = grpc.aio.server(
            options=_OPTIONS,
            maximum_concurrent_rpcs=requests,
            interceptors=(PeerShares(requests),),
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)

    def describe(self, services: Sequence[str]) -> None:
        """Describe these services, by full names, to who asks."""
        reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), self.grpc)

    async def set_health(self, *, is_well: bool) -> None:
        """Say whether requests are answered."""
        for name in ("", HEALTH_NAME):
            await self._health.set(name, _SERVING if is_well else _NOT_SERVING)

    @asynccontextmanager
    async def serving(self, address: str, *, is_well: bool = True) -> AsyncIterator[None]:
        """Serve at an address of gRPC's form inside the block.

        Raises:
            CiliateError: It cannot listen there.
        """
        try:
            self.grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise CiliateError(f"{address}: cannot listen: {error}") from error
        await self.set_health(is_well=is_well)
        await self.grpc.start()
        try:
            yield
        finally:
            await self.grpc.stop(grace=0)
