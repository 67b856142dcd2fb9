"""The HTTP server of metrics; importing this loads aiohttp (`serving`)."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from ciliate.metrics.family import Source
from ciliate.metrics.server import Metrics
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.http_server import HttpServer

#: What the metrics of the flow server's process begin with.
PROCESS: Final = "ciliate_flow_server"

#: A few scrapers, each with a connection or two.
CONNECTIONS_MAX: Final = 64


async def answer_scrapers(
    listeners: Sequence[socket.socket], families: Source, *, open_metrics: bool
) -> None:
    """Answer GET /metrics on sockets that listen already, until cancelled."""
    metrics = Metrics(families, process=PROCESS, open_metrics=open_metrics)
    application = web.Application()
    application.router.add_get("/metrics", metrics.text)
    runner = web.AppRunner(application, access_log=None)
    server = HttpServer("flow-metrics", runner, Bounds.of_peers(share(CONNECTIONS_MAX)))
    try:
        await server.start(*listeners)
        await asyncio.Event().wait()  # Until cancelled; the server works.
    finally:
        await server.stop()
