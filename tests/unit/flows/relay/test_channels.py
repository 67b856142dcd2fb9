"""`flows/relay/channels.py`: a node is asked by certificates where it has a name in one."""

import asyncio
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from tests.unit.flows.certificate_files import HOUR, NODE, CertificateFiles, issued
from tests.unit.flows.grpc_listener.fronted_server import flows_kept, fronted
from tests.unit.flows.server.flow_clients import Calls, WatchedStore, calls, served, soon

from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.relay.channels import (
    CertificateFileError,
    Channels,
    ConnectionClosedError,
    code_of,
    details_of,
    unless_closed,
)
from ciliate.system.certificates import Authority


@pytest.fixture
def nodes(tmp_path: Path) -> CertificateFiles:
    found = CertificateFiles(tmp_path / "node")
    found.write()
    return found


@pytest.fixture
def relays(tmp_path: Path, nodes: CertificateFiles) -> CertificateFiles:
    found = CertificateFiles(tmp_path / "relay", nodes.authority)
    found.write(issued(nodes.authority))
    return found


async def test_node_and_relay_prove_themselves_to_each_other(
    tmp_path: Path, nodes: CertificateFiles, relays: CertificateFiles
) -> None:
    async with (
        fronted(tmp_path, nodes) as node,
        Channels(relays.tls_client).open(f"127.0.0.1:{node.port}", NODE) as channel,
    ):
        assert await flows_kept(calls(channel)) == 1


async def test_node_that_is_another_than_it_should_be_is_not_asked(
    tmp_path: Path, nodes: CertificateFiles, relays: CertificateFiles
) -> None:
    name = "k8s-w1.east.hubble-grpc.cilium.io"
    async with (
        fronted(tmp_path, nodes) as node,
        Channels(relays.tls_client).open(f"127.0.0.1:{node.port}", NODE) as right,
        Channels(relays.tls_client).open(f"127.0.0.1:{node.port}", name) as wrong,
    ):
        assert await flows_kept(calls(right)) == 1
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await flows_kept(calls(wrong), waits=False)
    assert code_of(refused.value) is grpc.StatusCode.UNAVAILABLE
    assert details_of(refused.value)


async def test_node_of_any_of_several_authorities_is_taken(
    tmp_path: Path, nodes: CertificateFiles, relays: CertificateFiles
) -> None:
    other = relays.folder / "other.crt"
    other.write_bytes(Authority.make("other", lifetime=HOUR).certificate_pem)
    tls = relays.tls_client
    several = replace(tls, authorities=(other, *tls.authorities))
    async with (
        fronted(tmp_path, nodes) as node,
        Channels(several).open(f"127.0.0.1:{node.port}", NODE) as channel,
    ):
        assert await flows_kept(calls(channel)) == 1


async def test_node_without_a_name_in_a_certificate_is_asked_in_plain(
    tmp_path: Path, relays: CertificateFiles
) -> None:
    async with (
        fronted(tmp_path) as node,
        Channels(relays.tls_client).open(f"127.0.0.1:{node.port}", "") as channel,
        Channels(None).open(f"passthrough:///127.0.0.1:{node.port}", NODE) as other,
    ):
        assert await flows_kept(calls(channel)) == await flows_kept(calls(other)) == 1


async def test_own_node_s_socket_is_asked_in_plain_whatever_is_set(
    tmp_path: Path, relays: CertificateFiles
) -> None:
    async with (
        served(tmp_path, WatchedStore()),
        Channels(relays.tls_client).open(f"unix://{tmp_path}/hubble.sock", NODE) as channel,
    ):
        assert await flows_kept(calls(channel)) == 0


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt", "tls.key"])
async def test_file_that_is_missing_is_named_and_read_anew_for_the_next(
    relays: CertificateFiles, name: str
) -> None:
    channels, file = Channels(relays.tls_client), relays.folder / name
    octets = file.read_bytes()
    file.unlink()

    with pytest.raises(CertificateFileError) as refused:
        channels.open("127.0.0.1:1", NODE)
    assert refused.value.file == file
    assert str(refused.value) == f"{file}: No such file or directory"

    file.write_bytes(octets)
    await channels.open("127.0.0.1:1", NODE).close()


async def asked(stub: Calls) -> object:
    return await stub.ServerStatus(observer_pb2.ServerStatusRequest())


async def test_call_over_a_connection_that_we_close_is_an_error_of_its_own(
    tmp_path: Path,
) -> None:
    """To gRPC it is a cancellation, as if our own task had been told to end."""
    question = observer_pb2.GetFlowsRequest(follow=True)
    store = WatchedStore()
    async with served(tmp_path, store) as channel:
        stub = calls(channel)
        call = stub.GetFlows(question)
        await soon(call.initial_metadata())
        waiting = asyncio.ensure_future(unless_closed(anext(aiter(call))))
        await asyncio.sleep(0)

        await channel.close()

        with pytest.raises(ConnectionClosedError):
            await soon(waiting)
        with pytest.raises(ConnectionClosedError):
            await soon(unless_closed(asked(stub)))


async def test_own_task_that_is_told_to_end_ends() -> None:
    task = asyncio.ensure_future(unless_closed(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
