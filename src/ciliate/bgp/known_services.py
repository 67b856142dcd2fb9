"""Services and endpoints as far as announcing needs them. Pure.

There may be tens of thousands: of a Service its addresses, labels and policies are kept, of a slice
whether an endpoint of it is on this node.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.api.endpoint_slice import EndpointSlice
from ciliate.api.resource import ObjectKey
from ciliate.api.service import NO_CLUSTER_IP, Service
from ciliate.net.address import IPAddress, ip_address

#: The class of load balancers that are ours to announce; one without a class is, too.
OUR_CLASS: Final = "io.cilium/bgp-control-plane"

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


def known_service(service: Service) -> KnownService | None:
    """Return what is announced of a Service; None: it has no address of its own."""
    spec, meta = service.spec, service.metadata
    if spec.type == "ExternalName":
        return None
    balancer: tuple[str, ...] = ()
    if spec.type == "LoadBalancer" and spec.load_balancer_class in ("", OUR_CLASS):
        balancer = tuple(each.ip for each in service.status.load_balancer.ingress if each.ip)
    cluster = spec.cluster_ips or (spec.cluster_ip,)
    found = KnownService(
        namespace=meta.namespace,
        name=meta.name,
        labels=dict(meta.labels),
        load_balancer_ips=_addresses(balancer),
        cluster_ips=_addresses(tuple(ip for ip in cluster if ip and ip != NO_CLUSTER_IP)),
        external_ips=_addresses(spec.external_ips),
        external_is_local=spec.external_traffic_policy == _LOCAL,
        internal_is_local=spec.internal_traffic_policy == _LOCAL,
    )
    has_any = found.load_balancer_ips or found.cluster_ips or found.external_ips
    return found if has_any else None


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
