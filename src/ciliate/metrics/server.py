"""Metrics over HTTP: the answer itself, for any server, and a server of its own on a TCP address.

The address is a setting, plain HTTP as Prometheus' operators expect of Cilium, and nothing but
metrics is behind it.
"""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from ciliate.api.agent import MetricSample
from ciliate.config.values import read_listen_address
from ciliate.metrics.family import Family, Source
from ciliate.reconcile.http_endpoint import HttpEndpoint, Place

if TYPE_CHECKING:
    from ciliate.metrics.exposition import Text


class Metrics:
    """Answers questions for metrics from a source; one at a time, encoding in a thread.

    The source is read in one go on the event loop, so that the numbers belong together.
    """

    def __init__(self, source: Source, *, process: str, open_metrics: bool = True) -> None:
        """Answer in OpenMetrics' form who takes it, unless `open_metrics` is off."""
        self._source = source
        self._open_metrics = open_metrics
        self._process = process
        self._encoding = asyncio.Lock()

    async def text(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        accept = request.headers.get("Accept", "") if self._open_metrics else ""
        async with self._encoding:
            answer = await asyncio.to_thread(self._text, tuple(self._source()), accept)
        return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})

    async def samples(self) -> tuple[MetricSample, ...]:
        """Return every series, sorted."""
        async with self._encoding:
            return await asyncio.to_thread(self._samples, tuple(self._source()))

    def _text(self, families: tuple[Family, ...], accept: str) -> "Text":
        from ciliate.metrics.exposition import render_text  # noqa: PLC0415 - 15 ms, 1 MiB

        return render_text(families, process=self._process, accept=accept)

    def _samples(self, families: tuple[Family, ...]) -> tuple[MetricSample, ...]:
        from ciliate.metrics.exposition import render_samples  # noqa: PLC0415 - 15 ms, 1 MiB

        return render_samples(families, process=self._process)


def metrics_endpoint(metrics: Metrics, *, key: str, address: str) -> HttpEndpoint:
    """Return a server of GET /metrics on the TCP address that the setting `key` names."""
    application = web.Application()
    application.router.add_get("/metrics", metrics.text)
    place = Place(key, address, (read_listen_address(address),))
    return HttpEndpoint("metrics", application, place)
