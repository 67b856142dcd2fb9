"""EndpointSlice, discovery.k8s.io/v1: some of a Service's endpoints, of one address family.

A Service has as many as its endpoints need (the controller puts at most 100 into one), of any name:
the label `kubernetes.io/service-name` says whose one is. An endpoint may be in two of them while
it moves.
"""

from typing import Final

from msgspec import Struct

from ciliate.api.core import ObjectReference
from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource

#: The Service, of the slice's namespace, that a slice belongs to.
SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"

#: When what a slice tells of had happened to a pod or the Service; its controller writes it.
TRIGGER_TIME_ANNOTATION: Final = "endpoints.kubernetes.io/last-change-trigger-time"

#: Who writes a slice: nobody else may.
MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"

#: Where on a Node its zone stands.
ZONE_LABEL: Final = "topology.kubernetes.io/zone"


class EndpointConditions(Struct, frozen=True, gc=False, omit_defaults=True):
    """How an endpoint is; None is unknown, and `Endpoint` says what to make of it."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Hint(Struct, frozen=True, gc=False):
    """A zone, or a node, that is to use an endpoint."""

    name: str


class EndpointHints(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Who is to use an endpoint."""

    for_zones: tuple[Hint, ...] = ()
    for_nodes: tuple[Hint, ...] = ()


class Endpoint(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """What stands behind a Service. Of several addresses only the first is defined to be used."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str = ""
    node_name: str = ""
    zone: str = ""
    hints: EndpointHints | None = None
    target_ref: ObjectReference | None = None

    @property
    def is_ready(self) -> bool:
        """Whether new connections may go to it; unknown counts as yes."""
        return self.conditions.ready is not False

    @property
    def is_serving(self) -> bool:
        """Whether it answers, terminating or not; unknown is what `ready` says."""
        serving = self.conditions.serving
        return self.is_ready if serving is None else serving

    @property
    def is_terminating(self) -> bool:
        """Whether its end has begun; unknown counts as no."""
        return self.conditions.terminating is True


class EndpointPort(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A port of all endpoints of a slice; the name is that of the Service's port.

    Without a number every port is meant; a proxy leaves such an entry alone.
    """

    name: str = ""
    protocol: str = "TCP"
    port: int | None = None
    app_protocol: str = ""


class EndpointSlice(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A slice."""

    metadata: ObjectMeta = ObjectMeta()
    address_type: str = ""  # IPv4, IPv6, FQDN.
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service(self) -> str:
        """The name of its Service, which is of the same namespace; empty: it has none."""
        return self.metadata.labels.get(SERVICE_NAME_LABEL, "")


ENDPOINT_SLICES: Final = Resource(
    "discovery.k8s.io",
    "v1",
    "endpointslices",
    "EndpointSlice",
    namespaced=True,
    struct=EndpointSlice,
)
