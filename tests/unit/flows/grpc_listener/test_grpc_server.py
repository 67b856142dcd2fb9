"""`flows/grpc_listener/grpc_server.py`: health that is told, services that are described."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.unit.flows.server.flow_clients import soon

from ciliate.errors import CiliateError
from ciliate.flows.grpc_listener.front import abstract_target
from ciliate.flows.grpc_listener.grpc_server import HEALTH_NAME, GrpcServer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def healths(channel: grpc.aio.Channel) -> set[int]:
    """Return the health of the server and of its service."""
    stub = health_pb2_grpc.HealthStub(channel)
    found = set()
    for name in ("", HEALTH_NAME):
        asked = health_pb2.HealthCheckRequest(service=name)
        found.add((await soon(stub.Check(asked, wait_for_ready=True))).status)
    return found


@pytest.mark.parametrize("is_well", [True, False])
async def test_health_is_what_is_said(*, tmp_path: Path, is_well: bool) -> None:
    server, address = GrpcServer(requests=4), f"unix:{tmp_path / 's'}"
    async with (
        server.serving(address, is_well=is_well),
        grpc.aio.insecure_channel(address) as channel,
    ):
        assert await healths(channel) == {SERVING if is_well else NOT_SERVING}
        await server.set_health(is_well=not is_well)
        assert await healths(channel) == {NOT_SERVING if is_well else SERVING}


async def test_who_watches_the_health_is_told_of_a_change(tmp_path: Path) -> None:
    server, address = GrpcServer(requests=4), f"unix:{tmp_path / 's'}"
    async with (
        server.serving(address, is_well=False),
        grpc.aio.insecure_channel(address) as channel,
    ):
        asked = health_pb2.HealthCheckRequest(service=HEALTH_NAME)
        call = health_pb2_grpc.HealthStub(channel).Watch(asked, wait_for_ready=True)
        first = (await soon(call.read())).status
        await server.set_health(is_well=True)
        second = (await soon(call.read())).status
        call.cancel()

    assert [first, second] == [NOT_SERVING, SERVING]


async def test_services_are_described(tmp_path: Path) -> None:
    server, address = GrpcServer(requests=4), f"unix:{tmp_path / 's'}"
    server.describe(["observer.Observer"])
    async with server.serving(address), grpc.aio.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        [found] = [each async for each in stub.ServerReflectionInfo(iter(asked))]

    names = {each.name for each in found.list_services_response.service}
    assert names == {"observer.Observer", "grpc.reflection.v1alpha.ServerReflection"}


async def test_socket_may_be_a_name_of_no_file() -> None:
    address, _ = abstract_target("test")
    server = GrpcServer(requests=4)
    async with server.serving(address), grpc.aio.insecure_channel(address) as channel:
        assert await healths(channel) == {SERVING}


async def test_place_where_nobody_can_listen_is_named(tmp_path: Path) -> None:
    with pytest.raises(CiliateError, match="none/s: cannot listen"):
        async with GrpcServer(requests=4).serving(f"unix:{tmp_path / 'none' / 's'}"):
            pass
