import json

import pytest

from ciliate.lab.kubelet import whoami
from ciliate.lab.kubelet.http_server import HttpRequest

REQUEST = HttpRequest(
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
