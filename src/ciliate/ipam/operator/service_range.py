"""The ranges of Services: the cluster's ServiceCIDRs, or derived from the Services' ClusterIPs.

Since Kubernetes 1.33 the ranges are objects. Before, they are a flag of the API server that the
API does not show: then the smallest prefix that holds every ClusterIP is used. It is never larger
than the real range, which holds them all, and grows towards it as Services are created.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource
from ciliate.api.service_cidr import SERVICE_CIDRS, ServiceCIDR, service_ranges
from ciliate.cluster.views import trimmed_meta
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError
from ciliate.kube.informer import Informer
from ciliate.kube.listable import list_refusal
from ciliate.net.address import ip_address
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)


class ServiceAddressesSpec(Struct, frozen=True, gc=False):
    """The ClusterIPs of one Service; "None" when it is headless."""

    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")


class ServiceAddresses(Struct, frozen=True, gc=False):
    """A Service, as far as its addresses go."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceAddressesSpec = ServiceAddressesSpec()


SERVICES: Final = Resource(
    "", "v1", "services", "Service", namespaced=True, struct=ServiceAddresses
)


class ServiceRangeWatch:
    """Keeps the Services' ranges reserved in an allocator; `changed` is called when they change."""

    def __init__(
        self, client: ApiClient, allocator: ClusterAllocator, *, changed: Callable[[], None]
    ) -> None:
        self._client = client
        self._allocator = allocator
        self._changed = changed
        #: First and last ClusterIP seen, by IP version.
        self._seen: dict[int, tuple[int, int]] = {}
        self._ranges: dict[int, Cidr] = {}

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Reserve what there is, and follow it in a task of `tasks`; what is refused, later."""
        refusal = await self._follow(tasks)
        if refusal is not None:
            _log.warning(
                "pools are not compared with the Services' range until Services may be listed: %s",
                refusal,
            )
            tasks.create_task(self._follow_later(tasks), name="Services, once they may be listed")

    async def _follow_later(self, tasks: asyncio.TaskGroup) -> None:
        pause = Backoff(first_s=1.0)
        while True:
            await asyncio.sleep(pause.next())
            if await self._follow(tasks) is None:
                _log.info("Services may be listed: pools are compared with their range")
                return

    async def _follow(self, tasks: asyncio.TaskGroup) -> KubeError | None:
        """Follow the ranges, or Services where they cannot be listed; return why neither can."""
        if await list_refusal(self._client, SERVICE_CIDRS) is None:
            ranges: Informer[ServiceCIDR] = Informer(self._client, SERVICE_CIDRS)
            tasks.create_task(ranges.run(), name=f"watch {ranges.name}")
            await ranges.synced()
            ranges.add_listener(self._range_changed)
            return None
        refusal = await list_refusal(self._client, SERVICES)
        if refusal is None:
            services: Informer[ServiceAddresses] = Informer(
                self._client, SERVICES, transform=_trimmed, on_change=self._service_changed
            )
            tasks.create_task(services.run(), name=f"watch {services.name}")
            await services.synced()
        return refusal

    def _range_changed(self, old: ServiceCIDR | None, new: ServiceCIDR | None) -> None:
        if new is not None:
            ranges, unreadable = service_ranges(new)
            for problem in unreadable:
                _log.warning("%s", problem)
            for each in ranges:
                self._reserve(Cidr.of(each))
        for each in service_ranges(old)[0] if old is not None else ():
            self._reserve(Cidr.of(each), times=-1)
        self._changed()

    def _service_changed(
        self, _old: ServiceAddresses | None, new: ServiceAddresses | None
    ) -> None:
        for text in new.spec.cluster_ips if new else ():
            if not text or text == "None":
                continue
            try:
                address = ip_address(text)
            except ValueError as error:
                name = f"{new.metadata.namespace}/{new.metadata.name}" if new else ""
                _log.warning("Service %s: %s: ignored", name, error)
                continue
            self._widen(address.version, int(address))

    def _widen(self, version: int, address: int) -> None:
        low, high = self._seen.get(version, (address, address))
        low, high = min(low, address), max(high, address)
        self._seen[version] = low, high
        host = Cidr.host(version, low)
        different = (low ^ high).bit_length()
        wider = Cidr(version, low >> different << different, host.length - different)
        before = self._ranges.get(version)
        if before != wider:
            self._ranges[version] = wider
            self._reserve(wider)
            if before is not None:
                self._reserve(before, times=-1)
            self._changed()

    def _reserve(self, cidr: Cidr, *, times: int = 1) -> None:
        self._allocator.reserve(cidr, f"Services in {cidr}", times=times)


def _trimmed(service: ServiceAddresses) -> ServiceAddresses:
    return ServiceAddresses(metadata=trimmed_meta(service.metadata), spec=service.spec)
