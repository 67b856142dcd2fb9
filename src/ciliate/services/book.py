"""All Services of the cluster as what this node's maps should hold. Pure.

A live view: what changed is told to it object by object, each call returns the keys of the maps that
the change touched, and the mapping says what they should hold now. Nothing is computed for Services
that did not change.

At its start an agent tells what the maps hold (`adopt`), then every Service, slice and hostPort, then
that this was all (`settle`). Only then is anything left out for lack of room.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from ciliate.config.datapath_defaults import MAP_ENTRIES
from ciliate.datapath.layout import FrontendType
from ciliate.services.adoption import Held
from ciliate.services.frontend_table import Claim
from ciliate.services.host_ports import (
    VERSIONS,
    host_port_key,
    host_port_service,
    host_port_slice,
)
from ciliate.services.maglev import Maglev
from ciliate.services.map_keys import MapKey, ServiceMap, map_of
from ciliate.services.metrics import Filled, Ids
from ciliate.services.model import (
    EndpointState,
    HostPort,
    KnownService,
    KnownSlice,
    NodeFacts,
    ServiceKey,
    ServingSettings,
)
from ciliate.services.report import (
    FrontendRow,
    SetVerdicts,
    Standing,
    frontend_rows,
    set_verdicts,
    standing_frontends,
)
from ciliate.services.serving import Served, Serving
from ciliate.services.verdicts import endpoints, is_local

#: The namespace and name of an EndpointSlice.
SliceKey = tuple[str, str]


class HealthCheck(NamedTuple):
    """What a load balancer is told that asks a Service's `healthCheckNodePort`."""

    service: ServiceKey
    local_endpoints: int  # That are ready.


