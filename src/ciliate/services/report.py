"""Services as commands list and explain them: frontends with their backends, sets with verdicts. Pure.

Made from what the maps should hold. Whether they do, is for who reads them to say: a set's number
leads from here to there.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ciliate.datapath.layout import FrontendScope, FrontendType
from ciliate.services.backend_sets import PortBackends
from ciliate.services.frontend_table import Claim
from ciliate.services.map_keys import MapKey, inside_key, read_frontend_key
from ciliate.services.model import EndpointState, ServiceKey, ServicePort, Variant
from ciliate.services.serving import Served, Serving
from ciliate.services.verdicts import Judged, Verdict, judge_all


class BackendRow(NamedTuple):
    """A backend of a frontend; one that ends and is in no slot has its connections."""

    id: int
    address: bytes
    port: int
    state: EndpointState
    node: str
    zone: str
    is_chosen: bool


class FrontendRow(NamedTuple):
    """A frontend, for callers of one scope."""

    id: int
    address: bytes
    port: int
    protocol: int
    scope: FrontendScope
    type: FrontendType
    service: ServiceKey
    port_name: str
    internal: Variant
    external: Variant
    health_check_port: int
    backends: tuple[BackendRow, ...]  # By id.


class Standing(NamedTuple):
    """A frontend of a Service, for callers of one scope: which set it leads to."""

    key: MapKey
    type: FrontendType
    port: ServicePort
    version: int
    variant: Variant


class SetVerdicts(NamedTuple):
    """Every endpoint of a Service and what becomes of it in one set of backends."""

    number: int  # Of the set, as the maps have it.
    port: ServicePort
    version: int
    variant: Variant
    endpoints: tuple[Judged, ...]
    missing: int  # Chosen ones for which the maps have no room.


def frontend_rows(
    serving: Serving, services: Mapping[ServiceKey, Served]
) -> Iterator[FrontendRow]:
    """Yield a row for each frontend and scope; what changes meanwhile is missed or shown."""
    for key, outside, inside, claim in serving.frontends.claims():
        served = services.get(claim.owner.key)
        if served is None or served.known is None:
            continue
        row = _Rows(serving, served, key, claim)
        yield row.of(outside, FrontendScope.SCOPE_OUTSIDE, claim.outside)
        if claim.inside is not None:
            yield row.of(inside, FrontendScope.SCOPE_INSIDE, claim.inside)


def standing_frontends(serving: Serving, service: ServiceKey) -> Iterator[Standing]:
    """Yield the frontends that are a Service's own; what elder ones have is not."""
    for key, _, _, claim in serving.frontends.claims():
        if claim.owner.key == service:
            of = claim.port.port, claim.port.version
            yield Standing(key, claim.type, *of, claim.outside)
            if claim.inside is not None:
                yield Standing(inside_key(key), claim.type, *of, claim.inside)


def set_verdicts(serving: Serving, served: Served) -> Iterator[SetVerdicts]:
    """Yield what becomes of a Service's endpoints, set by set."""
    for port in served.ports:
        for variant, one in port.variants:
            judged = tuple(_judged(serving, served, port, variant))
            yield SetVerdicts(one.number, port.port, port.version, variant, judged, one.missing)


class _Rows(NamedTuple):
    """A frontend whose rows are made."""

    serving: Serving
    served: Served
    key: MapKey
    claim: Claim

    def of(self, number: int, scope: FrontendScope, variant: Variant) -> FrontendRow:
        """Return the row of one scope."""
        known = self.served.known
        assert known is not None
        address, port, protocol, _ = read_frontend_key(self.key)
        return FrontendRow(
            id=number,
            address=address,
            port=port,
            protocol=protocol,
            scope=scope,
            type=self.claim.type,
            service=self.served.key,
            port_name=self.claim.port.port.name,
            internal=known.internal,
            external=known.external,
            health_check_port=known.health_check_port,
            backends=_backends(self.serving, self.served, self.claim.port, variant),
        )


def _backends(
    serving: Serving, served: Served, port: PortBackends, variant: Variant
) -> tuple[BackendRow, ...]:
    """Return those in slots, and those that end beside them; an address in two slices is one."""
    slots = frozenset(port.set_of(variant).slots)
    found: dict[int, BackendRow] = {}
    for each in _judged(serving, served, port, variant):
        if each.place is None or each.verdict not in (Verdict.CHOSEN, Verdict.TERMINATING):
            continue
        number = serving.sets.backends.number(each.address, each.port, port.port.protocol)
        is_chosen = number in slots and each.verdict is Verdict.CHOSEN
        if number and (is_chosen or number not in found):
            place = each.place
            found[number] = BackendRow(
                number, each.address, each.port, place.state, place.node, place.zone, is_chosen
            )
    return tuple(found[number] for number in sorted(found))


def _judged(
    serving: Serving, served: Served, port: PortBackends, variant: Variant
) -> Iterator[Judged]:
    assert served.known is not None
    return judge_all(
        served.slices,
        port.port,
        port.version,
        variant=variant,
        node=serving.node,
        follows_hints=served.known.follows_hints,
    )
