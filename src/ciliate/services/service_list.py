"""Frontends as `dbg service list` shows them and as GET /v1/service answers, in Cilium's form. Pure.

One object a frontend and scope. Cilium's API has room for what is wanted and what is realized; here
both are what the maps should hold, and `sync-services` in the status says whether they do.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import field

from ciliate.api.agent import AgentModel
from ciliate.datapath.layout import FrontendScope, FrontendType
from ciliate.net.address import address_text, from_octets, socket_text
from ciliate.net.protocol import protocol_name
from ciliate.services.model import EndpointState, Variant
from ciliate.services.report import BackendRow, FrontendRow

TYPE_NAMES: Final = {
    FrontendType.FRONTEND_CLUSTER_IP: "ClusterIP",
    FrontendType.FRONTEND_NODE_PORT: "NodePort",
    FrontendType.FRONTEND_EXTERNAL_IP: "ExternalIPs",
    FrontendType.FRONTEND_LOAD_BALANCER: "LoadBalancer",
    FrontendType.FRONTEND_HOST_PORT: "HostPort",
}

_STATES: Final = {EndpointState.READY: "active", EndpointState.TERMINATING: "terminating"}
_POLICIES: Final = {Variant.ALL: "Cluster", Variant.LOCAL: "Local"}


class FrontendAddress(AgentModel, frozen=True, kw_only=True):
    """Where a Service is asked for, and by whom: from outside the cluster or inside."""

    ip: str
    port: int
    protocol: str
    scope: str  # "external", "internal".


class BackendAddress(AgentModel, frozen=True, kw_only=True):
    """An endpoint; `state` is "active" or "terminating"."""

    ip: str
    port: int
    protocol: str
    node_name: str = field(default="", name="nodeName")
    state: str
    zone: str = ""


class ServiceFlags(AgentModel, frozen=True, kw_only=True, rename="camel"):
    """What a frontend is of, and its Service's policies."""

    type: str
    traffic_policy: str  # The external one, by its older name.
    ext_traffic_policy: str
    int_traffic_policy: str
    health_check_node_port: int = 0
    name: str
    namespace: str


class ServiceSpec(AgentModel, frozen=True, kw_only=True):
    """A frontend with its backends, by number."""

    id: int
    frontend_address: FrontendAddress
    backend_addresses: tuple[BackendAddress, ...] = ()
    flags: ServiceFlags


class ServiceStatus(AgentModel, frozen=True, kw_only=True):
    """What is realized."""

    realized: ServiceSpec


class ServiceModel(AgentModel, frozen=True, kw_only=True):
    """A frontend, as the API of Cilium's agent has it."""

    spec: ServiceSpec
    status: ServiceStatus


def service_model(row: FrontendRow) -> ServiceModel:
    """Return a frontend as it is answered."""
    is_inside = row.scope is FrontendScope.SCOPE_INSIDE
    external = _POLICIES[row.external]
    spec = ServiceSpec(
        id=row.id,
        frontend_address=FrontendAddress(
            ip=str(from_octets(row.address)),  # All zero is any address of a node.
            port=row.port,
            protocol=protocol_name(row.protocol),
            scope="internal" if is_inside else "external",
        ),
        backend_addresses=tuple(_backend(each, row.protocol) for each in row.backends),
        flags=ServiceFlags(
            type=TYPE_NAMES[row.type],
            traffic_policy=external,
            ext_traffic_policy=external,
            int_traffic_policy=_POLICIES[row.internal],
            health_check_node_port=row.health_check_port,
            name=row.service.name,
            namespace=row.service.namespace,
        ),
    )
    return ServiceModel(spec=spec, status=ServiceStatus(realized=spec))


def _backend(row: BackendRow, protocol: int) -> BackendAddress:
    return BackendAddress(
        ip=address_text(row.address),
        port=row.port,
        protocol=protocol_name(protocol),
        node_name=row.node,
        state=_STATES[row.state],
        zone=row.zone,
    )


def frontend_text(address: FrontendAddress) -> str:
    """Return what a frontend is called: its address, port and protocol, and whether it is inside's."""
    scope = "/i" if address.scope == "internal" else ""
    return f"{socket_text(address.ip, address.port)}/{address.protocol}{scope}"


def service_lines(services: Iterable[ServiceModel]) -> Iterator[str]:
    """Yield the table's lines, with tabs between cells: by number, a line for each backend."""
    yield "ID\tFrontend\tService Type\tBackend\t"
    for each in sorted(services, key=lambda each: each.spec.id):
        spec = each.spec
        head = f"{spec.id}\t{frontend_text(spec.frontend_address)}\t{spec.flags.type}\t"
        for place, backend in enumerate(spec.backend_addresses, 1):
            at = f"{socket_text(backend.ip, backend.port)}/{backend.protocol}"
            yield f"{head}{place} => {at} ({backend.state})\t"
            head = "\t\t\t"
        if not spec.backend_addresses:
            yield f"{head}\t"
