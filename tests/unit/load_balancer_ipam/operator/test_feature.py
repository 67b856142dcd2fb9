"""Services get addresses from pools, in the embedded API server, while an operator leads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.load_balancer_ipam.objects import BOTH, pool

from ciliate.api.core import EVENTS
from ciliate.api.load_balancer_ip_pool import (
    CILIUM_LOAD_BALANCER_IP_POOLS,
    FORMER_LOAD_BALANCER_IP_POOLS,
    CiliumLoadBalancerIPPool,
)
from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.api.service import SERVICES, Service, ServicePort, ServiceSpec
from ciliate.kube.client import ApiClient
from ciliate.load_balancer_ipam.operator.feature import LoadBalancerIPAM, served_pools
from ciliate.load_balancer_ipam.settings import LoadBalancerIPAMSettings

POOLS = CILIUM_LOAD_BALANCER_IP_POOLS
MARK = "cilium.io/IPAMRequestSatisfied"


@asynccontextmanager
async def leading(
    client: ApiClient, settings: LoadBalancerIPAMSettings = BOTH
) -> AsyncIterator[LoadBalancerIPAM]:
    """An operator's part that leads."""
    cluster = WatchedCluster(client)
    feature = LoadBalancerIPAM(cluster.context, settings)
    async with cluster.watching():
        running = [asyncio.ensure_future(run()) for run in feature.tasks()]
        try:
            yield feature
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def create(client: ApiClient, name: str = "web", **spec: Any) -> Service:
    return await client.create(
        SERVICES,
        Service(
            metadata=ObjectMeta(
                name=name, namespace="default", annotations=spec.pop("annotations", {})
            ),
            spec=ServiceSpec(**{"type": "LoadBalancer", "ports": (ServicePort(port=80),), **spec}),
        ),
    )


async def create_pool(client: ApiClient, *blocks: str, name: str = "blue") -> None:
    made = pool(*blocks)
    await client.create(
        POOLS, CiliumLoadBalancerIPPool(metadata=ObjectMeta(name=name), spec=made.spec)
    )


def has(service: Service) -> list[str]:
    return [each.ip for each in service.status.load_balancer.ingress]


def mark(service: Service) -> Condition | None:
    return next((each for each in service.status.conditions if each.type == MARK), None)


async def until(client: ApiClient, holds: Callable[[Service], bool], name: str = "web") -> Service:
    async with asyncio.timeout(10):
        while True:
            found = await client.get(SERVICES, name, namespace="default")
            if holds(found):
                return found
            await asyncio.sleep(0.01)


async def numbers(client: ApiClient, wanted: dict[str, str], name: str = "blue") -> None:
    """Wait until a pool says these numbers or states."""
    async with asyncio.timeout(10):
        while True:
            found = await client.get(POOLS, name)
            said = {
                each.type.rpartition("/")[2]: each.message or each.status
                for each in found.status.conditions
            }
            if wanted.items() <= said.items():
                return
            await asyncio.sleep(0.01)


async def test_service_has_an_address_from_its_pool_and_the_pool_counts_it(
    client: ApiClient,
) -> None:
    async with leading(client):
        await create_pool(client, "192.0.2.0/30")
        await create(client)

        found = await until(client, lambda each: bool(has(each)))
        assert has(found) == ["192.0.2.0"]
        satisfied = mark(found)
        assert satisfied is not None
        assert (satisfied.status, satisfied.reason) == ("True", "satisfied")
        await numbers(client, {"IPsTotal": "4", "IPsAvailable": "3", "IPsUsed": "1"})

        await client.delete(SERVICES, "web", namespace="default")
        await numbers(client, {"IPsAvailable": "4", "PoolConflict": "False"})


async def test_service_that_is_no_load_balancer_any_more_gives_its_address_back(
    client: ApiClient,
) -> None:
    async with leading(client):
        await create_pool(client, "192.0.2.0/32")
        await create(client)
        await until(client, lambda each: has(each) == ["192.0.2.0"])
        await create(client, "next")
        waits = await until(client, lambda each: mark(each) is not None, "next")
        refused = mark(waits)
        assert refused is not None
        assert (refused.status, refused.reason) == ("False", "out_of_ips")

        body = {"spec": {"type": "ClusterIP"}}
        await client.patch(SERVICES, "web", body, namespace="default")

        await until(client, lambda each: has(each) == [] and mark(each) is None)
        await until(client, lambda each: has(each) == ["192.0.2.0"], "next")


async def test_next_operator_takes_over_every_address(client: ApiClient) -> None:
    async with leading(client):
        await create_pool(client, "192.0.2.0/28")
        for number in range(4):
            await create(client, f"s{number}")
        before = {
            f"s{number}": has(await until(client, lambda each: bool(has(each)), f"s{number}"))
            for number in range(4)
        }
        # So that one that counts from the first would give them in another order.
        await client.delete(SERVICES, "s0", namespace="default")
        await numbers(client, {"IPsUsed": "3"})
    versions = {
        name: (await client.get(SERVICES, name, namespace="default")).metadata.resource_version
        for name in ("s1", "s2", "s3")
    }

    async with leading(client):
        await create(client, "new")
        given = await until(client, lambda each: bool(has(each)), "new")
        assert has(given) not in [before[name] for name in versions]
        for name, version in versions.items():
            found = await client.get(SERVICES, name, namespace="default")
            assert has(found) == before[name]
            assert found.metadata.resource_version == version


