"""`operator/metrics.py`: the leader says so, and metrics are served where the setting says."""

import socket
from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import configure, operator
from tests.unit.operator.scraping import scrape, until_series

from ciliate.kube.client import ApiClient

LEADING = ("ciliate_operator_leading", ())


@pytest.fixture
async def _config(client: ApiClient) -> None:
    await configure(client, {"cluster-pool-ipv4-cidr": "10.0.0.0/22"})


@pytest.mark.usefixtures("_config")
async def test_leader_and_standby_say_which_they_are(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.sock", tmp_path / "second.sock"
    async with operator(server, first):
        await until_series(first, LEADING, 1)
        async with operator(server, second):
            standby = await until_series(second, LEADING, 0)

    assert not [name for name, _ in standby if name.startswith("ciliate_ipam")]


@pytest.mark.usefixtures("_config")
async def test_metrics_are_served_where_the_setting_says(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    path = tmp_path / "operator.sock"
    async with operator(server, path, **{"operator-prometheus-serve-addr": address}):
        await until_series(path, LEADING, 1)

        found = await scrape(None, f"http://{address}/metrics")

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
            await until_series(path, LEADING, 1)

    warnings = [each.message for each in caplog.records if "cannot serve metrics" in each.message]
    assert len(warnings) == 1
    assert address in warnings[0]
