"""`operator/metrics.py`: what Prometheus reads from an operator that runs."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.cluster import configure, operator

from ciliate.kube.client import ApiClient

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]

LEADING = ("ciliate_operator_leading", ())
DEADLINE_S = 10.0


def _read(text: str) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def _scrape(path: Path | None, url: str = "http://operator/metrics") -> Series:
    """Return the series of an operator's socket, or nothing while it does not listen."""
    connector = aiohttp.UnixConnector(str(path)) if path else aiohttp.TCPConnector()
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url) as found,
        ):
            return _read(await found.text())
    except OSError:
        return {}


async def _until(path: Path, key: tuple[str, tuple[tuple[str, str], ...]], value: float) -> Series:
    found: Series = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (found := await _scrape(path)).get(key) != value:
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{key} is not {value} within {DEADLINE_S} s: {found}") from None
    return found


@pytest.fixture
async def _config(client: ApiClient) -> None:
    await configure(client, {"cluster-pool-ipv4-cidr": "10.0.0.0/22"})


@pytest.mark.usefixtures("_config")
async def test_leader_and_standby_say_which_they_are(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.sock", tmp_path / "second.sock"
    async with operator(server, first):
        await _until(first, LEADING, 1)
        async with operator(server, second):
            standby = await _until(second, LEADING, 0)

    assert not [name for name, _ in standby if name.startswith("ciliate_ipam")]


@pytest.mark.usefixtures("_config")
async def test_metrics_are_served_where_the_setting_says(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    path = tmp_path / "operator.sock"
    async with operator(server, path, **{"operator-prometheus-serve-addr": address}):
        await _until(path, LEADING, 1)

        found = await _scrape(None, f"http://{address}/metrics")

    assert found[LEADING] == 1
    assert found["cilium_operator_process_resident_memory_bytes", ()] > 1 << 20


@pytest.mark.usefixtures("_config")
async def test_operator_works_though_its_port_is_taken(
    server: EmbeddedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "operator.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with operator(server, path, **{"operator-prometheus-serve-addr": address}):
            await _until(path, LEADING, 1)

    told = [each.message for each in caplog.records if "cannot serve metrics" in each.message]
    assert len(told) == 1
    assert address in told[0]
