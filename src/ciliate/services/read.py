"""Objects of the API as what decides here. Pure.

What cannot be used is left out by itself, with a sentence that says why: a port, an address, an
endpoint. The rest of the object counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeVar

from ciliate.api import service_annotations as annotations
from ciliate.api.endpoint_slice import Endpoint, EndpointPort, EndpointSlice
from ciliate.api.service import (
    HEADLESS_LABEL,
    PROXY_NAME_LABEL,
    TOPOLOGY_HINTS_ANNOTATION,
    TOPOLOGY_MODE_ANNOTATION,
    Service,
)
from ciliate.net.address import address_text, ip_network, prefix_bits, to_octets
from ciliate.net.protocol import TCP, UDP
from ciliate.services.addresses import (
    family_name,
    read_address,
    read_any_address,
    version_of,
)
from ciliate.services.model import (
    EndpointState,
    KnownService,
    KnownSlice,
    Place,
    Refusal,
    ServicePort,
    ServingSettings,
    SlicePort,
    SourceRange,
    Variant,
)

T = TypeVar("T")

_PROTOCOLS: Final = {"TCP": TCP, "UDP": UDP}
_VERSIONS: Final = {"IPv4": 4, "IPv6": 6}
#: The orders of versions that Services have, one object each.
_ORDERS: Final[Mapping[tuple[int, ...], tuple[int, ...]]] = {
    each: each for each in ((4,), (6,), (4, 6), (6, 4))
}
_EXTERNAL_TYPES: Final = ("NodePort", "LoadBalancer")
_NEAR: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")


def is_served(service: Service, settings: ServingSettings) -> bool:
    """Whether a Service has frontends that this node is to serve."""
    labels = service.metadata.labels
    return (
        service.spec.type != "ExternalName"
        and not service.is_headless
        and HEADLESS_LABEL not in labels
        and labels.get(PROXY_NAME_LABEL, "") == settings.proxy_name
    )


def read_service(service: Service, settings: ServingSettings) -> KnownService | None:
    """Return what a Service asks for; None: nothing of this node."""
    if not is_served(service, settings):
        return None
    spec, problems = service.spec, _Problems(service)
    cluster_ips = tuple(problems.read("spec.clusterIPs", _cluster_ips(service), read_any_address))
    versions = _versions(service, cluster_ips)
    notes = service.metadata.annotations
    for name, value in annotations.unsupported(notes):
        problems.add(
            f"metadata.annotations[{name}]", value, "is not supported", "it is ignored; remove it"
        )
    reaches_out = spec.type in _EXTERNAL_TYPES
    balancers = (
        each.ip
        for each in service.status.load_balancer.ingress
        if each.ip and each.ip_mode != "Proxy" and spec.type == "LoadBalancer"
    )

    def addresses(path: str, texts: Iterable[str]) -> tuple[bytes, ...]:
        return tuple(
            octets
            for octets in problems.read(path, texts, read_any_address)
            if problems.is_of_family(path, octets, versions)
        )

    return KnownService(
        created=service.metadata.creation_timestamp or "",
        versions=versions,
        ports=_shared_ports(tuple(_ports(service, settings, problems))),
        cluster_ips=cluster_ips,
        load_balancer_ips=addresses("status.loadBalancer.ingress", balancers),
        external_ips=addresses("spec.externalIPs", spec.external_ips),
        internal=_variant(spec.internal_traffic_policy),
        external=_variant(
            spec.external_traffic_policy if reaches_out or spec.external_ips else ""
        ),
        affinity_s=spec.affinity_timeout_s if settings.session_affinity else 0,
        source_ranges=tuple(
            problems.read(
                "spec.loadBalancerSourceRanges",
                spec.load_balancer_source_ranges if spec.type == "LoadBalancer" else (),
                _source_range,
            )
        ),
        denies_ranges=notes.get(annotations.RANGES_POLICY) == "deny",
        follows_hints=_follows_hints(service, settings),
        exposed_type=problems.annotation(notes, annotations.TYPE, annotations.exposed_type, ""),
        exposing_nodes=problems.annotation(
            notes, annotations.NODE_SELECTOR, annotations.exposing_nodes, None
        ),
        health_check_port=spec.health_check_node_port if spec.type == "LoadBalancer" else 0,
        problems=problems.found,
    )


def read_slice(found: EndpointSlice) -> KnownSlice:
    """Return what a slice says."""
    version = _VERSIONS.get(found.address_type, 0)
    addresses: list[bytes] = []
    places: list[Place] = []
    refused: list[Refusal] = []
    # A slice of names (FQDN) has nothing that packets can be sent to.
    for endpoint in found.endpoints if version else ():
        text = endpoint.addresses[0] if endpoint.addresses else ""
        try:
            addresses.append(read_address(text, version))
        except ValueError as error:
            refused.append(Refusal(text, str(error)))
        else:
            places.append(_place(endpoint))
    return KnownSlice(
        name=found.metadata.name,
        version=version,
        ports=_slice_ports(found.ports),
        addresses=b"".join(addresses),
        places=tuple(places),
        refused=tuple(refused),
    )


def refusal_problem(namespace: str, known: KnownSlice) -> str:
    """Return a sentence about a slice's refused endpoints, of which there are any."""
    first = known.refused[0]
    more = f" (and {len(known.refused) - 1} more endpoints)" if len(known.refused) > 1 else ""
    return (
        f'EndpointSlice {namespace}/{known.name}: endpoints[].addresses: "{first.address}"'
        f" {first.why}{more}: the other endpoints count; give addresses that pods or other"
        " machines have"
    )


