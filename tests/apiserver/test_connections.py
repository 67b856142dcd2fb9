"""Connections that never ask anything cost the API server little, and are gone soon."""

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ServerProcess, wait_for

#: For a whole request, as docs/LIMITS.md says, and for the server to notice.
GONE_S = 15.0
MIB = 1024 * 1024


def resident_bytes(server: ServerProcess) -> int:
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def descriptors(server: ServerProcess) -> int:
    assert server.process is not None
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def silent(_server: ServerProcess, _connection: socket.socket) -> None:
    """Say nothing."""


def stall(server: ServerProcess, connection: socket.socket) -> None:
    """Begin a TLS handshake and leave it at that."""
    outgoing = ssl.MemoryBIO()
    hello = server.context(with_certificate=False).wrap_bio(
        ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1"
    )
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    with contextlib.suppress(OSError):  # The server may have ended it: another needed its place.
        connection.sendall(outgoing.read())


def shake(server: ServerProcess, connection: socket.socket) -> None:
    """End a TLS handshake without a certificate, and ask nothing."""
    context = server.context(with_certificate=False)
    with contextlib.suppress(OSError):
        context.wrap_socket(connection.dup(), server_hostname="127.0.0.1").detach()


@pytest.mark.parametrize(
    ("behave", "cost_bytes"), [(silent, 20 * MIB), (stall, 64 * MIB), (shake, 64 * MIB)]
)
def test_thousand_connections_without_a_request_cost_little_and_are_gone_after_ten_seconds(
    own_server: ServerProcess,
    behave: Callable[[ServerProcess, socket.socket], None],
    cost_bytes: int,
) -> None:
    for _ in range(20):  # Warms its caches.
        own_server.request("GET", "/api/v1/namespaces")
    before_bytes, before = resident_bytes(own_server), descriptors(own_server)

    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            connection = socket.create_connection(("127.0.0.1", own_server.port))
            stack.enter_context(connection)
            behave(own_server, connection)

        assert own_server.request("GET", "/readyz")[0] == 200
        assert resident_bytes(own_server) - before_bytes <= cost_bytes
        wait_for(
            lambda: descriptors(own_server) <= before, what="they are gone", deadline_s=GONE_S
        )


def test_client_without_a_certificate_leaves_nothing_behind(own_server: ServerProcess) -> None:
    before = descriptors(own_server)
    for _ in range(50):
        context = own_server.context(with_certificate=False)
        with (
            socket.create_connection(("127.0.0.1", own_server.port)) as connection,
            contextlib.suppress(OSError),
            context.wrap_socket(connection, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while data := secure.recv(4096):
                answer += data
            assert answer.startswith(b"HTTP/1.1 401 ")

    wait_for(lambda: descriptors(own_server) <= before, what="they are gone", deadline_s=5.0)
    assert own_server.request("GET", "/readyz")[0] == 200
