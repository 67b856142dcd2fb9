"""multi-pool mode against the embedded API server: demand, blocks, pools that change."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import (
    add_node,
    configure,
    health,
    operator,
    until_error,
    until_event,
    until_no_error,
    until_node,
)

from ciliate.api.cilium_node import CILIUM_NODES, AllocatedPool
from ciliate.api.core import EVENTS
from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS
from ciliate.kube.client import ApiClient

CONFIG = {
    "ipam": "multi-pool",
    "enable-ipv6": "true",
    "cilium-endpoint-gc-interval": "0",
}
AUTO = {
    "auto-create-cilium-pod-ip-pools": "default=ipv4-cidrs:10.60.0.0/16,10.61.0.0/16;"
    "ipv4-mask-size:27;ipv6-cidrs:fd60::/112;ipv6-mask-size:124"
}


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "operator.sock"


async def add_pool(client: ApiClient, name: str, mask: int, *cidrs: str, **flags: bool) -> None:
    document = {
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumPodIPPool",
        "metadata": {"name": name},
        "spec": {"ipv4": {"cidrs": list(cidrs), "maskSize": mask}, **flags},
    }
    await client.request("POST", CILIUM_POD_IP_POOLS.path(), body=msgspec.json.encode(document))


def wants(pool: str, count: int, v6: int = 0) -> dict[str, Any]:
    needed = {"ipv4-addrs": count, "ipv6-addrs": v6}
    return {"pool": pool, "needed": needed}


async def request(client: ApiClient, node: str, *wanted: dict[str, Any]) -> None:
    await client.patch(CILIUM_NODES, node, {"spec": {"ipam": {"pools": {"requested": wanted}}}})


async def until_allocated(client: ApiClient, name: str, **pools: tuple[str, ...]) -> None:
    expected = tuple(AllocatedPool(pool=pool, cidrs=pools[pool]) for pool in sorted(pools))
    await until_node(client, name, lambda node: node.spec.ipam.pools.allocated == expected)


async def until_problem(socket: Path, part: str) -> None:
    """Return once the operator's only problem with pools is as said, or there is none."""
    async with asyncio.timeout(10):
        while True:
            problems = (await health(socket, "/ipam"))[1]["problems"]
            if (part and problems and part in problems[0]) or (not part and not problems):
                return
            await asyncio.sleep(0.02)


async def test_demand_is_met_out_of_a_pool_that_the_setting_makes(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG | AUTO)
    await add_node(client, "a", pools={"requested": [wants("default", 8, 8)]})
    async with operator(server, socket):
        await until_allocated(client, "a", default=("10.60.0.0/27", "fd60::/124"))
        await request(client, "a", wants("default", 31, 8))
        await until_allocated(client, "a", default=("10.60.0.0/27", "10.60.0.32/27", "fd60::/124"))


async def test_a_pool_that_exists_is_left_as_it_is(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG | AUTO)
    await add_pool(client, "default", 28, "10.70.0.0/24")
    await add_node(client, "a", pools={"requested": [wants("default", 8)]})
    async with operator(server, socket):
        await until_allocated(client, "a", default=("10.70.0.0/28",))


async def test_what_can_be_given_is_given_and_the_rest_reported_until_it_can(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "small", 30, "10.70.0.0/29")
    async with operator(server, socket):
        wanted = [wants("mars", 1), wants("small", 6)]
        await add_node(client, "a", pools={"requested": wanted})
        await until_allocated(client, "a", small=("10.70.0.0/30", "10.70.0.4/30"))
        error = await until_error(client, "a", "cannot allocate from non-existing pool: mars")
        assert 'ipv4 address for node "a" from pool "small": allocator full' in error

        await add_pool(client, "mars", 28, "10.80.0.0/24")
        body = {"spec": {"ipv4": {"cidrs": ["10.70.0.0/29", "10.71.0.0/24"]}}}
        await client.patch(CILIUM_POD_IP_POOLS, "small", body)

        await until_allocated(
            client,
            "a",
            mars=("10.80.0.0/28",),
            small=("10.70.0.0/30", "10.70.0.4/30", "10.71.0.0/30"),
        )
        await until_no_error(client, "a")


async def test_first_and_last_address_count_when_the_pool_gives_them(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "whole", 30, "10.70.0.0/24", allowFirstIP=True, allowLastIP=True)
    await add_pool(client, "single", 32, "10.71.0.0/24")
    async with operator(server, socket):
        await add_node(client, "a", pools={"requested": [wants("whole", 4), wants("single", 2)]})
        await until_allocated(
            client, "a", single=("10.71.0.0/32", "10.71.0.1/32"), whole=("10.70.0.0/30",)
        )


