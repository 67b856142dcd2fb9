"""The page's server: files, and the relay's API behind them."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aiohttp import web

from ciliate.config.values import read_listen_address
from ciliate.flows.relay.channels import Channels
from ciliate.flows.ui import grpc_web
from ciliate.flows.ui.flow_api import FlowApi
from ciliate.flows.ui.pages import add_pages, protect, well
from ciliate.flows.ui.settings import UiSettings
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer
from ciliate.system.tcp_socket import listen_tcp

_log = logging.getLogger(__name__)

#: A browser has six to one server.
CONNECTIONS_MAX: Final = 256
#: How long answers that are under way may go on at the end.
_END_S: Final = 0.5


#: Adds routes of its own to the page's.
Addition = Callable[[web.Application], None]


async def serve_page(
    settings: UiSettings, *additions: Addition, ready: Callable[[], None] | None = None
) -> None:
    """Serve until cancelled; `ready` is called when it listens.

    Raises:
        OSError: The address cannot be had.
        CertificateFileError: A file for TLS to the relay cannot be read.
    """
    relay = Channels(settings.tls).open(settings.relay, settings.server_name)
    application = web.Application(client_max_size=grpc_web.REQUEST_BYTES_MAX)
    application.on_response_prepare.append(protect)
    application.router.add_get("/healthz", well)
    application.router.add_post("/flow-api/{service}/{method}", FlowApi(relay).answer)
    for add in additions:
        add(application)
    add_pages(application)
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=_END_S
    )
    server = HttpServer("hubble-ui", runner, Bounds.of_peers(share(CONNECTIONS_MAX)))
    try:
        await server.start(*await listen_tcp((read_listen_address(settings.listen_address),)))
        _log.info("serving the page at %s, flows by %s", settings.listen_address, settings.relay)
        if ready is not None:
            ready()
        await asyncio.Event().wait()  # Until cancelled; the server works.
    finally:
        await server.stop()
        await relay.close()
