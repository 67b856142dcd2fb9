"""`flows/grpc_listener/shares.py`: one peer's requests leave room for those of the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.unit.flows.certificate_files import CertificateFiles
from tests.unit.flows.grpc_listener.fronted_server import (
    OPTIONS,
    THERE,
    Fronted,
    flows_kept,
    fronted,
)
from tests.unit.flows.server.flow_clients import soon, until, until_it
from tests.unit.flows.server.sample_records import packet

from ciliate.flows.grpc_listener.shares import peer_key
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc

#: At once, of all; a quarter of them is a peer's share.
REQUESTS, SHARE = 16, 4

TOO_MANY = "this client has as many requests under way as one may: end some"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Fronted]:
    async with fronted(tmp_path, requests=REQUESTS) as found:
        yield found


def follow(stub: observer_pb2_grpc.ObserverStub, count: int) -> list[Any]:
    """Ask so often for flows that come."""
    asked = observer_pb2.GetFlowsRequest(follow=True)
    return [stub.GetFlows(asked, wait_for_ready=True) for _ in range(count)]


async def has_room(stub: observer_pb2_grpc.ObserverStub) -> bool:
    """Whether another request of this client is answered."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        await flows_kept(stub)
        return True
    return False


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await soon(anext(aiter(call)))
    return refused.value.code(), refused.value.details() or ""


async def test_peer_has_a_quarter_of_the_requests_and_others_have_theirs(served: Fronted) -> None:
    async with (
        served.client() as one,
        served.client() as same,
        served.client(source=THERE) as other,
    ):
        held = follow(one, SHARE)
        await until(lambda: served.store.waiting == SHARE)

        for client in (one, same):  # Another connection is no other peer.
            [more] = follow(client, 1)
            assert await refusal(more) == (grpc.StatusCode.RESOURCE_EXHAUSTED, TOO_MANY)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await flows_kept(same)
        assert refused.value.details() == TOO_MANY
        assert await flows_kept(other) == 1
        held += follow(other, SHARE)
        await until(lambda: served.store.waiting == 2 * SHARE)
        for call in held:
            call.cancel()


async def test_request_that_ends_frees_its_place(served: Fronted) -> None:
    async with served.client() as one:
        for _ in range(3 * SHARE):
            assert await flows_kept(one) == 1


async def test_stream_that_is_cancelled_frees_its_place(served: Fronted) -> None:
    async with served.client() as one:
        for _ in range(3):
            held = follow(one, SHARE)
            await until(lambda: served.store.waiting == SHARE)
            for call in held:
                call.cancel()
            await until(lambda: served.store.waiting == 0)
        assert await flows_kept(one) == 1


async def test_stream_that_its_client_never_read_frees_its_place_when_it_is_cancelled(
    served: Fronted,
) -> None:
    served.store.add(*[packet()] * 1022)
    for _ in range(2):
        async with served.client(options=[("grpc.http2.lookahead_bytes", 1024)]) as one:
            asked = observer_pb2.GetFlowsRequest(follow=True, number=2000)
            held = [one.GetFlows(asked, wait_for_ready=True) for _ in range(SHARE)]
            for call in held:
                await soon(call.initial_metadata())
            [more] = follow(one, 1)
            assert (await refusal(more))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
            for call in held:
                call.cancel()
    async with served.client() as one:
        await until_it(lambda: has_room(one))


async def test_connection_that_breaks_frees_its_places(served: Fronted) -> None:
    async with served.client(source=THERE) as one:
        follow(one, SHARE)
        await until(lambda: served.store.waiting == SHARE)

    await until(lambda: served.store.waiting == 0)


async def test_who_comes_by_the_socket_itself_has_no_share(served: Fronted) -> None:
    target = f"unix:{served.folder / 'server.sock'}"
    async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
        stub = observer_pb2_grpc.ObserverStub(channel)
        held = follow(stub, REQUESTS - 1)
        await until(lambda: served.store.waiting == REQUESTS - 1)

        assert await flows_kept(stub) == 1
        for call in held:
            call.cancel()


async def test_relay_that_proves_itself_has_no_share(tmp_path: Path) -> None:
    """A node's only clients are relays: one asks for everybody."""
    files = CertificateFiles(tmp_path / "tls")
    files.write()
    async with (
        fronted(tmp_path, files, requests=REQUESTS) as served,
        served.client(files.credentials()) as relay,
    ):
        held = follow(relay, REQUESTS - 1)
        await until(lambda: served.store.waiting == REQUESTS - 1)

        assert await flows_kept(relay) == 1
        for call in held:
            call.cancel()


@contextlib.asynccontextmanager
async def channel_of(served: Fronted) -> AsyncIterator[grpc.aio.Channel]:
    target = f"127.0.0.1:{served.port}"
    async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
        yield channel


async def test_health_that_is_watched_is_counted(served: Fronted) -> None:
    """Its service writes answers by itself, unlike ours."""
    async with channel_of(served) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="hubble.server.Observer")
        held = [stub.Watch(asked, wait_for_ready=True) for _ in range(SHARE)]
        found = [(await soon(call.read())).status for call in held]

        assert found == [health_pb2.HealthCheckResponse.SERVING] * SHARE
        assert await refusal(stub.Watch(asked)) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            TOO_MANY,
        )
        held.pop().cancel()
        async with served.client() as same:
            await until_it(lambda: has_room(same))
        for call in held:
            call.cancel()


async def test_questions_for_the_description_are_counted(served: Fronted) -> None:
    """They are streams both ways, which a client may hold open."""
    release = asyncio.Event()

    async def questions() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        await release.wait()

    async with channel_of(served) as channel, served.client(source=THERE) as other:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        held = [stub.ServerReflectionInfo(questions(), wait_for_ready=True) for _ in range(SHARE)]
        for call in held:
            answer = await soon(call.read())
            assert answer.list_services_response.service

        assert await refusal(stub.ServerReflectionInfo(questions())) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            TOO_MANY,
        )
        assert await flows_kept(other) == 1
        release.set()
        for call in held:
            call.cancel()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("unix-abstract:ciliate-grpc-0123abcd-17-7f000001", "7f000001"),
        ("unix-abstract:ciliate-grpc-0123abcd-17-fd00000000000001", "fd00000000000001"),
        ("unix-abstract:ciliate-grpc-0123abcd-17-", ""),
        ("unix-abstract:other", ""),
        ("unix:", ""),
        ("unix:/run/ciliate-grpc-1-2-7f000001", ""),
        ("ipv4:10.0.0.1:4242", ""),
    ],
)
def test_peer_is_told_by_the_name_of_its_connection(name: str, key: str) -> None:
    assert peer_key(name) == key
