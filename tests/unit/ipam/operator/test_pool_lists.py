"""Ranges of cluster-pool mode: what stops the operator, and what may change while it runs."""

from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import (
    add_node,
    configure,
    operator,
    until_error,
    until_event,
    until_no_error,
    until_pod_cidrs,
)

from ciliate.api.core import CONFIG_MAPS
from ciliate.kube.client import ApiClient

V4, V6 = "cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr"


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "operator.sock"


async def change(client: ApiClient, **data: str) -> None:
    body = {"data": {key.replace("_", "-"): value for key, value in data.items()}}
    await client.patch(CONFIG_MAPS, "cilium-config", body, namespace="kube-system")


async def test_a_range_appended_at_run_time_serves_who_waited(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, {"ipam": "cluster-pool", V4: "10.50.0.0/24"})
    await add_node(client, "a")
    async with operator(server, socket):
        await until_pod_cidrs(client, "a", "10.50.0.0/24")
        await add_node(client, "b")
        await until_error(client, "b", "allocator full")

        await change(client, cluster_pool_ipv4_cidr="10.50.0.0/24 10.51.0.0/16")

        await until_pod_cidrs(client, "b", "10.51.0.0/24")
        await until_no_error(client, "b")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"cluster_pool_ipv4_cidr": "10.51.0.0/16"}, "10.50.0.0/16 was taken out of"),
        ({"cluster_pool_ipv4_cidr": "10.50.0.0/16 ten"}, "'ten' is no CIDR"),
        ({"cluster_pool_ipv4_cidr": ""}, "must be provided when using ClusterPool"),
        ({"cluster_pool_ipv4_mask_size": "x"}, "is no whole number"),
        ({"cluster_pool_ipv4_mask_size": "25"}, "was changed from 24 to 25"),
        ({"cluster_pool_ipv4_cidr": "10.50.0.0/16 10.50.9.0/24"}, "collides with clusterCIDR"),
        ({"cluster_pool_ipv4_cidr": "10.50.0.0/16 10.51.0.0/33"}, "'10.51.0.0/33' is no CIDR"),
        ({"cluster_pool_ipv4_cidr": "10.50.0.0/16 fd00::/64"}, "CIDR is not v4 family: fd00::"),
    ],
)
async def test_a_change_that_is_no_addition_is_refused_and_reported(
    server: EmbeddedServer, client: ApiClient, socket: Path, data: dict[str, str], message: str
) -> None:
    await configure(client, {"ipam": "cluster-pool", V4: "10.50.0.0/16"})
    async with operator(server, socket):
        await add_node(client, "a")
        await until_pod_cidrs(client, "a", "10.50.0.0/24")

        await change(client, **data)

        event = await until_event(client, "cilium-config", "PoolListRefused")
        assert message in event.message
        await add_node(client, "b")
        await until_pod_cidrs(client, "b", "10.50.1.0/24")


async def test_a_range_that_nobody_uses_can_be_taken_back(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, {"ipam": "cluster-pool", V4: "10.50.0.0/24"})
    async with operator(server, socket):
        await add_node(client, "a")
        await until_pod_cidrs(client, "a", "10.50.0.0/24")
        await change(client, cluster_pool_ipv4_cidr="10.50.0.0/24 10.96.0.0/24")
        await until_event(client, "cilium-config", "PoolOverlapsReserved")

        await change(client, cluster_pool_ipv4_cidr="10.50.0.0/24 10.60.0.0/24")

        await add_node(client, "b")
        await until_pod_cidrs(client, "b", "10.60.0.0/24")


async def test_blocks_with_addresses_of_nodes_or_services_are_never_given(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    # The server's Services are in 10.96.0.0/16: `kubernetes` has the first address.
    ranges = "10.96.0.0/24 10.50.0.0/23"
    await configure(client, {"ipam": "cluster-pool", V4: ranges})
    await add_node(client, "a", address="10.50.0.9")
    async with operator(server, socket):
        await until_pod_cidrs(client, "a", "10.50.1.0/24")
        await add_node(client, "b")
        error = await until_error(client, "b", "allocator full")
        assert "2 of them by nodes' own addresses, Services or special ranges" in error
        event = await until_event(client, "cilium-config", "PoolOverlapsReserved")
        assert "never given" in event.message