class ServiceBook(Mapping[MapKey, bytes]):
    """The desired entries of every map of Services."""

    def __init__(
        self,
        node: NodeFacts,
        settings: ServingSettings,
        *,
        sizes: Mapping[str, int] = MAP_ENTRIES,
        maglev: Maglev | None = None,
    ) -> None:
        self._serving = Serving(node, settings, sizes, maglev or Maglev())
        self._serving.frontends.set_node_addresses(node.node_addresses, node.node_addresses)
        self._services: dict[ServiceKey, Served] = {}
        self._service_of: dict[SliceKey, ServiceKey] = {}
        self._host_ports: dict[ServiceKey, HostPort] = {}
        #: Services with something to say; those asked for their health; those that lack room.
        self._with_problems: set[ServiceKey] = set()
        self._with_health: set[ServiceKey] = set()
        self._waiting: set[ServiceKey] = set()

    # The view.

    def __getitem__(self, key: MapKey) -> bytes:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: MapKey, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        """Return what a map should hold under a key, or `default`."""
        if map_of(key) is ServiceMap.FRONTENDS:
            found = self._serving.frontends.get(key)
        else:
            found = self._serving.sets.get(key)
        return default if found is None else found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(MapKey(key)) is not None

    def __iter__(self) -> Iterator[MapKey]:
        """Yield each key once, what is referred to before what refers to it."""
        return chain(self._serving.sets, self._serving.frontends)

    def __len__(self) -> int:
        return len(self._serving.sets) + sum(1 for _ in self._serving.frontends)

    # Start.

    def adopt(self, held: Held) -> None:
        """Take over ids and the order of slots from what the maps hold; first of all calls."""
        self._serving.frontends.adopt(held.frontends)
        self._serving.sets.backends.adopt(held.backends)
        self._serving.sets.adopt(held.slots)

    def settle(self) -> set[MapKey]:
        """All Services and slices have been told; return the keys touched.

        Nobody else takes over what the maps held, and the youngest of those that do not fit are
        left out.
        """
        self._serving.frontends.settle()
        self._serving.sets.settle()
        self._serving.usage.is_bounded = True
        touched: set[MapKey] = set()
        if self._serving.usage.full():
            by_age = sorted(self._services.values(), key=lambda each: each.owner, reverse=True)
            for served in by_age:
                full = self._serving.usage.full()
                if self._serving.is_filling(full, served):
                    touched |= self._serving.leave_out(served, full)
                    self._tidy(served)
        return touched

    # Changes.

    def put_service(self, key: ServiceKey, known: KnownService | None) -> set[MapKey]:
        """Take a Service's latest version, None when it is gone or not served; return the keys."""
        served = self._services.get(key)
        if served is None:
            if known is None:
                return set()
            served = self._services[key] = Served(key)
        served.known = known
        return self._changed(served, self._serving.serve)

    def put_slice(self, key: SliceKey, service: str, known: KnownSlice | None) -> set[MapKey]:
        """Take a slice's latest version and the name of its Service; return the keys touched.

        None: it is gone. A slice without a Service is nobody's.
        """
        owner = ServiceKey(key[0], service) if known is not None and service else None
        former = self._service_of.pop(key, None)
        touched: set[MapKey] = set()
        if former is not None and former != owner:
            touched |= self._change_slice(self._services[former], key[1], None)
        if owner is not None:
            served = self._services.get(owner)
            if served is None:
                served = self._services[owner] = Served(owner)
            # With the strings that are known already: there are many slices.
            self._service_of[served.key.namespace, key[1]] = served.key
            touched |= self._change_slice(served, key[1], known)
        return touched

    def set_node(self, node: NodeFacts, moved: AbstractSet[bytes] | None = None) -> set[MapKey]:
        """Take what is known of this node; return the keys touched.

        `moved` are the addresses that nodes gained or lost, where the caller knows: there are as
        many addresses as nodes.
        """
        before, self._serving.node = self._serving.node, node
        if moved is None:
            moved = before.node_addresses ^ node.node_addresses
        touched = self._serving.frontends.set_node_addresses(node.node_addresses, moved)
        concerned = _concerned(before, node, moved)
        for served in [each for each in self._services.values() if concerned(each)]:
            touched |= self._changed(served, self._serving.serve)
        return touched

    def set_host_ports(self, host_ports: Iterable[HostPort]) -> set[MapKey]:
        """Take all hostPorts of this node's pods; return the keys touched."""
        wanted = {host_port_key(each): each for each in host_ports}
        touched: set[MapKey] = set()
        for key in [each for each in self._host_ports if each not in wanted]:
            del self._host_ports[key]
            touched |= self.put_service(key, None)
            for version in VERSIONS:
                touched |= self.put_slice(_slice_key(key, version), "", None)
        for key, each in wanted.items():
            if self._host_ports.get(key) != each:
                self._host_ports[key] = each
                touched |= self._put_host_port(key, each)
        return touched

    # What others ask.

    def take_lost_backends(self) -> frozenset[bytes]:
        """Return the backends that no Service names any more, once: address, port, protocol."""
        return self._serving.sets.backends.take_lost()

    def names_backend(self, backend: bytes) -> bool:
        """Whether some Service names a backend: address, port, protocol."""
        return backend in self._serving.sets.backends

    def rows(self) -> Iterator[FrontendRow]:
        """Yield what `service list` shows, unsorted: of many Services, piece by piece."""
        return frontend_rows(self._serving, self._services)

    def verdicts(self, key: ServiceKey) -> tuple[SetVerdicts, ...]:
        """Return what becomes of every endpoint of a Service, set by set; none: no frontends."""
        served = self._services.get(key)
        return tuple(set_verdicts(self._serving, served)) if served is not None else ()

    def frontends_of(self, key: ServiceKey) -> tuple[Standing, ...]:
        """Return the frontends of a Service, by scope."""
        return tuple(standing_frontends(self._serving, key))

    def service_at(self, key: MapKey) -> ServiceKey | None:
        """Return the Service that has a frontend, of those that claim it; None: no Service has it."""
        return _service_of(self._serving.frontends.claim_at(key))

    def services_by_frontend(self) -> Iterator[tuple[MapKey, ServiceKey]]:
        """Yield each frontend that a Service has, and whose it is."""
        for key, _, _, claim in self._serving.frontends.claims():
            if (service := _service_of(claim)) is not None:
                yield key, service

    def problems(self) -> Iterator[tuple[ServiceKey, str]]:
        """Yield what is wrong with Services and slices, as an operator is to be told."""
        for key in sorted(self._with_problems):
            for text in self._serving.problems_of(self._services[key]):
                yield key, text
        yield from self._serving.frontends.problems()

    def filled(self) -> Mapping[str, Filled]:
        """Return how full each map should be, by its name."""
        usage = self._serving.usage
        return {name: Filled(used, usage.sizes[name]) for name, used in usage.used.items()}

    def ids(self) -> Mapping[str, Ids]:
        """Return how many ids frontends ("service") and backends have."""
        usage, backends = self._serving.usage, self._serving.sets.backends
        frontends = Ids(usage.sizes["frontends"], usage.frontends, self._serving.frontends.given)
        return {
            "service": frontends,
            "backend": Ids(usage.sizes["service_slots"], len(backends), backends.given),
        }

    def health_checks(self) -> dict[int, HealthCheck]:
        """Return what is to be answered at which port; of two Services the elder counts."""
        found: dict[int, HealthCheck] = {}
        checked = [self._services[key] for key in self._with_health]
        for served in sorted(checked, key=lambda each: each.owner, reverse=True):
            assert served.known is not None
            ready = {
                address
                for known in served.slices
                for address, place in endpoints(known)
                if place.state is EndpointState.READY and is_local(place, self._serving.node)
            }
            found[served.known.health_check_port] = HealthCheck(served.key, len(ready))
        return found

    # Inside.

    def _changed(self, served: Served, change: Callable[[Served], set[MapKey]]) -> set[MapKey]:
        """Carry out a change, and serve those that waited for what it frees."""
        before = self._serving.usage.counts
        touched = change(served)
        self._tidy(served)
        if self._waiting and any(
            now < then for now, then in zip(self._serving.usage.counts, before, strict=True)
        ):
            touched |= self._serve_waiting()
        return touched

    def _serve_waiting(self) -> set[MapKey]:
        """Serve those for which there was no room, elder ones first, until there is no more."""
        touched: set[MapKey] = set()
        while self._waiting:
            waiting = (self._services[key] for key in self._waiting)
            eldest = min(waiting, key=lambda each: each.owner)
            touched |= self._serving.serve(eldest)
            self._tidy(eldest)
            if eldest.lacks_room:
                break
        return touched

    def _change_slice(self, served: Served, name: str, known: KnownSlice | None) -> set[MapKey]:
        others = tuple(each for each in served.slices if each.name != name)
        served.slices = others if known is None else (*others, known)
        return self._changed(served, self._serving.refresh)

    def _tidy(self, served: Served) -> None:
        """Keep the lists of Services that somebody asks for, and no Service that is nothing."""
        known, key = served.known, served.key
        _keep(self._waiting, key, when=known is not None and served.lacks_room)
        _keep(self._with_problems, key, when=any(self._serving.problems_of(served)))
        _keep(self._with_health, key, when=known is not None and bool(known.health_check_port))
        if known is None and not served.slices:
            del self._services[key]

    def _put_host_port(self, key: ServiceKey, found: HostPort) -> set[MapKey]:
        """Serve a hostPort as a Service with one endpoint."""
        touched: set[MapKey] = set()
        for version in VERSIONS:
            known = host_port_slice(found, version)
            touched |= self.put_slice(_slice_key(key, version), key.name, known)
        return touched | self.put_service(key, host_port_service(found))


