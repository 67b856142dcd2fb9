"""The tables of Services and pools, and the allocator that follows them.

Nothing is given before both tables are complete: an address that looks free may be somebody's.
Without any pool it is dormant, as Cilium's: then Services without a class are somebody else's,
who may have no condition of ours on them, and what is ours of a status is taken out of it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import structs

from ciliate.api.conditions import Verdict
from ciliate.api.load_balancer_ip_pool import CiliumLoadBalancerIPPool
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service, ServiceSpec, ServiceStatus
from ciliate.cluster.views import trimmed_meta
from ciliate.kube.informer import Informer
from ciliate.load_balancer_ipam.allocator import Allocator
from ciliate.load_balancer_ipam.operator.cluster_ranges import ClusterRanges
from ciliate.load_balancer_ipam.pools import Pool, read_pool
from ciliate.load_balancer_ipam.requests import ANNOTATIONS, is_ours, read_request
from ciliate.load_balancer_ipam.settings import LoadBalancerIPAMSettings
from ciliate.load_balancer_ipam.statuses import (
    ServiceVerdict,
    is_marked,
    pool_verdict,
    service_verdict,
)
from ciliate.net.address import IPAddress, ip_address
from ciliate.reconcile.listeners import Listeners

_NO_SERVICES: Final[Mapping[ObjectKey, ServiceVerdict]] = {}


class Book:
    """What every Service and pool should say; `start` once both tables are complete."""

    def __init__(
        self,
        services: Informer[Service],
        pools: Informer[CiliumLoadBalancerIPPool],
        ranges: ClusterRanges,
        settings: LoadBalancerIPAMSettings,
    ) -> None:
        self.services = services
        self.pools = pools
        self.allocator = Allocator()
        self._ranges = ranges
        self._settings = settings
        self._overlaps: dict[str, str] = {}  # By pool, as far as they were looked for.
        #: Told which Services may have to say something else; any pool may, then.
        self.changed: Listeners[[set[ObjectKey]]] = Listeners()
        self._is_started = False

    def start(self) -> None:
        """Take over what Services have, and follow the tables from now on."""
        ours = {
            key: (read_request(each, self._settings), addresses_of(each))
            for key, each in self.services.objects.items()
            if is_ours(each, self._settings)
        }
        self.allocator.load(self._read_pools(), ours)
        self._is_started = True
        self.services.add_listener(self._service_changed)
        self.pools.add_listener(self._pool_changed)
        self._ranges.changed.add(self._ranges_changed)
        self._ranges.start()

    def service_verdicts(self) -> Mapping[ObjectKey, ServiceVerdict] | None:
        """Return what Services should say, live; None while not all is read."""
        if not self._is_started:
            return None
        return ServiceVerdicts(self) if self.allocator.pools else _NO_SERVICES

    def pool_verdicts(self) -> Mapping[str, Verdict] | None:
        """Return what pools should say; None while not all is read."""
        if not self._is_started:
            return None
        found = {}
        for pool in self.allocator.pools:
            used, left = self.allocator.used(pool)
            overlap = self._overlap(pool)
            found[pool.name] = pool_verdict(pool, used=used, left=left, overlap=overlap)
        return found

    def _overlap(self, pool: Pool) -> str:
        if pool.name not in self._overlaps:
            self._overlaps[pool.name] = pool.overlap(self._ranges.taken())
        return self._overlaps[pool.name]

    def _ranges_changed(self) -> None:
        self._overlaps.clear()
        self.changed(set())

    def _read_pools(self) -> list[Pool]:
        return [read_pool(each) for each in self.pools.objects.values()]

    def _pool_changed(
        self, old: CiliumLoadBalancerIPPool | None, new: CiliumLoadBalancerIPPool | None
    ) -> None:
        if old is not None and new is not None and old.spec == new.spec:
            self.changed(set())  # Its status, which is looked at again.
            return
        self._overlaps.clear()
        was_dormant = not self.allocator.pools
        touched = self.allocator.set_pools(self._read_pools())
        if was_dormant or not self.allocator.pools:
            touched = set(self.services.objects)
        self.changed(touched)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        either = new or old
        if either is None:
            return
        key = either.metadata.namespace, either.metadata.name
        if new is not None and is_ours(new, self._settings):
            request = read_request(new, self._settings)
            self.changed(self.allocator.put(request, addresses_of(new)) | {key})
            return
        touched = self.allocator.remove(key)
        if new is not None and is_marked(new):
            touched.add(key)
        if touched:
            self.changed(touched)


class ServiceVerdicts(Mapping[ObjectKey, ServiceVerdict]):
    """What each Service should say, worked out when it is asked for."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def __getitem__(self, key: ObjectKey) -> ServiceVerdict:
        outcome = self._book.allocator.outcome(key)
        service = self._book.services.objects.get(key)
        if outcome is None or service is None:
            raise KeyError(key)
        return service_verdict(outcome, service.metadata.generation)

    def __iter__(self) -> Iterator[ObjectKey]:
        return iter(self._book.allocator.keys)

    def __len__(self) -> int:
        return len(self._book.allocator)


def addresses_of(service: Service) -> list[IPAddress]:
    """Return the addresses that a Service's status names."""
    found = []
    for each in service.status.load_balancer.ingress:
        try:
            found.append(ip_address(each.ip))
        except ValueError:
            continue  # A name, which is nothing of ours.
    return found


def trimmed_service(service: Service) -> Service:
    """Return `service` with what is read of it; of one that no load balancer has, next to nothing."""
    meta = service.metadata
    if service.spec.type != "LoadBalancer" and not is_marked(service):
        return Service(metadata=trimmed_meta(meta), spec=ServiceSpec(), status=ServiceStatus())
    kept = structs.replace(
        trimmed_meta(meta),
        generation=meta.generation,
        creation_timestamp=meta.creation_timestamp,
        labels=meta.labels,
        annotations={key: text for key, text in meta.annotations.items() if key in ANNOTATIONS},
    )
    return structs.replace(service, metadata=kept)