async def test_a_block_that_its_node_gave_back_is_another_nodes(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "default", 25, "10.70.0.0/24")
    async with operator(server, socket):
        await add_node(client, "a", pools={"requested": [wants("default", 200)]})
        await until_allocated(client, "a", default=("10.70.0.0/25", "10.70.0.128/25"))
        await add_node(client, "b", pools={"requested": [wants("default", 8)]})
        await until_error(client, "b", "allocator full")

        left = {"requested": [wants("default", 8)]}
        left["allocated"] = [{"pool": "default", "cidrs": ["10.70.0.128/25"]}]
        await client.patch(CILIUM_NODES, "a", {"spec": {"ipam": {"pools": left}}})

        await until_allocated(client, "b", default=("10.70.0.0/25",))
        await until_allocated(client, "a", default=("10.70.0.128/25",))


async def test_a_range_taken_out_of_a_pool_stays_its_owners_and_gives_nothing_more(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "default", 25, "10.70.0.0/24", "10.71.0.0/24")
    async with operator(server, socket):
        await add_node(client, "a", pools={"requested": [wants("default", 8)]})
        await until_allocated(client, "a", default=("10.70.0.0/25",))

        body = {"spec": {"ipv4": {"cidrs": ["10.71.0.0/24"]}}}
        await client.patch(CILIUM_POD_IP_POOLS, "default", body)
        event = await until_event(client, "default", "PoolRangeInUse")
        assert "a (1)" in event.message
        # The agent drains it; its demand is met anew at once, out of what the pool has.
        await until_allocated(client, "a", default=("10.70.0.0/25", "10.71.0.0/25"))
        # Somebody else's pool over the same addresses does not get those in use.
        await add_pool(client, "other", 25, "10.70.0.0/24")
        await add_node(client, "b", pools={"requested": [wants("other", 200)]})
        await until_allocated(client, "b", other=("10.70.0.128/25",))


async def test_a_changed_mask_and_an_overlap_are_refused_and_the_pool_goes_on(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "default", 25, "10.70.0.0/24")
    await add_pool(client, "mars", 25, "10.70.0.0/16", "10.80.0.0/24")
    async with operator(server, socket):
        event = await until_event(client, "mars", "PoolRangeRefused")
        assert "requested CIDR 10.70.0.0/16 collides with clusterCIDR: 10.70.0.0/24" in (
            event.message
        )
        await add_node(client, "a", pools={"requested": [wants("mars", 200)]})
        await until_allocated(client, "a", mars=("10.80.0.0/25", "10.80.0.128/25"))


async def test_a_pool_that_is_replaced_at_once_may_have_another_mask(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "default", 25, "10.70.0.0/24")
    async with operator(server, socket):
        await add_node(client, "a", pools={"requested": [wants("default", 8)]})
        await until_allocated(client, "a", default=("10.70.0.0/25",))
        await client.delete(CILIUM_POD_IP_POOLS, "default")
        await add_pool(client, "default", 28, "10.71.0.0/24")

        await until_allocated(client, "a", default=("10.70.0.0/25", "10.71.0.0/28"))


async def test_a_former_modes_block_is_found_again_in_the_pool(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "default", 24, "10.70.0.0/16")
    await add_node(client, "b", pod_cidrs=("10.70.0.0/24",))
    async with operator(server, socket):
        await add_node(
            client,
            "a",
            draining="10.70.9.0/24",
            pools={"requested": [wants("default", 300)]},
        )
        await until_allocated(client, "a", default=("10.70.1.0/24", "10.70.9.0/24"))


async def test_blocks_that_come_back_one_by_one_make_no_event_each(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    await add_pool(client, "default", 28, "10.70.0.0/24")
    held = [f"10.70.0.{number * 16}/28" for number in range(6)]

    def holding(count: int) -> dict[str, Any]:
        return {"requested": [], "allocated": [{"pool": "default", "cidrs": held[:count]}]}

    await add_node(client, "a", pools=holding(6))
    async with operator(server, socket):
        await until_allocated(client, "a", default=tuple(held))
        await add_node(client, "b", pools={"requested": [wants("default", 8)]})
        await until_allocated(client, "b", default=("10.70.0.96/28",))
        await client.delete(CILIUM_NODES, "b")
        body = {"spec": {"ipv4": {"cidrs": ["10.71.0.0/24"]}}}
        await client.patch(CILIUM_POD_IP_POOLS, "default", body)
        await until_event(client, "default", "PoolRangeInUse")
        for count in range(5, 0, -1):
            await client.patch(CILIUM_NODES, "a", {"spec": {"ipam": {"pools": holding(count)}}})
            await until_problem(socket, f"nodes still hold {count} blocks")
        await client.patch(CILIUM_NODES, "a", {"spec": {"ipam": {"pools": {"allocated": []}}}})
        await until_problem(socket, "")

        events = [e for e in (await client.list(EVENTS)).items if e.reason == "PoolRangeInUse"]
        assert [event.message.partition(" that")[0] for event in events] == [
            "nodes still hold 6 blocks"
        ]
