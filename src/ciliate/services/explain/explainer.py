"""Answers who would serve a client of a Service: by the API, and by the maps as they are now."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from ciliate.api.service import SERVICES, Service
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import (
    Affinity,
    AffinityKey,
    Backend,
    Frontend,
    FrontendFlag,
    FrontendScope,
    FrontendType,
)
from ciliate.datapath.layout import Service as LiveService
from ciliate.kube.errors import NotFoundError
from ciliate.net.address import from_octets
from ciliate.net.protocol import protocol_name
from ciliate.node.context import Context
from ciliate.services.addresses import family_name
from ciliate.services.book import ServiceBook
from ciliate.services.explain.answer import (
    Explanation,
    FrontendVerdict,
    PortExplanation,
    Question,
)
from ciliate.services.explain.callers import Caller, caller_of
from ciliate.services.explain.judging import LiveSet, endpoint_verdicts
from ciliate.services.explain.question import (
    ServiceUnknownError,
    is_named,
    port_text,
    refuse_unknown_port,
)
from ciliate.services.map_keys import (
    ServiceMap,
    address_of,
    octets_of,
    outside_key,
    read_frontend_key,
    service_key,
    slot_key,
    source_range_key,
)
from ciliate.services.maps import OUTSIDE_AFFINITIES, SERVICE_AFFINITIES
from ciliate.services.model import ServiceKey, Variant
from ciliate.services.report import SetVerdicts, Standing
from ciliate.services.service_list import TYPE_NAMES
from ciliate.services.show import frontend_name
from ciliate.services.targets import Opened

_POLICIES: Final = {Variant.ALL: "Cluster", Variant.LOCAL: "Local"}
_NS: Final = 10**9


class _Asked(NamedTuple):
    """A set that the client may be sent to, and the frontends that lead there."""

    verdicts: SetVerdicts
    frontends: tuple[Standing, ...]


class Explainer:
    """Answers POST service/explain."""

    def __init__(self, context: Context, book: ServiceBook) -> None:
        self._context = context
        self._book = book
        self._datapath: Datapath | None = None
        self._opened: Mapping[ServiceMap, Opened] = {}

    def use(self, datapath: Datapath, opened: Mapping[ServiceMap, Opened]) -> None:
        """Read these maps."""
        self._datapath = datapath
        self._opened = opened

    async def explain(self, body: bytes) -> Explanation:
        """Answer a `Question`.

        Raises:
            CiliateError: No such Service or port, the client is elsewhere, the kernel refused.
        """
        question = msgspec.json.decode(body, type=Question)
        key = ServiceKey(question.namespace, question.name)
        try:  # What the agent keeps of it is what decides.
            service = await self._context.client.get(SERVICES, key.name, namespace=key.namespace)
        except NotFoundError as error:
            raise ServiceUnknownError(str(key), "does not exist") from error
        refuse_unknown_port(service, question.port)
        caller = caller_of(self._context, question.client)
        spec = service.spec
        policy = spec.internal_traffic_policy if caller.is_inside else spec.external_traffic_policy
        asked = self._asked(key, caller, question.port)
        ports = await asyncio.to_thread(self._ports, asked, caller)
        return Explanation(
            service=str(key),
            node=self._context.own.name,
            client=caller.text,
            scope="inside" if caller.is_inside else "outside",
            policy=policy or _POLICIES[Variant.ALL],
            because="" if ports else self._why_nothing(service, caller),
            ports=ports,
            problems=tuple(text for owner, text in self._book.problems() if owner == key),
        )

    def _asked(self, key: ServiceKey, caller: Caller, port: str) -> list[_Asked]:
        from_outside = self._context.settings.services.access.cluster_ips_from_outside
        frontends = met_by(caller, self._book.frontends_of(key), cluster_ips=from_outside)
        found = []
        for verdicts in self._book.verdicts(key):
            leading = tuple(
                each
                for each in frontends
                if (each.port, each.version, each.variant)
                == (verdicts.port, verdicts.version, verdicts.variant)
            )
            if leading and is_named(verdicts.port, port):
                found.append(_Asked(verdicts, leading))
        return found

    def _ports(self, asked: Sequence[_Asked], caller: Caller) -> tuple[PortExplanation, ...]:
        """Read the maps; blocking."""
        keys = caller.keys()
        return tuple(self._port(each, caller, keys) for each in asked)

    def _port(self, asked: _Asked, caller: Caller, keys: tuple[bytes, ...]) -> PortExplanation:
        of = asked.verdicts
        frontends = tuple(self._frontend(each, of.number, caller) for each in asked.frontends)
        live = self._live(of.number, caller, keys)
        if frontends and all(each.problem for each in frontends):
            live = live._replace(barred="no address of the Service takes this client")
        return PortExplanation(
            port=port_text(of.port.name, of.port.port, protocol_name(of.port.protocol)),
            family=family_name(of.version),
            set=of.number,
            frontends=frontends,
            endpoints=tuple(endpoint_verdicts(of, live)),
        )

    def _frontend(self, standing: Standing, number: int, caller: Caller) -> FrontendVerdict:
        held = self._opened[ServiceMap.FRONTENDS].get(octets_of(standing.key))
        return FrontendVerdict(
            frontend=frontend_name(read_frontend_key(standing.key)),
            type=TYPE_NAMES[standing.type],
            problem=self._frontend_problem(held, number, caller)
            or self._mitigation(standing, caller),
        )

    def _mitigation(self, standing: Standing, caller: Caller) -> str:
        """Return why a frontend is not for who asks inside, though the map has it."""
        access = self._context.settings.services.access
        if (
            not caller.is_inside
            or standing.type is not FrontendType.FRONTEND_EXTERNAL_IP
            or access.external_ips_for_pods
            or address_of(standing.key) in self._context.devices.current.octets
        ):
            return ""
        return "left alone inside the cluster: no address of this node (disable-external-ip-mitigation)"

    def _frontend_problem(self, held: bytes | None, number: int, caller: Caller) -> str:
        if held is None:
            return "not in the map yet"
        found = Frontend.unpack(held)
        if found.service != number:
            return f"in the map it still leads to set {found.service}, not {number}"
        flags = FrontendFlag(found.flags)
        if caller.is_inside or FrontendFlag.FRONTEND_SOURCE_RANGES not in flags:
            return ""
        (client,) = caller.addresses
        key = octets_of(source_range_key(number, 128, client))
        is_listed = self._opened[ServiceMap.SOURCE_RANGES].get(key) is not None
        if is_listed is not (FrontendFlag.FRONTEND_DENY_RANGES in flags):
            return ""
        where = "in a range that is denied" if is_listed else "not in loadBalancerSourceRanges"
        return f"{caller.text} is {where}: dropped"

    def _live(self, number: int, caller: Caller, keys: tuple[bytes, ...]) -> LiveSet:
        held = self._opened[ServiceMap.SERVICES].get(octets_of(service_key(number)))
        if held is None:
            return LiveSet()
        service = LiveService.unpack(held)
        slots = tuple(self._slots(number, service.backends))
        if not service.affinity_s:
            return LiveSet(slots)
        affinity = self._affinity(number, caller, keys)
        if affinity is None:
            return LiveSet(slots)
        left_s = service.affinity_s - (time.monotonic_ns() - affinity.last_ns) / _NS
        return LiveSet(slots, affinity.backend, left_s) if left_s > 0 else LiveSet(slots)

    def _slots(self, number: int, count: int) -> Iterator[Backend | None]:
        for slot in range(1, count + 1):
            held = self._opened[ServiceMap.SLOTS].get(octets_of(slot_key(number, slot)))
            yield Backend.unpack(held) if held is not None else None

    def _affinity(self, number: int, caller: Caller, keys: Iterable[bytes]) -> Affinity | None:
        """Return what a client had last, by sockets or by packets."""
        assert self._datapath is not None, "requests are answered since the node is set up"
        which = SERVICE_AFFINITIES if caller.is_inside else OUTSIDE_AFFINITIES
        with self._datapath.opened(which) as opened:
            found = [opened.get(AffinityKey(client=key, service=number)) for key in keys]
        return max((each for each in found if each is not None), default=None)

    def _why_nothing(self, service: Service, caller: Caller) -> str:
        if service.spec.type == "ExternalName":
            return f"ExternalName: the cluster's DNS says {service.spec.external_name}, no more"
        if service.is_headless:
            return (
                "headless: the cluster's DNS names its endpoints, and no address stands for them"
            )
        key = ServiceKey(service.metadata.namespace, service.metadata.name)
        if self._book.frontends_of(key):
            return (
                "no address of it is for clients inside the cluster"
                if caller.is_inside
                else "no address of it is for clients outside the cluster: a ClusterIP is for pods"
                " and nodes (bpf-lb-external-clusterip)"
            )
        return "this node serves no address of it: its labels or annotations leave it to others"


def met_by(caller: Caller, frontends: Iterable[Standing], *, cluster_ips: bool) -> list[Standing]:
    """Return the frontends that a client meets; `cluster_ips`: also from outside."""
    found = list(frontends)
    if caller.is_inside:
        own = {outside_key(each.key) for each in found if _scope(each) == _INSIDE}
        return [each for each in found if each.key not in own]
    (address,) = map(from_octets, caller.addresses)
    return [
        each
        for each in found
        if _scope(each) != _INSIDE
        and each.version == address.version
        and (cluster_ips or each.type is not FrontendType.FRONTEND_CLUSTER_IP)
        # A node port of no address is for sockets.
        and not from_octets(address_of(each.key)).is_unspecified
    ]


_INSIDE: Final = FrontendScope.SCOPE_INSIDE


def _scope(standing: Standing) -> int:
    return read_frontend_key(standing.key).scope
