"""`operator/metrics.py`: what Prometheus reads from an operator that runs."""

import asyncio
import math
import socket
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.cluster import add_node, configure, operator

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.ipam.operator.families import pool_families
from ciliate.ipam.operator.settings import CLUSTER_POOL
from ciliate.kube.client import ApiClient

Key = tuple[str, tuple[tuple[str, str], ...]]
Series = dict[Key, float]

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


async def _until(path: Path, key: Key, value: float) -> Series:
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


def _pool_series(name: str) -> Key:
    return f"ciliate_operator_ipam_{name}", (("family", "ipv4"), ("pool", CLUSTER_POOL))


@pytest.mark.usefixtures("_config")
async def test_pools_and_nodes_are_shown_as_they_fill_up(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    """10.0.0.0/22 has four blocks: the fifth node waits."""
    path = tmp_path / "operator.sock"
    async with operator(server, path):
        await add_node(client, "n0", pod_cidrs=("10.0.0.0/24",), draining="10.0.1.0/24")
        for number in (1, 2):
            await add_node(client, f"n{number}")
        await _until(path, _pool_series("pool_blocks_left"), 0)
        await add_node(client, "late")
        found = await _until(path, ("ciliate_operator_ipam_nodes_waiting", ()), 1)

        assert found[_pool_series("pool_blocks")] == 4
        assert found[_pool_series("pool_blocks_used")] == 4
        assert found[_pool_series("pool_blocks_draining")] == 1
        assert found[_pool_series("pool_blocks_reserved")] == 0
        assert found[_pool_series("pool_exhausted")] == 1
        assert found[_pool_series("pool_seconds_to_exhaustion")] == 0
        assert found[_node_cidrs("n0", "current")] == found[_node_cidrs("n0", "draining")] == 1
        assert found["ciliate_operator_ipam_nodes", ()] == 4
        assert found["ciliate_operator_ipam_conflicts", ()] == 0
        assert found["ciliate_operator_ipam_grants_total", ()] == 2
        await _until(path, ("ciliate_operator_ipam_node_error", (("node", "late"),)), 1)

        await client.delete(CILIUM_NODES, "n1")
        served = await _until(path, ("ciliate_operator_ipam_nodes_waiting", ()), 0)
        assert served[_pool_series("pool_exhausted")] == 0


@pytest.mark.usefixtures("_config")
async def test_conflict_of_two_nodes_is_counted(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    path = tmp_path / "operator.sock"
    async with operator(server, path):
        await _until(path, _pool_series("pool_blocks_left"), 4)
        await add_node(client, "n0", pod_cidrs=("10.0.0.0/24",))
        await add_node(client, "n1", pod_cidrs=("10.0.0.0/24",))

        found = await _until(path, ("ciliate_operator_ipam_conflicts", ()), 1)

    assert found[_pool_series("pool_blocks_used")] == 1


def test_pool_that_does_not_grow_has_no_end() -> None:
    """+Inf, so that an alert on few seconds left needs no second case."""
    pool = {"pool": "default", "family": "ipv6", "seconds_to_exhaustion": None}
    numbers = dict.fromkeys(("blocks", "used", "free", "reserved", "draining", "exhausted"), 1)

    families = pool_families([pool | numbers])

    ends = [each for each in families if each.name.endswith("seconds_to_exhaustion")]
    assert [list(each.samples) for each in ends] == [[(("default", "ipv6"), math.inf)]]


def _node_cidrs(node: str, state: str) -> Key:
    labels = (("family", "ipv4"), ("node", node), ("state", state))
    return "ciliate_operator_ipam_node_cidrs", labels
