"""`flows/grpc_listener/front.py`: gRPC over TLS for who may ask, beside whoever may not."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from tests.deadlines import stretch
from tests.unit.flows.certificate_files import HOUR, NODE, CertificateFiles, issued
from tests.unit.flows.grpc_listener.fronted_server import (
    HERE,
    THERE,
    Fronted,
    connected,
    flows_kept,
    free_port,
    fronted,
)
from tests.unit.flows.server.flow_clients import soon, until, until_it
from tests.unit.flows.server.sample_records import packet

from ciliate.flows.grpc_listener import front as front_module
from ciliate.flows.grpc_listener.front import Front, abstract_target, bounds
from ciliate.flows.pb.observer import observer_pb2
from ciliate.system.admission import Bounds
from ciliate.system.certificates import Authority, Issued
from ciliate.system.listener_counts import Ending, counts_of

#: Of Python's TLS: the client's own certificate is looked at behind its handshake (TLS 1.3).
REFUSED = (ssl.SSLError, ConnectionError)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    found = CertificateFiles(tmp_path / "tls")
    found.write()
    return found


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files often."""
    monkeypatch.setattr(front_module, "_LOOK_SOON_S", 0.01)
    monkeypatch.setattr(front_module, "_LOOK_S", 0.02)


async def serial_number(served: Fronted, files: CertificateFiles) -> int:
    """Return the number of the certificate that new connections get."""
    context = files.client_context()
    _, writer = await soon(
        asyncio.open_connection(HERE, served.port, ssl=context, server_hostname=NODE)
    )
    octets = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(octets).serial_number


async def has_number(served: Fronted, files: CertificateFiles, wanted: int) -> bool:
    return await serial_number(served, files) == wanted


def number(made: Issued) -> int:
    return x509.load_pem_x509_certificate(made.certificate_pem).serial_number


async def test_client_with_a_certificate_is_answered(
    tmp_path: Path, files: CertificateFiles
) -> None:
    async with (
        fronted(tmp_path, files) as served,
        served.client(files.credentials()) as stub,
    ):
        assert await flows_kept(stub) == 1


async def test_flows_come_as_long_as_they_are_followed(
    tmp_path: Path, files: CertificateFiles
) -> None:
    async with fronted(tmp_path, files) as served, served.client(files.credentials()) as stub:
        asked = observer_pb2.GetFlowsRequest(follow=True)
        call = stub.GetFlows(asked, wait_for_ready=True)
        answers = aiter(call)
        await until(lambda: served.store.waiting)
        for port in range(1000, 1500):
            served.store.add(packet(source_port=port))
        found = [(await soon(anext(answers))).flow.l4.TCP.source_port for _ in range(500)]
        call.cancel()
        await until(lambda: not served.store.waiting)

    assert found == [*range(1000, 1500)]


async def test_without_tls_anybody_is_answered(tmp_path: Path) -> None:
    async with fronted(tmp_path) as served, served.client() as stub:
        assert await flows_kept(stub) == 1


def foreign(files: CertificateFiles) -> grpc.ChannelCredentials:
    return files.credentials(issued(Authority.make("ours", lifetime=HOUR)))


def expired(files: CertificateFiles) -> grpc.ChannelCredentials:
    then = datetime.now(tz=UTC) - timedelta(days=2)
    own = files.authority.issue(common_name="late", lifetime=HOUR, server=False, now=then)
    return files.credentials(own)


def nobody(files: CertificateFiles) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(files.authority.certificate_pem)


def plain(files: CertificateFiles) -> None:
    return None


@pytest.mark.parametrize("who", [foreign, expired, nobody, plain])
async def test_client_that_does_not_prove_itself_is_refused_and_others_are_answered(
    tmp_path: Path,
    files: CertificateFiles,
    who: Callable[[CertificateFiles], grpc.ChannelCredentials | None],
) -> None:
    async with (
        fronted(tmp_path, files) as served,
        served.client(files.credentials()) as good,
        served.client(who(files)) as bad,
    ):
        assert await flows_kept(good) == 1
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await flows_kept(bad, waits=False)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await flows_kept(good) == 1
        async with served.client(files.credentials()) as another:
            assert await flows_kept(another) == 1


async def test_client_that_wants_another_name_does_not_take_the_server(
    tmp_path: Path, files: CertificateFiles
) -> None:
    elsewhere = "k8s-w1.east.hubble-grpc.cilium.io"
    async with (
        fronted(tmp_path, files) as served,
        served.client(files.credentials()) as good,
        served.client(files.credentials(), name=elsewhere) as wary,
    ):
        assert await flows_kept(good) == 1
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await flows_kept(wary, waits=False)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await flows_kept(good) == 1


