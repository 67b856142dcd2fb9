"""Stands for the image traefik/whoami: answers with its own name and the request as it came.

The text is the original's, line by line: tests and people read `Hostname:` and `RemoteAddr:` from
it. Paths: `/` text, `/api` JSON, `/health` status 200, `/bench` a constant.
"""

import fcntl
import json
import os
import socket
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from ciliate.lab.kubelet.http_server import HttpRequest, HttpResponse, serve

_SIOCGIFADDR: Final = 0x8915
#: How long it goes on after SIGTERM: until then every node has heard that it terminates, and no
#: client of a Service is sent here. Others use a preStop hook for that.
LINGER_S: Final = 2.0


def addresses() -> list[str]:
    """Return this network namespace's addresses, interface by interface, IPv4 first."""
    by_interface: dict[int, list[str]] = defaultdict(list)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for index, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(control, _SIOCGIFADDR, request)
            except OSError:
                continue  # An interface without an IPv4 address.
            by_interface[index].append(socket.inet_ntoa(answer[20:24]))
    try:
        table = Path("/proc/thread-self/net/if_inet6").read_text()
    except FileNotFoundError:
        table = ""  # A kernel without IPv6.
    for line in table.splitlines():
        address, index_hex = line.split()[:2]
        text = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
        by_interface[int(index_hex, 16)].append(text)
    return [address for index in sorted(by_interface) for address in by_interface[index]]


def render_text(request: HttpRequest, *, hostname: str, ips: Iterable[str], name: str = "") -> str:
    """Return what whoami prints: itself, then the request as Go's `Request.Write` writes it."""
    lines = [f"Name: {name}"] if name else []
    lines.append(f"Hostname: {hostname}")
    lines += [f"IP: {ip}" for ip in ips]
    lines.append(f"RemoteAddr: {request.remote}")
    return "\n".join(lines) + "\n" + "\r\n".join([*_request_lines(request), "", ""])


def _request_lines(request: HttpRequest) -> list[str]:
    """Host and User-Agent come first, the others by name."""
    first = ("host", "user-agent")
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {request.header('host')}"]
    if request.header("user-agent"):
        lines.append(f"User-Agent: {request.header('user-agent')}")
    rest = sorted((_canonical(k), v) for k, v in request.headers if k.lower() not in first)
    return lines + [f"{key}: {value}" for key, value in rest]


def render_json(request: HttpRequest, *, hostname: str, ips: Iterable[str], name: str = "") -> str:
    """Return the same as JSON, with the original's names."""
    headers: dict[str, list[str]] = defaultdict(list)
    for key, value in request.headers:
        if key.lower() != "host":
            headers[_canonical(key)].append(value)
    document = {
        "hostname": hostname,
        "ip": list(ips),
        "headers": dict(sorted(headers.items())),
        "url": request.target,
        "host": request.header("host"),
        "method": request.method,
        **({"name": name} if name else {}),
        "remoteAddr": request.remote,
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def _canonical(name: str) -> str:
    """Return a header's name as Go writes it: "x-request-id" is X-Request-Id."""
    return "-".join(part.capitalize() for part in name.split("-"))


def answer(request: HttpRequest, *, name: str = "") -> HttpResponse:
    """Answer one request."""
    path = request.target.partition("?")[0]
    if path == "/health":
        return HttpResponse(b"")
    if path == "/bench":
        return HttpResponse(b"1")
    hostname = socket.gethostname()
    if path == "/api":
        text = render_json(request, hostname=hostname, ips=addresses(), name=name)
        return HttpResponse(text.encode(), content_type="application/json")
    text = render_text(request, hostname=hostname, ips=addresses(), name=name)
    return HttpResponse(text.encode())


def settings(argv: Iterable[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Return port and name: `--port` and `--name` win over WHOAMI_PORT_NUMBER and WHOAMI_NAME.

    Raises:
        ValueError: The port is no number.
    """
    port = environment.get("WHOAMI_PORT_NUMBER", "80")
    name = environment.get("WHOAMI_NAME", "")
    words = [word for argument in argv for word in argument.split("=", 1)]
    for flag, value in pairwise(words):
        if flag in ("--port", "-port"):
            port = value
        elif flag in ("--name", "-name"):
            name = value
    return int(port), name


def run(argv: list[str]) -> int:
    """Be whoami; the exit code."""
    try:
        port, name = settings(argv, os.environ)
        print(f"Starting up on port {port}", file=sys.stderr, flush=True)
        serve(port, lambda request: answer(request, name=name), linger_s=LINGER_S)
    except (ValueError, OSError) as error:
        print(f"whoami: {error}", file=sys.stderr, flush=True)
        return 1
    return 0
