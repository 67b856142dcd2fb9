import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ciliate.lab.kubelet import whoami
from ciliate.lab.kubelet.http_server import CONNECTIONS_MAX, AnswerServer, remote_text
from ciliate.system.untaken import in_kernel_bytes


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (("10.0.0.1", 5), "10.0.0.1:5"),
        (("::ffff:10.0.0.1", 5, 0, 0), "10.0.0.1:5"),
        (("fd00::1", 5, 0, 0), "[fd00::1]:5"),
    ],
)
def test_remote_address_reads_as_go_writes_it(peer: tuple[str, int], text: str) -> None:
    assert remote_text(peer) == text


@contextmanager
def served(kind: type[AnswerServer] = AnswerServer) -> Iterator[int]:
    server = kind(socket.create_server(("127.0.0.1", 0)), whoami.answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answers(sent: bytes) -> bytes:
    """Return what a server says to `sent` until it closes, after the client's half-close."""
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as reader:
            return reader.read()


def test_two_requests_on_one_connection_are_answered_in_order() -> None:
    said = answers(
        b"GET /bench HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert said.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n1HTTP/1.1" in said


def test_body_is_read_and_every_method_is_answered() -> None:
    said = answers(
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        b"HEAD /bench HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert said.count(b"HTTP/1.1 200 OK") == 2
    assert b"PUT / HTTP/1.1\r\n" in said
    assert said.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "head", [b"GET /bench HTTP/1.0", b"GET /bench HTTP/1.1\r\nConnection: close"]
)
def test_client_that_wants_no_more_sees_the_end_announced(head: bytes) -> None:
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head + b"\r\n\r\n")
        with client.makefile("rb") as reader:
            said = reader.read()  # Until the server closes.
    assert b"\r\nConnection: close\r\n" in said


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
def test_nonsense_is_refused_and_closed(sent: bytes) -> None:
    assert b"400" in answers(sent).splitlines()[0]


def test_endless_head_is_refused() -> None:
    assert answers(b"a" * 70_000).startswith(b"HTTP/1.1 414 ")
    assert b" 431 " in answers(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200).splitlines()[0]


def test_answer_names_this_host() -> None:
    said = answers(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert f"Hostname: {socket.gethostname()}\n".encode() in said


def test_silent_connections_leave_the_server_to_whoever_asks() -> None:
    with served() as port, contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX + 20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /bench HTTP/1.0\r\n\r\n")
            with client.makefile("rb") as reader:
                assert reader.read().endswith(b"\r\n\r\n1")


def test_connection_waits_once_its_answer_is_sent_and_not_before() -> None:
    """Who waits is ended to make room, and would lose what is still in our buffer."""
    sent: list[int] = []
    judged = threading.Event()

    class Watching(AnswerServer):
        def waits(self, connection: socket.socket) -> None:
            sent.append(in_kernel_bytes(connection) + len(received()))
            if len(sent) > 1:  # The first time it has not asked yet.
                judged.set()
            super().waits(connection)

    def received() -> bytes:
        try:
            return client.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""

    client = socket.socket()
    with served(Watching) as port:
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /bench HTTP/1.1\r\nHost: a\r\n\r\n")
        assert judged.wait(10)
        client.close()

    assert (sent[0], sent[1] > 0) == (0, True)
