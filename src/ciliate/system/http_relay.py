"""An HTTP request passed on to another server, and its answer back, both as they come.

Nothing is gathered: a slow side slows the other. What leaves HTTP, a WebSocket say, goes on as octets
in both directions (`carry`). Headers that are about one hop (RFC 9110, section 7.6.1) are not passed.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from ciliate.system.upgraded_connection import BUFFER_BYTES, pump, take_over

_HOP: Final = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Nor who the client is to us: the server behind could take its name.
_NOT_SENT: Final = _HOP | {"authorization"}


def wants_upgrade(request: web.BaseRequest) -> bool:
    """Return whether a request is to leave HTTP."""
    return "upgrade" in request.headers.get("Connection", "").lower()


async def relay(
    request: web.BaseRequest,
    session: aiohttp.ClientSession,
    url: URL,
    *,
    headers: Mapping[str, str],
    prefix: str = "",
) -> web.StreamResponse:
    """Answer a request as the server at `url` does, with its own path below `prefix`.

    `headers` replace the client's. A redirection to a path of that server is one to below `prefix`.

    Raises:
        ClientError: There is no such server, or no whole head of an answer.
    """
    sent = CIMultiDict((n, v) for n, v in request.headers.items() if n.lower() not in _NOT_SENT)
    sent.update(headers)
    body = request.content if request.body_exists else None
    asked = session.request(
        request.method,
        url,
        data=body,
        headers=sent,
        allow_redirects=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )
    async with asked as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                response.headers.add(name, value)
        if answer.headers.get("Location", "").startswith("/"):
            response.headers["Location"] = prefix + answer.headers["Location"]
        await response.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        except aiohttp.ClientError:
            if request.transport is not None:
                request.transport.close()  # What broke off must not look whole.
        return response


def request_head(
    request: web.BaseRequest, target: str, *, host: str, without: Collection[str] = ()
) -> bytes:
    """Return a request as another server gets it: the client's, with that server's path."""
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [
        f"{name}: {value}"
        for name, value in request.headers.items()
        if name.lower() not in {"host", *without}
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def carry(
    request: web.BaseRequest,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    head: bytes,
) -> None:
    """Send `head` to the other server, then pass octets both ways until either side ends."""
    try:
        client_reader, client_writer = take_over(request)
    except ConnectionError:
        return
    writer.transport.set_write_buffer_limits(high=BUFFER_BYTES)
    writer.write(head)
    directions = [
        asyncio.create_task(pump(reader, client_writer)),
        asyncio.create_task(pump(client_reader, writer)),
    ]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in directions:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        client_writer.close()  # What was written goes out first.