async def test_without_any_pool_load_balancers_of_others_are_left_alone(client: ApiClient) -> None:
    """Of Services without a class too: another load balancer may be what serves them."""
    foreign = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}}
    async with leading(client):
        await create_pool(client, "192.0.2.0/30")
        await create(client)
        await until(client, lambda each: has(each) == ["192.0.2.0"])

        await client.delete(POOLS, "blue")

        # What is ours goes, and with it every sign that it was ours.
        await until(client, lambda each: has(each) == [] and mark(each) is None)
        await client.patch(SERVICES, "web", foreign, namespace="default", subresource="status")
    async with leading(client):
        await create(client, "classed", load_balancer_class="example.com/other")
        await client.patch(SERVICES, "classed", foreign, namespace="default", subresource="status")
        await create(client, "xlast", load_balancer_class="io.cilium/l2-announcer")
        before = await client.get(SERVICES, "web", namespace="default")
        assert has(before) == ["203.0.113.9"]

        await create_pool(client, "192.0.2.0/30")

        # From now on those without a class are ours.
        await until(client, lambda each: has(each) == ["192.0.2.0"])
        await until(client, lambda each: has(each) == ["192.0.2.1"], "xlast")
        classed = await client.get(SERVICES, "classed", namespace="default")
        assert (has(classed), mark(classed)) == (["203.0.113.9"], None)


async def test_event_says_why_a_service_has_no_address(client: ApiClient) -> None:
    async with leading(client):
        await create_pool(client, "192.0.2.0/32")
        await create(client)
        await create(client, "xlate")
        refused = mark(await until(client, lambda each: mark(each) is not None, "xlate"))

        async with asyncio.timeout(10):
            while not (found := (await client.list(EVENTS)).items):
                await asyncio.sleep(0.01)

    assert refused is not None
    assert refused.message == "every IPv4 address of pool blue is given"
    (event,) = found
    assert (event.involved_object.kind, event.involved_object.name) == ("Service", "xlate")
    assert (event.type, event.reason) == ("Warning", "LoadBalancerAddressMissing")
    assert event.message == refused.message


async def test_status_that_somebody_changes_is_put_right(client: ApiClient) -> None:
    async with leading(client):
        await create_pool(client, "192.0.2.0/30")
        await create(client)
        await until(client, lambda each: has(each) == ["192.0.2.0"])

        status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.3"}]}, "conditions": None}
        await client.patch(
            SERVICES, "web", {"status": status}, namespace="default", subresource="status"
        )

        await until(client, lambda each: has(each) == ["192.0.2.0"] and mark(each) is not None)


async def test_wrong_pool_says_so_and_harms_nobody(client: ApiClient) -> None:
    async with leading(client):
        await create_pool(client, "192.0.2.0/30")
        await create(client)
        await until(client, lambda each: has(each) == ["192.0.2.0"])
        await create_pool(client, "198.51.100.9 - 198.51.100.1", name="wrong")
        await create_pool(client, "192.0.2.2", name="overlapping")

        await numbers(client, {"PoolConflict": "False", "IPsTotal": "0"}, "wrong")
        wrong = await client.get(POOLS, "wrong")
        (accepted,) = (each for each in wrong.status.conditions if each.type.endswith("Accepted"))
        assert accepted.status == "False"
        assert "ends before it begins" in accepted.message
        overlapping = await client.get(POOLS, "overlapping")
        (conflict,) = (
            each for each in overlapping.status.conditions if each.type.endswith("PoolConflict")
        )
        assert (conflict.status, conflict.reason) == ("True", "cidr_overlap")
        await create(client, "next")
        await until(client, lambda each: has(each) == ["192.0.2.1"], "next")
        assert has(await client.get(SERVICES, "web", namespace="default")) == ["192.0.2.0"]


async def test_it_is_off_by_its_key(client: ApiClient) -> None:
    off = LoadBalancerIPAMSettings(enabled=False, takes_classless=True, versions=(4,))

    feature = LoadBalancerIPAM(WatchedCluster(client).context, off)

    assert list(feature.tasks()) == []
    assert list(feature.families()) == []


async def test_pools_are_read_in_the_version_that_the_cluster_has(client: ApiClient) -> None:
    assert await served_pools(client) is POOLS
    await create_pool(client, "192.0.2.0/30")

    former = await client.get(FORMER_LOAD_BALANCER_IP_POOLS, "blue")

    assert [each.cidr for each in former.spec.blocks] == ["192.0.2.0/30"]
