"""What names depend on: a few fields of Services and EndpointSlices, and that a Namespace is there."""

from typing import Final

from msgspec import Struct, field

from ciliate.api import endpoint_slice, service
from ciliate.api.metadata import ObjectMeta

#: Which Service an EndpointSlice belongs to.
SERVICE_LABEL: Final = "kubernetes.io/service-name"


class Port(Struct, frozen=True, omit_defaults=True):
    """A port of a Service, or of the endpoints of a slice, where the number may be missing."""

    port: int | None = None
    name: str | None = ""
    protocol: str | None = "TCP"


class ServiceSpec(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Where a Service is."""

    type: str = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    external_name: str = ""
    publish_not_ready_addresses: bool = False
    ports: tuple[Port, ...] | None = ()


class Service(Struct, frozen=True, omit_defaults=True):
    """A Service."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceSpec = ServiceSpec()

    @property
    def is_headless(self) -> bool:
        """Whether its name stands for its endpoints."""
        return self.spec.cluster_ip == "None"


class Conditions(Struct, frozen=True, omit_defaults=True):
    """How an endpoint is; what is not said is taken for ready."""

    ready: bool | None = None


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """One of a Service's endpoints."""

    addresses: tuple[str, ...] | None = ()
    hostname: str | None = None
    conditions: Conditions = Conditions()


class EndpointSlice(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Some of a Service's endpoints, of one address family."""

    metadata: ObjectMeta = ObjectMeta()
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] | None = ()
    ports: tuple[Port, ...] | None = ()


SERVICES: Final = service.SERVICES.narrowed(Service)
ENDPOINT_SLICES: Final = endpoint_slice.ENDPOINT_SLICES.narrowed(EndpointSlice)
