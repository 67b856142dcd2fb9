"""hostPorts of this node's pods, served like Services with one endpoint. Pure."""

from typing import Final

from ciliate.services.addresses import version_of
from ciliate.services.model import (
    EndpointState,
    HostPort,
    KnownService,
    KnownSlice,
    Place,
    ServiceKey,
    ServicePort,
    ServingSettings,
    SlicePort,
)

VERSIONS: Final = (4, 6)

#: The pod is here: without a node it is of every node.
_HERE: Final = Place(EndpointState.READY)


def host_port_key(found: HostPort) -> ServiceKey:
    """Return what a hostPort is called among Services; no Service has such a name."""
    name = f"{found.pod.name}:host-port:{found.port}:{found.protocol}:{found.uid}"
    return ServiceKey(found.pod.namespace, name)


def host_port_service(found: HostPort) -> KnownService:
    """Return a hostPort as a Service."""
    return KnownService(
        created=found.created,
        versions=tuple(dict.fromkeys(map(version_of, found.addresses))),
        ports=(ServicePort("", found.protocol, found.port),),
        host_ip=found.host_ip,
    )


def host_port_slice(found: HostPort, version: int) -> KnownSlice:
    """Return the endpoint of one family; there may be none."""
    addresses = [each for each in found.addresses if version_of(each) == version]
    return KnownSlice(
        name=f"{host_port_key(found).name}/{version}",
        version=version,
        ports=(SlicePort("", found.protocol, found.container_port),),
        addresses=b"".join(addresses),
        places=(_HERE,) * len(addresses),
    )


def host_port_problem(service: KnownService, key: ServiceKey, settings: ServingSettings) -> str:
    """Return why a hostPort is not served; empty: it is."""
    for port in service.ports:
        if service.host_ip is not None and settings.is_node_port(port.port):
            return (
                f"{key.text}: hostPort: {port.port} is in the range of node ports"
                f" ({settings.node_port_first}-{settings.node_port_last}), where Services come"
                " first: it is not served; choose one outside"
            )
    return ""
