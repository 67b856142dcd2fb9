"""Stands for Kubernetes' test image agnhost: `netexec` says who answers and who asked, and `pause`.

By HTTP: `/hostname`, `/clientip`, `/echo?msg=`, `/healthz`, and the time for anything else. By UDP
the words `hostname`, `clientip` and `echo TEXT`; whatever else is sent is not answered. As the
original does, it goes on for `--delay-shutdown` seconds after SIGTERM.
"""

import contextlib
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ciliate.lab.container import pause
from ciliate.lab.kubelet.http_server import (
    HttpRequest,
    HttpResponse,
    hold_ending_signals,
    remote_text,
    serve,
)

_DATAGRAM_BYTES_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class Ports:
    """Where `netexec` answers, and for how long after SIGTERM; a port of -1 is none."""

    http: int = 8080
    udp: int = 8081
    delay_s: float = 0.0


def settings(words: Sequence[str]) -> Ports:
    """Return what `netexec` was told: `--http-port=80`, or in two words.

    Raises:
        ValueError: A flag is unknown, or its value is no number.
    """
    values = {"--http-port": "8080", "--udp-port": "8081", "--delay-shutdown": "0"}
    rest = [word for each in words for word in each.split("=", 1)]
    for flag, value in zip(rest[::2], rest[1::2], strict=True):
        if flag not in values:
            raise ValueError(f"unknown flag {flag}: {', '.join(values)}")
        values[flag] = value
    http, udp, delay = values.values()
    return Ports(int(http), int(udp), float(delay))


def answer(request: HttpRequest) -> HttpResponse:
    """Answer one request."""
    asked = urlsplit(request.target)
    match asked.path.lower():
        case "/hostname":
            text = socket.gethostname()
        case "/clientip":
            text = request.remote
        case "/echo":
            text = parse_qs(asked.query).get("msg", [""])[0]
        case "/healthz":
            text = ""
        case _:
            text = f"NOW: {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return HttpResponse(text.encode())


def answer_datagram(words: bytes, peer: tuple[Any, ...]) -> bytes | None:
    """Answer one datagram, or leave it."""
    command, _, text = words.decode(errors="replace").strip().partition(" ")
    match command.lower():
        case "hostname":
            return socket.gethostname().encode()
        case "clientip":
            return remote_text(peer).encode()
        case "echo":
            return text.encode()
    return None


def _answer_datagrams(opened: socket.socket) -> None:
    while True:
        words, peer = opened.recvfrom(_DATAGRAM_BYTES_MAX)
        said = answer_datagram(words, peer)
        if said is not None:
            with contextlib.suppress(OSError):  # A client that is gone, or out of reach.
                opened.sendto(said, peer)


def _listen_udp(port: int) -> socket.socket:
    """A socket for both families, or for IPv4 where IPv6 is off."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            opened.bind(("::", port))
            return opened
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("", port))
    return opened


def run(argv: list[str]) -> int:
    """Be agnhost; the exit code."""
    command = argv[0] if argv else "pause"
    if command == "pause":
        return pause.run(argv[1:])
    if command != "netexec":
        print(f"agnhost: {command}: a lab has netexec and pause", file=sys.stderr, flush=True)
        return 1
    try:
        ports = settings(argv[1:])
        hold_ending_signals()
        if ports.udp >= 0:
            opened = _listen_udp(ports.udp)
            threading.Thread(target=_answer_datagrams, args=(opened,), daemon=True).start()
        print(f"Started HTTP server on port {ports.http}", flush=True)
        serve(ports.http, answer, linger_s=ports.delay_s)
    except (ValueError, OSError) as error:
        print(f"agnhost: {error}", file=sys.stderr, flush=True)
        return 1
    return 0
