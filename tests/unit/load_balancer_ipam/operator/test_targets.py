"""Who may write the statuses of Services and pools, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.load_balancer_ipam.objects import BOTH
from tests.unit.load_balancer_ipam.operator.test_feature import (
    POOLS,
    create,
    create_pool,
    has,
    mark,
)

from ciliate.api.load_balancer_ip_pool import CiliumLoadBalancerIPPool
from ciliate.api.service import SERVICES
from ciliate.kube.client import ApiClient
from ciliate.kube.conditions_target import ConditionsTarget
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer
from ciliate.load_balancer_ipam.operator.book import Book
from ciliate.load_balancer_ipam.operator.cluster_ranges import ClusterRanges
from ciliate.load_balancer_ipam.operator.targets import ServiceStatusTarget
from ciliate.load_balancer_ipam.statuses import OF_POOLS

WEB = "default", "web"


@asynccontextmanager
async def following(cluster: WatchedCluster) -> AsyncIterator[Book]:
    """A book of tables that follow the API until the end of the context, and stand still then."""
    client = cluster.client
    services, pools = Informer(client, SERVICES), Informer(client, POOLS)
    book = Book(services, pools, ClusterRanges(client, cluster.tables), BOTH)
    running = [asyncio.ensure_future(each.run()) for each in (services, pools)]
    try:
        await services.synced()
        await pools.synced()
        yield book
    finally:
        for each in running:
            each.cancel()
        await asyncio.wait(running)


def targets(
    cluster: WatchedCluster, book: Book
) -> tuple[ServiceStatusTarget, ConditionsTarget[CiliumLoadBalancerIPPool]]:
    client, may_act = cluster.client, cluster.context.may_act
    events = EventRecorder(client, component="test")
    return (
        ServiceStatusTarget(client, book, events, may_act=may_act),
        ConditionsTarget(client, POOLS, book.pools, OF_POOLS, book.pool_verdicts, may_act=may_act),
    )


async def test_nothing_is_said_before_all_is_read_nor_after_the_lead_is_lost(
    client: ApiClient,
) -> None:
    await create_pool(client, "192.0.2.0/30")
    await create(client)
    cluster = WatchedCluster(client)
    async with following(cluster) as book:
        services, pools = targets(cluster, book)
        assert (services.desired(), pools.desired()) == (None, None)

        book.start()
        wanted, of_pools = services.desired(), pools.desired()
        assert wanted is not None
        assert of_pools is not None
        assert (list(wanted), list(of_pools)) == ([WEB], ["blue"])

        cluster.may_act = False
        assert (services.desired(), pools.desired()) == (None, None)
        # Lost in the middle of a batch.
        assert await services.put(dict(wanted)) == {}
        assert await pools.put(of_pools) == {}

    assert (services.left_alone, pools.left_alone) == ({WEB}, {"blue"})
    assert mark(await client.get(SERVICES, "web", namespace="default")) is None
    assert (await client.get(POOLS, "blue")).status.conditions == ()


async def test_status_of_a_service_that_has_changed_meanwhile_is_not_written(
    client: ApiClient,
) -> None:
    await create_pool(client, "192.0.2.0/30")
    await create(client)
    cluster = WatchedCluster(client)
    async with following(cluster) as book:
        book.start()
    services, pools = targets(cluster, book)
    wanted = services.desired()
    assert wanted is not None
    # The tables are behind from now on.
    body = {"metadata": {"annotations": {"lbipam.cilium.io/ips": "192.0.2.3"}}}
    await client.patch(SERVICES, "web", body, namespace="default")
    await client.patch(POOLS, "blue", {"spec": {"disabled": True}})

    assert await services.put(dict(wanted)) == {}
    assert await pools.put(pools.desired() or {}) == {}

    assert services.left_alone == {WEB}
    found = await client.get(SERVICES, "web", namespace="default")
    assert (has(found), mark(found)) == ([], None)
    assert (await client.get(POOLS, "blue")).status.conditions == ()


async def test_service_that_is_as_it_should_be_and_one_of_others_are_not_written(
    client: ApiClient,
) -> None:
    await create_pool(client, "192.0.2.0/30")
    await create(client)
    await create(client, "others", type="ClusterIP")
    cluster = WatchedCluster(client)
    async with following(cluster) as book:
        book.start()
        services, _ = targets(cluster, book)
        wanted = services.desired()
        assert wanted is not None
        await services.put(dict(wanted))
        assert services.left_alone == set()
        async with asyncio.timeout(10):
            while not await services.observe():
                await asyncio.sleep(0.01)

        await services.put(dict(wanted))
        await services.remove([("default", "others"), ("default", "nobody")])

        assert await services.observe() == dict(wanted)
    assert services.left_alone == {WEB, ("default", "others"), ("default", "nobody")}