async def test_older_tls_is_refused(tmp_path: Path, files: CertificateFiles) -> None:
    old = files.client_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with (
        fronted(tmp_path, files) as served,
        served.client(files.credentials()) as good,
    ):
        assert await flows_kept(good) == 1
        with pytest.raises(REFUSED):
            await soon(asyncio.open_connection(HERE, served.port, ssl=old, server_hostname=NODE))
        assert await flows_kept(good) == 1


async def test_client_that_breaks_tls_is_ended_without_a_word_in_the_log(
    tmp_path: Path, files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may connect could fill the log else."""
    name = f"front of {tmp_path.name}"
    async with (
        fronted(tmp_path, files) as served,
        served.client(files.credentials()) as good,
    ):
        assert await flows_kept(good) == 1
        before = counts_of(name).open
        with socket.create_connection((HERE, served.port)) as raw:
            context = files.client_context()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname=NODE)
            loop = asyncio.get_running_loop()
            raw.setblocking(False)
            while True:
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    await loop.sock_sendall(raw, outgoing.read())
                    incoming.write(await soon(loop.sock_recv(raw, 65536)))
                else:
                    break
            await loop.sock_sendall(raw, outgoing.read())
            await until(lambda: counts_of(name).open == before + 1)
            await loop.sock_sendall(raw, b"\x17\x03\x03\x00\x20" + bytes(32))
            await until(lambda: counts_of(name).open == before)
        assert await flows_kept(good) == 1
        await asyncio.sleep(0)
        gc.collect()

    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_files_that_are_missing_are_waited_for(
    tmp_path: Path, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    files = CertificateFiles(tmp_path / "tls")
    async with fronted(tmp_path, files) as served:
        await until(lambda: "waiting for certificates" in caplog.text)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HERE, served.port)

        files.write()

        async with served.client(files.credentials()) as stub:
            assert await flows_kept(stub) == 1
    assert caplog.text.count("waiting for certificates") == 1


async def test_new_connections_get_a_new_certificate_and_old_ones_go_on(
    tmp_path: Path, files: CertificateFiles, hurried: None
) -> None:
    async with fronted(tmp_path, files) as served, served.client(files.credentials()) as stub:
        asked = observer_pb2.GetFlowsRequest(follow=True)
        answers = aiter(stub.GetFlows(asked, wait_for_ready=True))
        assert await flows_kept(stub) == 1
        before = await serial_number(served, files)

        after = number(files.write())
        await until_it(lambda: has_number(served, files, after))

        await until(lambda: served.store.waiting)
        served.store.add(packet(source_port=7))
        assert (await soon(anext(answers))).flow.l4.TCP.source_port == 7
        assert before != after


async def test_former_certificate_stays_in_use_while_its_files_are_broken(
    tmp_path: Path, files: CertificateFiles, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    own = files.write()
    async with fronted(tmp_path, files) as served:
        async with served.client(files.credentials()) as stub:
            assert await flows_kept(stub) == 1
        (files.folder / "tls.key").write_bytes(b"half of i")
        await until(lambda: "the former certificate stays in use" in caplog.text)

        assert await serial_number(served, files) == number(own)
        (files.folder / "tls.crt").unlink()
        await until(lambda: "No such file" in caplog.text)
        assert await serial_number(served, files) == number(own)

        after = number(files.write())
        await until_it(lambda: has_number(served, files, after))
    assert caplog.text.count("the former certificate stays in use") == 2, "each fault once"


async def test_authority_that_is_exchanged_is_the_one_that_counts(
    tmp_path: Path, files: CertificateFiles, hurried: None
) -> None:
    other = Authority.make("other", lifetime=HOUR)
    both = files.authority.certificate_pem + other.certificate_pem
    credentials = files.credentials(issued(other))
    async with fronted(tmp_path, files) as served:
        async with served.client(credentials) as stub:
            with pytest.raises(grpc.aio.AioRpcError):
                await flows_kept(stub, waits=False)

        files.write(authorities=both)

        async with served.client(credentials) as stub:
            assert await flows_kept(stub) == 1


async def opened_silent(port: int, count: int) -> list[socket.socket]:
    """Connect so often from this address, and say nothing."""
    made = []
    for _ in range(count):
        each = socket.create_connection((HERE, port))
        each.setblocking(False)
        made.append(each)
        await asyncio.sleep(0)
    return made


async def test_flood_of_silent_connections_keeps_nobody_out(
    tmp_path: Path, files: CertificateFiles
) -> None:
    """Neither who comes from elsewhere, nor from the same address."""
    async with (
        fronted(tmp_path, files) as served,
        served.client(files.credentials(), source=THERE) as before,
        served.client(files.credentials(), source=THERE) as beside,
        served.client(files.credentials()) as same,
    ):
        assert await flows_kept(before) == 1
        flood = await opened_silent(served.port, 600)

        for client in (before, beside, same):
            assert await flows_kept(client) == 1

        counts = counts_of(f"front of {tmp_path.name}")
        assert counts.open <= bounds().peer_newcomers + 3
        assert counts.ended[Ending.DISPLACED] >= 600 - bounds().peer_newcomers
        for each in flood:
            each.close()


def short_bounds() -> Bounds:
    """Return bounds that a test may wait for, and in which a busy machine does a handshake."""
    return Bounds(8, 8, 8, 8, request_s=0.3 * stretch(), idle_s=float("inf"))


@pytest.mark.parametrize("says", [b"", b"\x16"], ids=["nothing", "little"])
async def test_connection_that_asks_nothing_is_ended_after_a_while(
    tmp_path: Path, files: CertificateFiles, says: bytes
) -> None:
    short = short_bounds()
    async with (
        fronted(tmp_path, files, within=short) as served,
        served.client(files.credentials()) as good,
    ):
        assert await flows_kept(good) == 1
        loop = asyncio.get_running_loop()
        [quiet] = await opened_silent(served.port, 1)
        with quiet:
            await loop.sock_sendall(quiet, says)
            with contextlib.suppress(ConnectionError):
                assert await soon(loop.sock_recv(quiet, 1)) == b""
        assert await flows_kept(good) == 1


async def test_client_that_has_asked_may_be_silent_for_longer(
    tmp_path: Path, files: CertificateFiles
) -> None:
    short = short_bounds()
    counts = counts_of(f"front of {tmp_path.name}")
    async with (
        fronted(tmp_path, files, within=short) as served,
        served.client(files.credentials()) as good,
    ):
        answers = aiter(
            good.GetFlows(observer_pb2.GetFlowsRequest(follow=True), wait_for_ready=True)
        )
        await until(lambda: served.store.waiting)
        accepted = counts.accepted  # A handshake may have been late, too, on a busy machine.
        late = counts.ended[Ending.LATE]
        [quiet] = await opened_silent(served.port, 1)
        with quiet:
            await until(lambda: counts.ended[Ending.LATE] > late)
        served.store.add(packet(source_port=9))

        assert (await soon(anext(answers))).flow.l4.TCP.source_port == 9
        assert counts.accepted == accepted + 1


async def test_port_that_is_taken_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    taken = socket.create_server((HERE, port))
    target, name = abstract_target("test")
    assert target.startswith("unix-abstract:ciliate-grpc-test-")
    front = Front("front", f"{HERE}:{port}", name)
    async with front.serving():
        await until(lambda: "cannot listen" in caplog.text)
        taken.close()

        _, writer = await connected(port)
        writer.close()

    assert f"front: cannot listen at {HERE}:{port}: Address already in use" in caplog.text
    assert caplog.text.count("cannot listen") == 1


async def test_connection_is_ended_where_the_server_does_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    front = Front("front", f"{HERE}:{port}", os.fsencode(tmp_path / "none.sock"))
    async with front.serving():
        reader, writer = await connected(port)
        writer.write(b"PRI")

        with contextlib.suppress(ConnectionError):
            assert await soon(reader.read()) == b""
        writer.close()

    assert "front: the server does not answer: " in caplog.text


async def test_end_of_the_server_ends_its_connections(
    tmp_path: Path, files: CertificateFiles
) -> None:
    async with contextlib.AsyncExitStack() as clients:
        async with fronted(tmp_path, files) as served:
            stub = await clients.enter_async_context(served.client(files.credentials()))
            answers = aiter(
                stub.GetFlows(observer_pb2.GetFlowsRequest(follow=True), wait_for_ready=True)
            )
            await until(lambda: served.store.waiting)

        with pytest.raises(grpc.aio.AioRpcError):
            await soon(anext(answers))
    assert counts_of(f"front of {tmp_path.name}").open == 0
