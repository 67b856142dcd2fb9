"""`flows/server/metrics/serving.py`: scrapers are answered, whoever had the port before."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tests.unit.flows.server.flow_clients import soon, until

from ciliate.flows.feed import MetricsBegin
from ciliate.flows.server.metrics.serving import serve_metrics
from ciliate.metrics.family import Family, FamilyKind

FAMILIES = (Family("hubble_test_total", "A test.", (), [((), 3.0)], FamilyKind.COUNTER),)
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def serving(port: int, *, open_metrics: bool = False) -> AsyncIterator[str]:
    """Serve; yield the URL."""
    begin = MetricsBegin(address=f"127.0.0.1:{port}", open_metrics=open_metrics, metrics=())
    task = asyncio.create_task(serve_metrics(begin, lambda: FAMILIES))
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def scrape(url: str, accept: str = "") -> tuple[str, str]:
    """Return type and text of an answer, as soon as there is one."""
    async with aiohttp.ClientSession(headers={"Accept": accept}) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    return answer.content_type, await answer.text()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("setting", "accept", "answered"),
    [
        ("on", OPEN_METRICS, "application/openmetrics-text"),
        ("off", OPEN_METRICS, "text/plain"),
        ("on", "text/plain", "text/plain"),
    ],
)
async def test_open_metrics_are_for_those_who_take_them_where_they_are_on(
    setting: str, accept: str, answered: str
) -> None:
    async with serving(free_port(), open_metrics=setting == "on") as url:
        kind, text = await soon(scrape(url, accept))

    assert kind == answered
    assert "\nhubble_test_total 3.0\n" in text


async def test_port_that_is_in_use_is_told_once_and_taken_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with caplog.at_level(logging.WARNING):
            async with serving(port) as url:
                await until(lambda: "trying again" in caplog.text)
                taken.close()
                _kind, text = await soon(scrape(url))

    assert caplog.text.count("hubble-metrics-server") == 1
    assert "hubble_test_total" in text


async def test_further_scrapes_are_answered_on_the_same_port() -> None:
    async with serving(free_port()) as url:
        for _ in range(3):
            _kind, text = await soon(scrape(url))
            assert "hubble_test_total" in text
