"""`flows/server/serving.py`: the Observer on a Unix socket, its health and its description."""

import os
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.unit.flows.server.flow_clients import WatchedStore, answers, begin_at, served, soon
from tests.unit.flows.server.sample_records import packet

from ciliate.errors import CiliateError
from ciliate.flows.server.serving import HEALTH_NAME, serve


@pytest.mark.parametrize("name", ["", "hubble.server.Observer"])
async def test_server_is_healthy_by_its_name_and_as_a_whole(tmp_path: Path, name: str) -> None:
    async with served(tmp_path, WatchedStore()) as channel:
        checks = health_pb2_grpc.HealthStub(channel)
        found = await soon(checks.Check(health_pb2.HealthCheckRequest(service=name)))

    assert found.status == health_pb2.HealthCheckResponse.SERVING
    assert HEALTH_NAME == "hubble.server.Observer"


async def test_health_of_a_service_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()) as channel:
        checks = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await soon(checks.Check(health_pb2.HealthCheckRequest(service="other")))

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_server_describes_its_services(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="observer.Observer"),
        ]

        services, files = [each async for each in stub.ServerReflectionInfo(iter(asked))]

    names = {each.name for each in services.list_services_response.service}
    assert "observer.Observer" in names
    assert files.file_descriptor_response.file_descriptor_proto


async def test_socket_that_a_dead_server_left_is_taken_over(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()):
        os.link(tmp_path / "hubble.sock", tmp_path / "kept")
    os.replace(tmp_path / "kept", tmp_path / "hubble.sock")

    async with served(tmp_path, WatchedStore(1023, packet())) as channel:
        assert len(await answers(channel)) == 1


async def test_place_where_nobody_can_listen_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "hubble.sock"
    with pytest.raises(CiliateError, match=r"none/hubble\.sock: cannot listen: "):
        async with serve(WatchedStore(), begin_at(path)):
            pass
