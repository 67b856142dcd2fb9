"""The addresses and ports at which a Service is asked for on this node. Pure.

A node port is an entry of each address that it is served at, for packets, and one of no address (all
zero), by which a socket finds it on any address of any node. Who asks from inside the cluster may
have other endpoints than who asks from outside: then each has an entry.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ciliate.api.service_annotations import is_exposed
from ciliate.datapath.layout import FrontendFlag, FrontendType
from ciliate.net.address import ANY_ADDRESS, address_text, socket_text
from ciliate.services.addresses import version_of
from ciliate.services.map_keys import MapKey, frontend_key
from ciliate.services.model import (
    KnownService,
    NodeFacts,
    ServiceKey,
    ServicePort,
    ServingSettings,
    Variant,
)

# Plain numbers: flags of an enum cost twenty times as much, and there are many frontends.
_INSIDE_ONLY: Final = int(FrontendFlag.FRONTEND_INSIDE_ONLY)
_DROP_IF_EMPTY: Final = int(FrontendFlag.FRONTEND_DROP_IF_EMPTY)
_TWO_SCOPES: Final = int(FrontendFlag.FRONTEND_TWO_SCOPES)

_SOURCE_RANGES: Final = int(FrontendFlag.FRONTEND_SOURCE_RANGES)
#: Of a frontend that looks at who asks; the second turns the answer around.
RANGE_FLAGS: Final = int(FrontendFlag.FRONTEND_SOURCE_RANGES | FrontendFlag.FRONTEND_DENY_RANGES)

_LOOPBACK: Final = (bytes(10) + b"\xff\xff\x7f", bytes(15) + b"\x01")


class Wanted(NamedTuple):
    """A frontend and who answers there; `inside` is None where all callers have the same."""

    type: FrontendType
    flags: int
    port: ServicePort
    version: int
    outside: Variant
    inside: Variant | None = None


def frontends_of(
    service: KnownService, node: NodeFacts, settings: ServingSettings
) -> dict[MapKey, Wanted]:
    """Return a Service's frontends; where two of its own are one, the first kind counts."""
    found: dict[MapKey, Wanted] = {}
    if not is_exposed(service.exposing_nodes, node.labels):
        return found
    for port in service.ports:
        for address, type_ in _places(service, port, node):
            number = _port_at(port, type_)
            if _is_barred(address, number, type_, node, settings):
                continue
            key = frontend_key(address, number, port.protocol)
            if key not in found:
                found[key] = _wanted(service, port, version_of(address), type_, settings)
    return _at_loopback_only(service, found)


def barred_problems(
    service: KnownService, key: ServiceKey, node: NodeFacts, settings: ServingSettings
) -> Iterator[str]:
    """Yield why frontends are left out that would be in the way of node ports."""
    for port in service.ports:
        for address, type_ in _places(service, port, node):
            if service.host_ip is None and _is_barred(address, port.port, type_, node, settings):
                at = socket_text(address_text(address), port.port)
                yield (
                    f'Service {key}: {_FIELDS[type_]}: "{at}" is an address of a node and a port'
                    f" in the range of node ports ({settings.node_port_first}-"
                    f"{settings.node_port_last}): it is left out; use another port or address"
                )


_FIELDS: Final = {
    FrontendType.FRONTEND_LOAD_BALANCER: "status.loadBalancer.ingress",
    FrontendType.FRONTEND_EXTERNAL_IP: "spec.externalIPs",
}


def _places(
    service: KnownService, port: ServicePort, node: NodeFacts
) -> Iterator[tuple[bytes, FrontendType]]:
    """Yield each address of a port of a Service, with what makes it one."""
    if service.host_ip is not None:
        yield from _host_places(service, node)
        return
    only = service.exposed_type
    for address in service.cluster_ips if only in ("", "ClusterIP") else ():
        yield address, FrontendType.FRONTEND_CLUSTER_IP
    for address in service.load_balancer_ips if only in ("", "LoadBalancer") else ():
        yield address, FrontendType.FRONTEND_LOAD_BALANCER
    for address in service.external_ips:
        yield address, FrontendType.FRONTEND_EXTERNAL_IP
    if port.node_port and only in ("", "NodePort"):
        for version in service.versions:
            yield ANY_ADDRESS[version], FrontendType.FRONTEND_NODE_PORT
        for address in node.node_port_addresses:
            if version_of(address) in service.versions:
                yield address, FrontendType.FRONTEND_NODE_PORT


def _host_places(service: KnownService, node: NodeFacts) -> Iterator[tuple[bytes, FrontendType]]:
    """Yield each address of a hostPort: a loopback one is found as any address is, by sockets."""
    if service.host_ip and not service.host_ip.startswith(_LOOPBACK):
        if version_of(service.host_ip) in service.versions:
            yield service.host_ip, FrontendType.FRONTEND_HOST_PORT
        return
    wanted = (version_of(service.host_ip),) if service.host_ip else (4, 6)
    for version in service.versions:
        if version in wanted:
            yield ANY_ADDRESS[version], FrontendType.FRONTEND_HOST_PORT
    for address in () if service.host_ip else node.node_port_addresses:
        if version_of(address) in service.versions:
            yield address, FrontendType.FRONTEND_HOST_PORT


def _port_at(port: ServicePort, type_: FrontendType) -> int:
    return port.node_port if type_ is FrontendType.FRONTEND_NODE_PORT else port.port


def _is_barred(
    address: bytes, port: int, type_: FrontendType, node: NodeFacts, settings: ServingSettings
) -> bool:
    """Whether a frontend would take what node ports are for, or a hostPort would."""
    if not settings.is_node_port(port):
        return False
    if type_ is FrontendType.FRONTEND_HOST_PORT:
        return True
    return type_ in _FIELDS and address in node.node_addresses


def _wanted(
    service: KnownService,
    port: ServicePort,
    version: int,
    type_: FrontendType,
    settings: ServingSettings,
) -> Wanted:
    if type_ is FrontendType.FRONTEND_CLUSTER_IP:
        routable = settings.cluster_ips_from_outside
        flags = _range_flags(service, type_, settings) if routable else _INSIDE_ONLY
        return Wanted(type_, flags, port, version, service.internal)
    flags = _range_flags(service, type_, settings)
    if service.external is Variant.LOCAL:
        flags |= _DROP_IF_EMPTY
    if service.internal is service.external:
        return Wanted(type_, flags, port, version, service.external)
    flags |= _TWO_SCOPES
    return Wanted(type_, flags, port, version, service.external, service.internal)


def _range_flags(service: KnownService, type_: FrontendType, settings: ServingSettings) -> int:
    checks = settings.checks_source_ranges and bool(service.source_ranges)
    if not checks or not (
        settings.checks_them_for_all_types or type_ is FrontendType.FRONTEND_LOAD_BALANCER
    ):
        return 0
    return RANGE_FLAGS if service.denies_ranges else _SOURCE_RANGES


def _at_loopback_only(service: KnownService, found: dict[MapKey, Wanted]) -> dict[MapKey, Wanted]:
    if not service.host_ip or not service.host_ip.startswith(_LOOPBACK):
        return found
    only = int(FrontendFlag.FRONTEND_LOOPBACK_ONLY)
    return {key: each._replace(flags=each.flags | only) for key, each in found.items()}
