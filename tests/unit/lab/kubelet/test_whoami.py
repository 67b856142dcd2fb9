import asyncio
import json
import socket

import pytest

from ciliate.lab.kubelet import whoami
from ciliate.lab.kubelet.small_http import Request, _Connection, _remote_text

REQUEST = Request(
    method="GET",
    target="/",
    version="HTTP/1.1",
    headers=(
        ("Host", "webpod"),
        ("x-request-id", "7"),
        ("User-Agent", "curl/8.5.0"),
        ("Accept", "*/*"),
    ),
    body=b"",
    remote="10.244.0.93:48270",
)


def test_text_is_the_originals() -> None:
    text = whoami.render_text(REQUEST, hostname="webpod-1", ips=["127.0.0.1", "::1", "10.0.0.2"])

    assert text == (
        "Hostname: webpod-1\n"
        "IP: 127.0.0.1\n"
        "IP: ::1\n"
        "IP: 10.0.0.2\n"
        "RemoteAddr: 10.244.0.93:48270\n"
        "GET / HTTP/1.1\r\n"
        "Host: webpod\r\n"
        "User-Agent: curl/8.5.0\r\n"
        "Accept: */*\r\n"
        "X-Request-Id: 7\r\n"
        "\r\n"
    )


def test_json_has_the_same_facts() -> None:
    document = json.loads(whoami.render_json(REQUEST, hostname="webpod-1", ips=["10.0.0.2"]))

    assert document["hostname"] == "webpod-1"
    assert document["ip"] == ["10.0.0.2"]
    assert document["remoteAddr"] == "10.244.0.93:48270"
    assert document["headers"]["Accept"] == ["*/*"]
    assert "Host" not in document["headers"]


@pytest.mark.parametrize(
    ("argv", "environment", "port"),
    [
        ([], {}, 80),
        ([], {"WHOAMI_PORT_NUMBER": "8080"}, 8080),
        (["--port", "81"], {"WHOAMI_PORT_NUMBER": "8080"}, 81),
        (["--name=x", "--port=82"], {}, 82),
    ],
)
def test_port_comes_from_flag_then_variable(
    argv: list[str], environment: dict[str, str], port: int
) -> None:
    assert whoami.settings(argv, environment)[0] == port


def test_own_addresses_include_loopback() -> None:
    assert whoami.addresses()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (("10.0.0.1", 5), "10.0.0.1:5"),
        (("::ffff:10.0.0.1", 5, 0, 0), "10.0.0.1:5"),
        (("fd00::1", 5, 0, 0), "[fd00::1]:5"),
    ],
)
def test_remote_address_reads_as_go_writes_it(peer: tuple[str, int], text: str) -> None:
    assert _remote_text(peer) == text


async def answers(sent: bytes) -> bytes:
    """Return what a server says to `sent`, until it closes or the client half-closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(whoami.answer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    return said


async def test_two_requests_on_one_connection_are_answered_in_order() -> None:
    said = await answers(
        b"GET /bench HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert said.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\n1HTTP/1.1" in said


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
async def test_nonsense_is_refused_and_closed(sent: bytes) -> None:
    assert (await answers(sent)).startswith(b"HTTP/1.1 400 Bad Request")


async def test_endless_head_is_refused() -> None:
    assert (await answers(b"a" * 70_000)).startswith(b"HTTP/1.1 431 ")


async def test_answer_names_this_host() -> None:
    said = await answers(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert f"Hostname: {socket.gethostname()}\n".encode() in said
