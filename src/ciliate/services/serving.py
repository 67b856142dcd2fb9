"""One Service brought into the maps: its frontends, the sets they lead to, and who is in them. Pure.

A Service for which there is no room is left out whole, by name; one that grows keeps what it has, and
gets as much more as fits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ciliate.datapath.layout import FrontendType
from ciliate.services.addresses import version_of
from ciliate.services.backend_sets import BackendSets, Judging, PortBackends
from ciliate.services.capacity import Usage, remedy
from ciliate.services.frontend_table import Claim, FrontendTable, Owner
from ciliate.services.frontends import RANGE_FLAGS, Wanted, barred_problems, frontends_of
from ciliate.services.host_ports import host_port_problem
from ciliate.services.maglev import Maglev
from ciliate.services.map_keys import MapKey, service_key
from ciliate.services.model import (
    KnownService,
    KnownSlice,
    NodeFacts,
    Place,
    ServiceKey,
    ServicePort,
    ServingSettings,
    Variant,
)
from ciliate.services.read import refusal_problem
from ciliate.services.verdicts import Candidates, Verdict, judge

_SLOTS: Final = "service_slots"


class Served:
    """What is known of a Service: itself, its slices, and what the maps should hold for it."""

    __slots__ = ("frontends", "full_map", "key", "known", "ports", "slices")

    def __init__(self, key: ServiceKey) -> None:
        self.key = key
        self.known: KnownService | None = None
        self.slices: tuple[KnownSlice, ...] = ()
        self.ports: tuple[PortBackends, ...] = ()
        self.frontends: tuple[MapKey, ...] = ()
        self.full_map = ""  # The map in which some of its frontends have no room.

    @property
    def owner(self) -> Owner:
        """What tells elder Services from younger ones."""
        return Owner(self.known.created if self.known is not None else "", self.key)

    @property
    def missing(self) -> int:
        """How many endpoints have no room, in the set that lacks most."""
        return max((one.missing for port in self.ports for _, one in port.variants), default=0)

    @property
    def lacks_table(self) -> bool:
        """Whether there was no room for a Maglev table."""
        return any(one.lacks_table for port in self.ports for _, one in port.variants)

    @property
    def lacks_room(self) -> bool:
        """Whether anything of it is left out."""
        return bool(self.full_map) or any(
            one.missing or one.lacks_table for port in self.ports for _, one in port.variants
        )


class Serving:
    """The tables, and what decides about every Service alike."""

    def __init__(
        self, node: NodeFacts, settings: ServingSettings, sizes: Mapping[str, int], maglev: Maglev
    ) -> None:
        self.node = node
        self.settings = settings
        self.usage = Usage(sizes)
        self.sets = BackendSets(self.usage, maglev)
        self.frontends = FrontendTable(
            self.usage, cluster_ips_from_outside=settings.cluster_ips_from_outside
        )
        self._by_maglev = bool(maglev.cells)

    def serve(self, served: Served) -> set[MapKey]:
        """Bring the tables to what a Service asks for now; return the keys that change."""
        known, standing, before = served.known, frozenset(served.frontends), self.usage.counts
        wanted = frontends_of(known, self.node, self.settings) if known is not None else {}
        touched = self._bring(served, wanted)
        served.full_map = self._full_for(served, before, is_new=not standing)
        kept = {key: each for key, each in wanted.items() if key in standing}
        if served.full_map and kept:
            touched |= self._bring(served, kept)
        if served.full_map and self._full_for(served, before, is_new=not kept):
            touched |= self.leave_out(served, served.full_map)
        return touched

    def leave_out(self, served: Served, full_map: str) -> set[MapKey]:
        """Take a Service out of the tables for lack of room; return the keys that change."""
        served.full_map = full_map
        return self._bring(served, {})

    def is_filling(self, full_map: str, served: Served) -> bool:
        """Whether it makes room in a full map to leave a Service out."""
        known = served.known
        if not full_map or known is None or not served.frontends:
            return False
        return full_map != "source_ranges" or bool(known.source_ranges)

    def refresh(self, served: Served) -> set[MapKey]:
        """Bring the sets to what the slices of a Service say; return the keys that change."""
        touched: set[MapKey] = set()
        for port in served.ports:
            touched |= self._refresh(served, port)
        return touched

    def problems_of(self, served: Served) -> Iterator[str]:
        """Yield what an operator has to know of a Service."""
        known = served.known
        if known is None:
            return
        yield from known.problems
        if known.host_ip is not None and (
            why := host_port_problem(known, served.key, self.settings)
        ):
            yield why
        if known.load_balancer_ips or known.external_ips:
            yield from barred_problems(known, served.key, self.node, self.settings)
        for each in served.slices:
            if each.refused:
                yield refusal_problem(served.key.namespace, each)
        if served.lacks_room:
            yield from self._shortages(served)

    def _shortages(self, served: Served) -> Iterator[str]:
        if served.full_map:
            what = "its new addresses and ports are not" if served.frontends else "it is not"
            yield f"{served.key.text}: {what} served: {remedy(served.full_map, self.usage.sizes)}"
        if served.missing:
            yield (
                f"{served.key.text}: {served.missing} of its endpoints get no connections:"
                f" {remedy(_SLOTS, self.usage.sizes)}"
            )
        if served.lacks_table:
            yield (
                f"{served.key.text}: endpoints are chosen by chance, not by Maglev:"
                f" {remedy('maglev_tables', self.usage.sizes)}"
            )

    def _full_for(self, served: Served, before: Sequence[int], *, is_new: bool) -> str:
        """Return the map in which there is no room for what a Service has now, or nothing."""
        if full := self.usage.full(before):
            return full
        return _SLOTS if is_new and served.missing else ""

    def _bring(self, served: Served, wanted: Mapping[MapKey, Wanted]) -> set[MapKey]:
        former = served.ports
        served.ports, touched = self._ports(served, wanted)
        touched |= self.refresh(served)
        touched |= self._claim(served, wanted)
        # At last, when no frontend leads to them.
        touched |= self._drop_unused((*former, *served.ports), wanted)
        return touched

    def _ports(
        self, served: Served, wanted: Mapping[MapKey, Wanted]
    ) -> tuple[tuple[PortBackends, ...], set[MapKey]]:
        """Return the ports that frontends lead to, with the sets that these need."""
        standing = {_port_key(each.port, each.version): each for each in served.ports}
        found: dict[tuple[str, int, int], PortBackends] = {}
        touched: set[MapKey] = set()
        for key, each in wanted.items():
            port_key = _port_key(each.port, each.version)
            port = found.get(port_key)
            if port is None:
                port = standing.get(port_key) or PortBackends(each.port, each.version)
                found[port_key] = port
                port.port = each.port
            touched |= self._add_set(port, each.outside, key, inside=False)
            if each.inside is not None:
                touched |= self._add_set(port, each.inside, key, inside=True)
        for port in found.values():
            touched |= self._configure(served, port, wanted)
        return tuple(found.values()), touched

    def _add_set(
        self, port: PortBackends, variant: Variant, key: MapKey, *, inside: bool
    ) -> set[MapKey]:
        if port.sets[variant] is not None:
            return set()
        found = self.sets.make(self.frontends.adopted_set(key, inside=inside))
        port.sets[variant] = found
        return {service_key(found.number)}

    def _configure(
        self, served: Served, port: PortBackends, wanted: Mapping[MapKey, Wanted]
    ) -> set[MapKey]:
        known = served.known
        assert known is not None
        mine = [each for each in wanted.values() if _is_of(port, each)]
        ranges = tuple(
            each for each in known.source_ranges if version_of(each.address) == port.version
        )
        checked = {each.outside for each in mine if each.flags & RANGE_FLAGS}
        routed = {each.outside for each in mine if self._is_routed(each)}
        touched: set[MapKey] = set()
        for variant, one in port.variants:
            touched |= self.sets.configure(
                one,
                affinity_s=known.affinity_s,
                ranges=ranges if variant in checked else (),
                by_maglev=self._by_maglev and variant in routed,
            )
        return touched

    def _is_routed(self, wanted: Wanted) -> bool:
        """Whether packets from outside come to a frontend."""
        return (
            self.settings.cluster_ips_from_outside
            or wanted.type is not FrontendType.FRONTEND_CLUSTER_IP
        )

    def _claim(self, served: Served, wanted: Mapping[MapKey, Wanted]) -> set[MapKey]:
        touched: set[MapKey] = set()
        for key in served.frontends:
            if key not in wanted:
                touched |= self.frontends.unclaim(key, served.key)
        owner = served.owner
        ports = {_port_key(each.port, each.version): each for each in served.ports}
        for key, each in wanted.items():
            port = ports[_port_key(each.port, each.version)]
            claim = Claim(owner, each.type, each.flags, port, each.outside, each.inside)
            touched |= self.frontends.claim(key, claim)
        served.frontends = tuple(wanted)
        return touched

    def _drop_unused(
        self, ports: Iterable[PortBackends], wanted: Mapping[MapKey, Wanted]
    ) -> set[MapKey]:
        touched: set[MapKey] = set()
        for port in dict.fromkeys(ports):
            mine = [each for each in wanted.values() if _is_of(port, each)]
            used = {each.outside for each in mine} | {each.inside for each in mine}
            for variant, one in port.variants:
                if variant not in used:
                    touched |= self.sets.drop(one)
                    port.sets[variant] = None
            if not mine:
                self.sets.forget(port)
        return touched

    def _refresh(self, served: Served, port: PortBackends) -> set[MapKey]:
        found = Candidates(served.slices, port.port, port.version)
        was_empty = port.is_empty
        touched = self.sets.refresh(port, found, self._judging(served))
        if was_empty != port.is_empty:
            touched |= self.frontends.leading_to(served.frontends, port)
        return touched

    def _judging(self, served: Served) -> Judging:
        assert served.known is not None
        follows_hints = served.known.follows_hints

        def chosen(places: AbstractSet[Place], variant: Variant) -> AbstractSet[Place]:
            verdicts = judge(places, variant=variant, node=self.node, follows_hints=follows_hints)
            return {place for place, each in verdicts.items() if each is Verdict.CHOSEN}

        return chosen


def _port_key(port: ServicePort, version: int) -> tuple[str, int, int]:
    return port.name, port.protocol, version


def _is_of(port: PortBackends, wanted: Wanted) -> bool:
    return _port_key(port.port, port.version) == _port_key(wanted.port, wanted.version)
