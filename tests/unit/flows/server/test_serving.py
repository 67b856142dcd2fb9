"""`flows/server/serving.py`: the Observer on a Unix socket, its health and its description."""

import os
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.unit.flows.certificate_files import NODE, CertificateFiles
from tests.unit.flows.described_client import described_answers
from tests.unit.flows.grpc_listener.fronted_server import OPTIONS, free_port
from tests.unit.flows.server.flow_clients import (
    WatchedStore,
    answers,
    begin_at,
    calls,
    served,
    soon,
)
from tests.unit.flows.server.sample_records import packet

from ciliate.errors import CiliateError
from ciliate.flows.feed import ListenBegin, NodePeer, TlsBegin
from ciliate.flows.grpc_listener.grpc_server import HEALTH_NAME
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.peers import PeerTable
from ciliate.flows.server.serving import serve


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
    assert {"observer.Observer", "peer.Peer"} <= names
    assert files.file_descriptor_response.file_descriptor_proto


async def test_client_that_knows_a_server_by_its_description_alone_understands_it(
    tmp_path: Path,
) -> None:
    peers = PeerTable()
    peers.take(NodePeer(name="k8s-w1", address="192.0.2.1:4244", server_name="w1.example"))
    async with served(tmp_path, WatchedStore(1023, packet()), peers):
        target = f"unix:{tmp_path / 'hubble.sock'}"
        [flow] = await described_answers(target, "observer.Observer/GetFlows", number=5)
        [status] = await described_answers(target, "observer.Observer/ServerStatus")
        [peer] = await described_answers(target, "peer.Peer/Notify", count=1)

    assert flow.flow.source.pod_name == "web-0"
    assert not isinstance(flow, observer_pb2.GetFlowsResponse)
    assert status.num_flows == 1
    assert (peer.name, peer.address, peer.tls.server_name) == (
        "k8s-w1",
        "192.0.2.1:4244",
        "w1.example",
    )
    assert (
        peer.type
        == peer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name["PEER_ADDED"].number
    )


async def test_relays_ask_over_tls_at_the_address_that_is_named(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path / "tls")
    files.write()
    port, tls = free_port(), files.tls
    told = TlsBegin(
        certificate=str(tls.certificate),
        key=str(tls.key),
        client_authorities=tuple(map(str, tls.client_authorities)),
    )
    begin = begin_at(
        tmp_path / "hubble.sock", listener=ListenBegin(address=f"127.0.0.1:{port}", tls=told)
    )
    named = ("grpc.ssl_target_name_override", NODE)
    async with (
        serve(WatchedStore(1023, packet()), PeerTable(), begin),
        grpc.aio.secure_channel(
            f"127.0.0.1:{port}", files.credentials(), options=[*OPTIONS, named]
        ) as channel,
        grpc.aio.insecure_channel(f"unix:{tmp_path / 'hubble.sock'}") as own,
    ):
        asked = observer_pb2.GetFlowsRequest()
        call = calls(channel).GetFlows(asked, wait_for_ready=True)
        assert len([each async for each in call]) == 1
        assert len(await answers(own)) == 1


async def test_socket_that_a_dead_server_left_is_taken_over(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()):
        os.link(tmp_path / "hubble.sock", tmp_path / "kept")
    os.replace(tmp_path / "kept", tmp_path / "hubble.sock")

    async with served(tmp_path, WatchedStore(1023, packet())) as channel:
        assert len(await answers(channel)) == 1


async def test_place_where_nobody_can_listen_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "hubble.sock"
    with pytest.raises(CiliateError, match=r"none/hubble\.sock: cannot listen: "):
        async with serve(WatchedStore(), PeerTable(), begin_at(path)):
            pass
