"""`metrics/server.py`: a scrape is answered, and a port in use ends nothing."""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from ciliate.metrics.family import Family
from ciliate.metrics.server import Metrics, metrics_endpoint
from ciliate.reconcile.http_endpoint import HttpEndpoint

DEADLINE_S = 10.0


def _metrics() -> Metrics:
    return Metrics(lambda: [Family("answer", "What is asked.", (), [((), 42)])], process="test")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@asynccontextmanager
async def _running(server: HttpEndpoint) -> AsyncIterator[None]:
    task = asyncio.create_task(server.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_scrape_is_answered_on_the_address_and_nothing_else_is() -> None:
    address = f"127.0.0.1:{_free_port()}"
    server = metrics_endpoint(_metrics(), key="prometheus-serve-addr", address=address)
    async with _running(server), aiohttp.ClientSession() as session:
        await _until(lambda: server.status.successes > 0)

        async with session.get(f"http://{address}/metrics") as found:
            assert found.status == 200
            assert "\nanswer 42.0\n" in await found.text()
        async with session.get(f"http://{address}/v1/config") as other:
            assert other.status == 404


async def test_port_in_use_is_reported_once_and_taken_when_it_is_free(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = metrics_endpoint(_metrics(), key="prometheus-serve-addr", address=address)
        with caplog.at_level(logging.WARNING):
            async with _running(server):
                await _until(lambda: server.status.failures >= 2)
                warnings = [each.message for each in caplog.records]
                taken.close()
                await _until(lambda: server.status.successes > 0)

    assert len(warnings) == 1
    assert f"prometheus-serve-addr: cannot serve metrics on '{address}': " in warnings[0]
    assert "Address already in use" in warnings[0]
    assert "set another one" in warnings[0]


async def test_port_is_free_when_the_server_has_ended_though_a_scraper_is_connected() -> None:
    port = _free_port()
    server = metrics_endpoint(_metrics(), key="k", address=f"127.0.0.1:{port}")
    async with aiohttp.ClientSession() as session, asyncio.timeout(DEADLINE_S), _running(server):
        await _until(lambda: server.status.successes > 0)
        async with session.get(f"http://127.0.0.1:{port}/metrics") as found:
            await found.read()

    with socket.create_server(("127.0.0.1", port)):
        pass


def test_library_is_not_imported_before_the_first_scrape() -> None:
    """It costs an agent that is not scraped 1 MiB."""
    text = "import sys, ciliate.metrics.server; print('prometheus_client' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True)

    assert done.stdout == b"False\n"
