"""LB IPAM as the operator runs it: one writer of addresses, while it leads.

It is off by `enable-lb-ipam`, and then leaves every status as it is.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final

from ciliate.api.conditions import Verdict
from ciliate.api.load_balancer_ip_pool import (
    CILIUM_LOAD_BALANCER_IP_POOLS,
    FORMER_LOAD_BALANCER_IP_POOLS,
    CiliumLoadBalancerIPPool,
)
from ciliate.api.resource import ObjectKey, Resource
from ciliate.api.service import SERVICES
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.kube.client import ApiClient
from ciliate.kube.conditions_target import ConditionsTarget
from ciliate.kube.errors import NotFoundError
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer
from ciliate.kube.listable import list_refusal
from ciliate.load_balancer_ipam.families import families
from ciliate.load_balancer_ipam.operator.book import Book, trimmed_service
from ciliate.load_balancer_ipam.operator.cluster_ranges import ClusterRanges
from ciliate.load_balancer_ipam.operator.targets import ServiceStatusTarget
from ciliate.load_balancer_ipam.settings import LoadBalancerIPAMSettings
from ciliate.load_balancer_ipam.statuses import OF_POOLS, ServiceVerdict
from ciliate.metrics.family import Family
from ciliate.reconcile.reconciler import Reconciler

#: A pool's numbers change with each of its Services: changes within this time are one write.
_POOLS_SETTLE_S: Final = 0.2


class LoadBalancerIPAM(Feature):
    """Gives Services of type LoadBalancer their addresses."""

    name: ClassVar[str] = "load balancer addresses"

    def __init__(self, context: Context, settings: LoadBalancerIPAMSettings) -> None:
        self._context = context
        self._settings = settings
        self._book: Book | None = None

    def tasks(self) -> Sequence[Task]:
        """Follow Services and pools, if it is on."""
        return (self._run,) if self._settings.enabled else ()

    def families(self) -> Iterable[Family]:
        """Return the numbers of pools and Services."""
        return families(self._book.allocator) if self._book is not None else ()

    async def _run(self) -> None:
        client, may_act = self._context.client, self._context.may_act
        resource = await served_pools(client)
        ranges = ClusterRanges(client, self._context.tables)
        book = Book(
            Informer(client, SERVICES, transform=trimmed_service),
            Informer(client, resource),
            ranges,
            self._settings,
        )
        events = EventRecorder(client, component="cilium-operator")
        services = _services(client, book, events, may_act)
        pools = _pools(client, resource, book, may_act)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(events.run(), name="events")
            for informer in (book.services, book.pools):
                tasks.create_task(informer.run(), name=f"watch {informer.name}")
            await book.services.synced()
            await book.pools.synced()
            book.start()
            self._book = book
            tasks.create_task(ranges.follow(), name="watch the ranges of Services")
            for reconciler in (services, pools):
                tasks.create_task(reconciler.run(), name=f"{self.name}: {reconciler.status.name}")


def _services(
    client: ApiClient, book: Book, events: EventRecorder, may_act: Callable[[], bool]
) -> Reconciler[ObjectKey, ServiceVerdict]:
    target = ServiceStatusTarget(client, book, events, may_act=may_act)
    sync: Reconciler[ObjectKey, ServiceVerdict] = Reconciler(target, target.desired)
    book.changed.add(sync.touch)
    return sync


def _pools(
    client: ApiClient,
    resource: Resource[CiliumLoadBalancerIPPool],
    book: Book,
    may_act: Callable[[], bool],
) -> Reconciler[str, Verdict]:
    target = ConditionsTarget(
        client, resource, book.pools, OF_POOLS, book.pool_verdicts, may_act=may_act
    )
    sync: Reconciler[str, Verdict] = Reconciler(target, target.desired, settle_s=_POOLS_SETTLE_S)
    book.changed.add(lambda _services: sync.touch(each.name for each in book.allocator.pools))
    return sync


async def served_pools(client: ApiClient) -> Resource[CiliumLoadBalancerIPPool]:
    """Return the version of the kind that this cluster has."""
    refusal = await list_refusal(client, CILIUM_LOAD_BALANCER_IP_POOLS)
    if isinstance(refusal, NotFoundError):
        former = FORMER_LOAD_BALANCER_IP_POOLS
        if await list_refusal(client, former) is None:
            return former
    return CILIUM_LOAD_BALANCER_IP_POOLS