class _Problems:
    """What of a Service is left out, in sentences."""

    def __init__(self, service: Service) -> None:
        self._name = f"Service {service.metadata.namespace}/{service.metadata.name}"
        self._found: list[str] = []

    @property
    def found(self) -> tuple[str, ...]:
        return tuple(self._found)

    def add(self, path: str, value: object, problem: str, remedy: str) -> None:
        self._found.append(f'{self._name}: {path}: "{value}" {problem}: {remedy}')

    def read(self, path: str, texts: Iterable[str], parse: Callable[[str], T]) -> list[T]:
        found = []
        for text in texts:
            try:
                found.append(parse(text))
            except ValueError as error:
                self.add(path, text, str(error), "it is left out; give another")
        return found

    def annotation(
        self,
        notes: Mapping[str, str],
        name: str,
        parse: Callable[[Mapping[str, str]], T],
        default: T,
    ) -> T:
        try:
            return parse(notes)
        except ValueError as error:
            remedy = "it is ignored; correct or remove it"
            self.add(f"metadata.annotations[{name}]", notes[name], str(error), remedy)
            return default

    def is_of_family(self, path: str, octets: bytes, versions: tuple[int, ...]) -> bool:
        version = version_of(octets)
        if version in versions:
            return True
        family = family_name(version)
        self.add(
            path,
            address_text(octets),
            f"is {family}, in which this Service has no endpoints",
            f"it is left out; have {family} in spec.ipFamilies",
        )
        return False


def _cluster_ips(service: Service) -> tuple[str, ...]:
    spec = service.spec
    return spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())


def _versions(service: Service, cluster_ips: tuple[bytes, ...]) -> tuple[int, ...]:
    named = tuple(_VERSIONS[each] for each in service.spec.ip_families if each in _VERSIONS)
    found = named or tuple(dict.fromkeys(map(version_of, cluster_ips))) or (4,)
    return _ORDERS.get(found, found)


def _ports(
    service: Service, settings: ServingSettings, problems: _Problems
) -> Iterator[ServicePort]:
    reaches_out = service.spec.type in _EXTERNAL_TYPES
    for port in service.spec.ports:
        protocol = _PROTOCOLS.get(port.protocol)
        if protocol is None:
            problems.add(
                f"spec.ports[{port.name or port.port}].protocol",
                port.protocol,
                "is not translated",
                "the other ports are served; use TCP or UDP",
            )
            continue
        node_port = port.node_port if reaches_out else 0
        if node_port and not settings.is_node_port(node_port):
            problems.add(
                f"spec.ports[{port.name or port.port}].nodePort",
                node_port,
                f"is outside of {settings.node_port_first}-{settings.node_port_last}, so processes"
                " of the cluster do not find it at every address of a node",
                "have node-port-range say what the API server's --service-node-port-range says",
            )
        yield ServicePort(port.name, protocol, port.port, node_port)


@lru_cache(maxsize=4096)
def _shared_ports(ports: tuple[ServicePort, ...]) -> tuple[ServicePort, ...]:
    """Return the same object for equal ports: without node ports, many Services have the same."""
    return ports


def _variant(policy: str) -> Variant:
    return Variant.LOCAL if policy == "Local" else Variant.ALL


def _source_range(text: str) -> SourceRange:
    network = ip_network(text.strip(), strict=False)
    return SourceRange(prefix_bits(network), to_octets(network.network_address))


def _follows_hints(service: Service, settings: ServingSettings) -> bool:
    if service.spec.internal_traffic_policy == "Local":
        return False
    if service.spec.traffic_distribution in _NEAR:
        return True
    notes = service.metadata.annotations
    mode = notes.get(TOPOLOGY_HINTS_ANNOTATION, notes.get(TOPOLOGY_MODE_ANNOTATION, ""))
    return settings.topology_annotation and mode not in ("", "Disabled", "disabled")


@lru_cache(maxsize=4096)
def _slice_ports(ports: tuple[EndpointPort, ...]) -> tuple[SlicePort, ...]:
    """Return the ports with a number, of a protocol that is served. Many slices have the same."""
    return tuple(
        SlicePort(port.name, _PROTOCOLS[port.protocol], port.port)
        for port in ports
        if port.port and port.protocol in _PROTOCOLS
    )


def _place(endpoint: Endpoint) -> Place:
    hints = endpoint.hints
    zones = tuple(hint.name for hint in hints.for_zones) if hints else ()
    nodes = tuple(hint.name for hint in hints.for_nodes) if hints else ()
    return _shared_place(_state(endpoint), endpoint.node_name, endpoint.zone, zones, nodes)


@lru_cache(maxsize=65536)
def _shared_place(
    state: EndpointState, node: str, zone: str, zones: tuple[str, ...], nodes: tuple[str, ...]
) -> Place:
    """Return the same object for the same place: there are as many as nodes, in a few states."""
    return Place(state, node, zone, zones, nodes)


def _state(endpoint: Endpoint) -> EndpointState:
    """Return the state by the conditions.

    An endpoint that serves without being ready, and does not end, is one of a hand-made slice:
    Cilium uses it, since nothing says that it should get no connections.
    """
    if endpoint.is_ready or (endpoint.is_serving and not endpoint.is_terminating):
        return EndpointState.READY
    if endpoint.is_serving:
        return EndpointState.TERMINATING
    return EndpointState.NOT_READY
