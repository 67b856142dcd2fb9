"""Requests of the API server's `proxy`, sent on from a machine's own network.

    /proxy/<http|https>/<address>/<port>/<path>    any method; upgrades too

The last hop of `kubectl get --raw …/proxy/…`: who is asked sees a connection of the machine. A
server that does not answer is told as kube-apiserver does, by a Status.
"""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from yarl import URL

from ciliate.lab.errors import KernelCallError
from ciliate.lab.namespaces import in_namespaces
from ciliate.system.http_relay import carry, relay, request_head, wants_upgrade

ROUTE: Final = "/proxy/{scheme:https?}/{address}/{port:[0-9]+}/{path:.*}"
_CONNECT_S: Final = 5.0
#: Parts of the path before what the server is asked for.
_PARTS: Final = 5


async def pass_on(request: web.Request, pins: Path) -> web.StreamResponse:
    """Answer as the server does that is reached from inside the pinned network."""
    asked = request.match_info
    address, port = asked["address"], asked["port"]
    host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    rest = request.rel_url.raw_path_qs.split("/", _PARTS)[_PARTS]
    url = URL(f"{asked['scheme']}://{host}/{rest}", encoded=True)

    def socket_in(info: tuple[Any, ...]) -> socket.socket:
        family, kind, *_ = info
        return in_namespaces(pins, lambda: socket.socket(family, kind), ["net"])

    connector = aiohttp.TCPConnector(socket_factory=socket_in, ssl=False, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
    try:
        if wants_upgrade(request):
            await connector.close()
            return await _upgrade(request, pins, url)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session:
            return await relay(request, session, url, headers={})
    except (aiohttp.ClientError, OSError, TimeoutError, KernelCallError) as error:
        return _unavailable(host, error)


async def _upgrade(request: web.Request, pins: Path, url: URL) -> web.StreamResponse:
    address, port = url.host or "", url.port or 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    endpoint = await asyncio.to_thread(
        in_namespaces, pins, lambda: socket.socket(family, socket.SOCK_STREAM), ["net"]
    )
    endpoint.setblocking(False)
    try:
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().sock_connect(endpoint, (address, port))
    except BaseException:
        endpoint.close()
        raise
    reader, writer = await asyncio.open_connection(sock=endpoint)
    try:
        head = request_head(request, url.raw_path_qs, host=url.raw_authority)
        await carry(request, reader, writer, head)
    finally:
        writer.close()
    return web.Response()


def _unavailable(host: str, error: Exception) -> web.Response:
    number = error.errno if isinstance(error, OSError) else None
    cause = os.strerror(number).lower() if number else str(error) or "i/o timeout"
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"error trying to reach service: dial tcp {host}: connect: {cause}",
        "reason": "ServiceUnavailable",
        "code": 503,
    }
    return web.json_response(text=json.dumps(status) + "\n", status=503)
