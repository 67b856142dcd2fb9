"""Where scrapers ask: /metrics over HTTP, on the address that a setting names.

Most nodes of a lab are never scraped, and all begin at once: what HTTP needs (aiohttp, 220 ms and
13 MiB) is loaded when the first client connects. Until then the kernel holds it.
"""

import asyncio
import logging
import socket
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Final

from ciliate.config.values import read_listen_address
from ciliate.flows.feed import MetricsBegin
from ciliate.flows.server.metrics.flow_metrics import FlowMetrics
from ciliate.metrics.family import Family, Source
from ciliate.reconcile.backoff import Backoff
from ciliate.system.tcp_socket import listen_tcp

_log = logging.getLogger(__name__)

#: How often names are found for what came: those of new pods come a moment behind their packets.
_SETTLE_S: Final = 1.0

_KEY: Final = "hubble-metrics-server"
_ENDPOINT: Final = "ciliate.flows.server.metrics.endpoint"


async def run_metrics(begin: MetricsBegin, metrics: FlowMetrics, *others: Source) -> None:
    """Serve what `metrics` count, and what `others` do, and have the former look at what came."""

    def families() -> Iterator[Family]:
        yield from metrics.families()
        for other in others:
            yield from other()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_metrics(begin, families))
        while True:
            await asyncio.sleep(_SETTLE_S)
            metrics.settle()


async def serve_metrics(begin: MetricsBegin, families: Source) -> None:
    """Answer scrapers with `families` until cancelled; an address that is in use is tried again."""
    listeners = await _listening(begin.address)
    try:
        await _first_client(listeners)
        endpoint = await asyncio.to_thread(import_module, _ENDPOINT)
        await endpoint.answer_scrapers(listeners, families, open_metrics=begin.open_metrics)
    finally:
        for listener in listeners:
            listener.close()


async def _listening(address: str) -> Sequence[socket.socket]:
    pause, is_told = Backoff(), False
    while True:
        try:
            listeners = await listen_tcp((read_listen_address(address),))
        except OSError as error:
            if not is_told:
                _log.warning(
                    "%s: cannot serve metrics on %r: %s: stop who listens there, or set another"
                    " one; trying again",
                    _KEY,
                    address,
                    error.strerror,
                )
            is_told = True
            await asyncio.sleep(pause.next())
        else:
            _log.info("serving metrics on %s", address)
            return listeners


async def _first_client(listeners: Sequence[socket.socket]) -> None:
    """Return when somebody connects."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    for listener in listeners:
        listener.setblocking(False)
        loop.add_reader(listener, came.set)
    try:
        await came.wait()
    finally:
        for listener in listeners:
            loop.remove_reader(listener)
