"""Services at scale: as objects of the API, and as what another proxy's rules are written of.

All but those that a question asks have endpoints that nobody is at. Nothing selects pods: the
EndpointSlices are made here, so that no controller's pace is measured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import groupby
from pathlib import Path
from typing import Final

from benchmarks.simulated_pods import create_all

from ciliate.api.endpoint_slice import (
    ENDPOINT_SLICES,
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import SERVICES, Service, ServicePort, ServiceSpec

NAMESPACE: Final = "default"

#: Of each simulated Service.
ENDPOINTS: Final = 10

#: Their slots fit into maps of `MAPS_SETTING`, their addresses into both ranges below.
SERVICES_MAX: Final = 20_000

#: For labs with more Services than the maps of the default size hold.
MAPS_SETTING: Final = "bpf-lb-map-max=262144"

#: Inside the lab's range of Services, and inside what its nodes give to no pod.
_FIRST_CLUSTER_IP: Final = IPv4Address("10.96.128.0")
_FIRST_ENDPOINT: Final = IPv4Address("10.160.0.0")

_PORT_NAME: Final = "web"


@dataclass(frozen=True, slots=True)
class ServedService:
    """A Service of one TCP port, and its endpoints as addresses and ports; `node_port` 0: none."""

    name: str
    address: str
    port: int
    endpoints: tuple[tuple[str, int], ...]
    node_port: int = 0

    def service(self) -> Service:
        """Return the Service as an object of the API."""
        port = ServicePort(port=self.port, name=_PORT_NAME, node_port=self.node_port)
        return Service(
            metadata=ObjectMeta(name=self.name, namespace=NAMESPACE),
            spec=ServiceSpec(
                type="NodePort" if self.node_port else "ClusterIP",
                cluster_ip=self.address,
                ports=(port,),
            ),
        )

    def slices(self) -> Iterator[EndpointSlice]:
        """Yield its EndpointSlices: one for each port that endpoints have."""
        by_port = sorted(self.endpoints, key=lambda endpoint: endpoint[1])
        for port, endpoints in groupby(by_port, key=lambda endpoint: endpoint[1]):
            yield self.slice_of(f"{self.name}-{port}", port, [address for address, _ in endpoints])

    def slice_of(self, name: str, port: int, addresses: Sequence[str]) -> EndpointSlice:
        """Return a slice of it with ready endpoints at these addresses."""
        ready = EndpointConditions(ready=True)
        return EndpointSlice(
            metadata=ObjectMeta(
                name=name, namespace=NAMESPACE, labels={SERVICE_NAME_LABEL: self.name}
            ),
            address_type="IPv4",
            endpoints=tuple(Endpoint(addresses=(each,), conditions=ready) for each in addresses),
            ports=(EndpointPort(name=_PORT_NAME, port=port),),
        )


def simulated(count: int) -> list[ServedService]:
    """Return `count` Services whose endpoints are nobody's."""
    return [
        ServedService(
            name=f"simulated-{number}",
            address=str(_FIRST_CLUSTER_IP + number),
            port=80,
            endpoints=tuple(
                (str(_FIRST_ENDPOINT + number * ENDPOINTS + each), 8080)
                for each in range(ENDPOINTS)
            ),
        )
        for number in range(count)
    ]


def create_services(kubeconfig: Path, services: Sequence[ServedService]) -> None:
    """Create Services with their endpoints in the API, slices first.

    Raises:
        KubeError: One was refused.
    """
    slices = (each for service in services for each in service.slices())
    create_all(kubeconfig, ENDPOINT_SLICES, slices)
    create_all(kubeconfig, SERVICES, (service.service() for service in services))
