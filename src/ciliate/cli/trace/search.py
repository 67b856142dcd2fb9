"""What POD and DEST are: the Kubernetes API is asked, and for the pod's interface its agent."""

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ciliate.api.agent import EndpointModel
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import PODS, Pod
from ciliate.api.endpoint_slice import ENDPOINT_SLICES, SERVICE_NAME_LABEL, EndpointSlice
from ciliate.api.service import SERVICES, Service
from ciliate.cli.asked_pod import networkless
from ciliate.cli.cluster_addresses import list_if_defined
from ciliate.cli.cluster_agents import ask_agents
from ciliate.cli.trace.destination import Destination
from ciliate.cli.trace.errors import DestinationError, SenderError
from ciliate.cli.trace.sought import Place, Sought
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError


@dataclass(slots=True)
class _Faces:
    """What a destination may be called."""

    text: str
    peers: set[Place] = field(default_factory=set)
    names: dict[Place, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)


async def seek(
    client: ApiClient, *, namespace: str, name: str, destination: Destination, protocol: str
) -> Sought:
    """Return whose packets are to be looked for.

    Raises:
        SenderError: There is no such pod, or it has no packets of its own.
        DestinationError: Nobody is called so.
        KubeError: The API server refuses or does not answer.
    """
    pod_name = f"{namespace}/{name}"
    pod = await _pod(client, namespace, name)
    if pod is None:
        raise SenderError(pod_name, "does not exist")
    if problem := networkless(pod):
        raise SenderError(pod_name, problem)
    addresses = _addresses(pod)
    if not addresses:
        raise SenderError(pod_name, "has no address yet")
    faces, device = await asyncio.gather(
        _faces(client, replace(destination, namespace=destination.namespace or namespace)),
        _device(client, pod),
    )
    return Sought(
        pod=pod_name,
        node=pod.spec.node_name,
        addresses=addresses,
        device=device,
        destination=faces.text,
        peers=frozenset(faces.peers),
        names=faces.names,
        nodes=faces.nodes,
        protocol=protocol,
    )


async def _faces(client: ApiClient, destination: Destination) -> _Faces:
    if destination.address:
        return await _faces_of_address(client, destination)
    namespace, name = destination.namespace, destination.name
    service, pod = None, None
    if destination.kind != "pod":
        service = await _service(client, namespace, name)
    if destination.kind != "service" and service is None:
        pod = await _pod(client, namespace, name)
    if service is not None:
        return await _faces_of_service(client, service, destination)
    if pod is None:
        raise DestinationError(
            destination.text, f"{namespace}/{name} is neither a Service nor a pod"
        )
    port = _number(destination)
    text = f"{namespace}/{name}" + (f":{port}" if port else "")
    addresses = _addresses(pod)
    nodes = dict.fromkeys(addresses, pod.spec.node_name)
    return _Faces(text, {(address, port) for address in addresses}, {}, nodes)


async def _faces_of_address(client: ApiClient, destination: Destination) -> _Faces:
    address, port = destination.address, _number(destination)
    for service in (await client.list(SERVICES)).items:
        if address in _service_addresses(service):
            return await _faces_of_service(client, service, destination)
    nodes = await list_if_defined(client, CILIUM_NODES)
    node = _node_of_address(address, nodes)
    host = f"[{address}]" if ":" in address and port else address
    text = f"{host}:{port}" if port else address
    return _Faces(text, {(address, port)}, {}, {address: node} if node else {})


async def _faces_of_service(
    client: ApiClient, service: Service, destination: Destination
) -> _Faces:
    namespace, name = service.metadata.namespace, service.metadata.name
    if service.spec.external_name:
        problem = f"it is a name for {service.spec.external_name}: give that host's address"
        raise DestinationError(destination.text, problem)
    port, port_name = _service_port(service, destination)
    text = f"Service {namespace}/{name}"
    places = {(address, port) for address in _service_addresses(service)}
    found = _Faces(text + (f":{port}" if port else ""), places, dict.fromkeys(places, text))
    slices = await client.list(
        ENDPOINT_SLICES, namespace=namespace, label_selector=f"{SERVICE_NAME_LABEL}={name}"
    )
    for each in slices.items:
        _add_endpoints(found, each, port_name)
    return found


def _add_endpoints(found: _Faces, slice_: EndpointSlice, port_name: str | None) -> None:
    ports = [
        each.port
        for each in slice_.ports
        if each.port is not None and port_name in (None, each.name)
    ]
    for endpoint in slice_.endpoints:
        for address in endpoint.addresses[:1]:
            found.peers |= {(address, port) for port in ports}
            if endpoint.node_name:
                found.nodes[address] = endpoint.node_name


def _service_addresses(service: Service) -> set[str]:
    spec = service.spec
    balanced = (each.ip for each in service.status.load_balancer.ingress)
    every = {*spec.cluster_ips, spec.cluster_ip, *spec.external_ips, *balanced}
    return every - {"", "None"}


def _service_port(service: Service, destination: Destination) -> tuple[int, str | None]:
    """Return the port's number and name; 0 and None: any. One that the Service lacks is refused by it."""
    if not destination.port:
        return 0, None
    for each in service.spec.ports:
        if destination.port in (str(each.port), each.name):
            return each.port, each.name
    if destination.port.isdecimal():
        return int(destination.port), None
    known = ", ".join(each.name or str(each.port) for each in service.spec.ports)
    raise DestinationError(destination.text, f"the Service's ports are {known}")


def _number(destination: Destination) -> int:
    if destination.port and not destination.port.isdecimal():
        raise DestinationError(destination.text, "only a Service's ports have names")
    return int(destination.port or 0)


def _addresses(pod: Pod) -> frozenset[str]:
    return frozenset({*(each.ip for each in pod.status.pod_ips), pod.status.pod_ip} - {""})


def _node_of_address(address: str, nodes: tuple[CiliumNode, ...] | list[CiliumNode]) -> str:
    """Return the node whose range an address is in; empty: none."""
    wanted = ipaddress.ip_address(address)
    for node in nodes:
        for cidr in (*node.current_cidrs, *node.draining_cidrs):
            network = ipaddress.ip_network(cidr, strict=False)
            if network.version == wanted.version and wanted in network:
                return node.metadata.name
    return ""


async def _pod(client: ApiClient, namespace: str, name: str) -> Pod | None:
    try:
        return await client.get(PODS, name, namespace=namespace)
    except NotFoundError:
        return None


async def _service(client: ApiClient, namespace: str, name: str) -> Service | None:
    try:
        return await client.get(SERVICES, name, namespace=namespace)
    except NotFoundError:
        return None


async def _device(client: ApiClient, pod: Pod) -> str:
    """Return the host's end of the pod's interface; empty: its agent does not say.

    A packet with a forged source is known by it alone.
    """
    wanted = f"{pod.metadata.namespace}/{pod.metadata.name}"
    try:
        answers = await ask_agents(
            client, [pod.spec.node_name], ("endpoint", "list"), list[EndpointModel]
        )
    except CiliateError:
        return ""
    found: Mapping[str, list[EndpointModel]] = answers.by_node
    return next(
        (
            each.status.networking.interface_name
            for models in found.values()
            for each in models
            if each.status.external_identifiers.pod_name == wanted
        ),
        "",
    )
