"""Services and endpoints as far as announcing needs them. Pure.

There may be tens of thousands: of a Service its addresses, labels and policies are kept, of a slice
whether an endpoint of it is on this node.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ciliate.api.endpoint_slice import EndpointSlice
from ciliate.api.metadata import LabelSelector
from ciliate.api.resource import ObjectKey
from ciliate.api.service import HEADLESS_LABEL, NO_CLUSTER_IP, PROXY_NAME_LABEL, Service
from ciliate.api.service_annotations import exposed_type, exposing_nodes, is_exposed
from ciliate.net.address import IPAddress, ip_address

T = TypeVar("T")

#: The classes of load balancers that are announced to routers, and on layer 2; one without a class
#: is announced by both.
BGP_CLASS: Final = "io.cilium/bgp-control-plane"
L2_CLASS: Final = "io.cilium/l2-announcer"

_LOCAL: Final = "Local"
_VERSIONS: Final[Mapping[str, int]] = {"IPv4": 4, "IPv6": 6}


@dataclass(frozen=True, slots=True)
class KnownService:
    """The addresses of a Service, and from which nodes they are reached."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    load_balancer_ips: tuple[IPAddress, ...] = ()
    cluster_ips: tuple[IPAddress, ...] = ()
    external_ips: tuple[IPAddress, ...] = ()
    external_is_local: bool = False
    internal_is_local: bool = False
    nodes: LabelSelector | None = None  # Which serve it; None: all.

    def is_served_on(self, labels: Mapping[str, str]) -> bool:
        """Whether a node of these labels serves it."""
        return is_exposed(self.nodes, labels)

    @property
    def key(self) -> ObjectKey:
        """Namespace and name."""
        return (self.namespace, self.name)

    @property
    def selectable(self) -> Mapping[str, str]:
        """What selectors see: the labels, and the two names by which Cilium's users select."""
        return {
            **self.labels,
            "io.kubernetes.service.namespace": self.namespace,
            "io.kubernetes.service.name": self.name,
        }


def known_service(
    service: Service, proxy_name: str = "", balancer_class: str = BGP_CLASS
) -> KnownService | None:
    """Return what is announced of a Service; None: it has no address that this node serves.

    Of load balancers of a class only those of `balancer_class`.
    """
    spec, meta = service.spec, service.metadata
    is_others = meta.labels.get(PROXY_NAME_LABEL, "") != proxy_name
    if spec.type == "ExternalName" or is_others or HEADLESS_LABEL in meta.labels:
        return None
    only = _or_default(exposed_type, meta.annotations, "")
    balancer: tuple[str, ...] = ()
    if spec.type == "LoadBalancer" and spec.load_balancer_class in ("", balancer_class):
        found_ips = service.status.load_balancer.ingress
        balancer = tuple(each.ip for each in found_ips if each.ip and each.ip_mode != "Proxy")
    cluster = spec.cluster_ips or (spec.cluster_ip,)
    found = KnownService(
        namespace=meta.namespace,
        name=meta.name,
        labels=dict(meta.labels),
        load_balancer_ips=_addresses(balancer) if only in ("", "LoadBalancer") else (),
        cluster_ips=(
            _addresses(tuple(ip for ip in cluster if ip and ip != NO_CLUSTER_IP))
            if only in ("", "ClusterIP")
            else ()
        ),
        external_ips=_addresses(spec.external_ips),
        external_is_local=spec.external_traffic_policy == _LOCAL,
        internal_is_local=spec.internal_traffic_policy == _LOCAL,
        nodes=_or_default(exposing_nodes, meta.annotations, None),
    )
    has_any = found.load_balancer_ips or found.cluster_ips or found.external_ips
    return found if has_any else None


def _or_default(
    read: Callable[[Mapping[str, str]], T], annotations: Mapping[str, str], default: T
) -> T:
    """Return what an annotation asks for; nothing where it cannot be read.

    Of that the feature tells that serves Services.
    """
    try:
        return read(annotations)
    except ValueError:
        return default


def has_endpoint_on(found: EndpointSlice, node: str) -> int:
    """Return the IP version in which a slice has a ready endpoint on `node`; 0: it has none."""
    for endpoint in found.endpoints:
        if endpoint.node_name == node and endpoint.is_ready and not endpoint.is_terminating:
            return _VERSIONS.get(found.address_type, 0)
    return 0


def _addresses(texts: tuple[str, ...]) -> tuple[IPAddress, ...]:
    found = []
    for text in texts:
        try:
            found.append(ip_address(text))
        except ValueError:
            continue  # The feature that serves Services tells of it.
    return tuple(found)