def _service_of(claim: Claim | None) -> ServiceKey | None:
    """Return who claims, unless that is a pod, by a hostPort."""
    if claim is None or claim.type is FrontendType.FRONTEND_HOST_PORT:
        return None
    return claim.owner.key


def _slice_key(key: ServiceKey, version: int) -> SliceKey:
    return key.namespace, f"{key.name}/{version}"


def _concerned(
    before: NodeFacts, after: NodeFacts, moved: AbstractSet[bytes]
) -> Callable[[Served], bool]:
    """Return which Services a change of the node concerns: nodes change more often than those."""
    is_another, is_elsewhere = before.name != after.name, before.zone != after.zone
    has_other_ports = before.node_port_addresses != after.node_port_addresses
    has_other_labels = before.labels != after.labels

    def is_concerned(served: Served) -> bool:
        known = served.known
        if known is None:
            return False
        if is_another or (is_elsewhere and known.follows_hints):
            return True
        if has_other_labels and known.exposing_nodes is not None:
            return True
        if has_other_ports and (
            known.host_ip is not None or any(port.node_port for port in known.ports)
        ):
            return True
        # Node ports bar what a Service has at an address of a node.
        return not moved.isdisjoint((*known.load_balancer_ips, *known.external_ips))

    return is_concerned


def _keep(keys: set[ServiceKey], key: ServiceKey, *, when: bool) -> None:
    (keys.add if when else keys.discard)(key)
