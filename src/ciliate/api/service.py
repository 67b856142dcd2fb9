"""Service of the core group: a name and addresses of its own for whatever stands behind it.

Which endpoints those are, EndpointSlices say (`endpoint_slice`); which addresses a load balancer
has, the status. Words that a field may hold stand beside it; of others nothing is refused here.
"""

from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.api.resource import Resource

#: What `clusterIP` of a headless Service says: there is no such address.
NO_CLUSTER_IP: Final = "None"

#: Marks a Service that another proxy serves: nobody else touches it.
PROXY_NAME_LABEL: Final = "service.kubernetes.io/service-proxy-name"

#: Marks a Service that no proxy serves, as if it had no cluster IP.
HEADLESS_LABEL: Final = "service.kubernetes.io/headless"

#: Asks for endpoints near by ("Auto", "Disabled"); `spec.trafficDistribution` is its successor.
TOPOLOGY_MODE_ANNOTATION: Final = "service.kubernetes.io/topology-mode"

#: Its name before Kubernetes 1.27. Where both stand, this one counts.
TOPOLOGY_HINTS_ANNOTATION: Final = "service.kubernetes.io/topology-aware-hints"


class ServicePort(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A port of a Service, and the endpoints' port behind it: a number, or a name in their pods.

    `target_port` 0 is `port`; `protocol` is TCP, UDP or SCTP; `node_port` 0 is none.
    """

    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str = 0
    node_port: int = 0
    app_protocol: str = ""


class ClientIPConfig(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """How long a client that is idle keeps its endpoint, in seconds."""

    timeout_seconds: int = 10800


class SessionAffinityConfig(Struct, frozen=True, gc=False, omit_defaults=True):
    """The settings of `sessionAffinity: ClientIP`."""

    client_ip: ClientIPConfig = field(default=ClientIPConfig(), name="clientIP")


class ServiceSpec(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """What was asked for; the API server fills in addresses, node ports and defaults."""

    type: str = "ClusterIP"  # ClusterIP, NodePort, LoadBalancer, ExternalName.
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    ip_families: tuple[str, ...] = ()  # IPv4, IPv6; the first is the Service's primary one.
    ip_family_policy: str = ""  # SingleStack, PreferDualStack, RequireDualStack.
    ports: tuple[ServicePort, ...] = ()
    #: Empty: somebody else writes the EndpointSlices.
    selector: dict[str, str] = {}
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    external_name: str = ""
    internal_traffic_policy: str = ""  # Cluster, Local; empty of an ExternalName.
    external_traffic_policy: str = ""  # The same; empty where nothing comes from outside.
    session_affinity: str = "None"  # None, ClientIP.
    session_affinity_config: SessionAffinityConfig | None = None
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    load_balancer_source_ranges: tuple[str, ...] = ()
    load_balancer_class: str = ""
    allocate_load_balancer_node_ports: bool = True
    health_check_node_port: int = 0
    publish_not_ready_addresses: bool = False
    traffic_distribution: str = ""  # PreferClose, PreferSameZone, PreferSameNode.

    @property
    def affinity_timeout_s(self) -> int:
        """How long an idle client keeps its endpoint, in seconds; 0: it does not."""
        if self.session_affinity != "ClientIP":
            return 0
        return (self.session_affinity_config or SessionAffinityConfig()).client_ip.timeout_seconds


class LoadBalancerIngress(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """An address of a load balancer: `ip` or `hostname`.

    `ip_mode` VIP: packets arrive with this address. Proxy: with the node's, so that whoever is
    inside has to go out to the load balancer.
    """

    ip: str = ""
    hostname: str = ""
    ip_mode: str = "VIP"


class LoadBalancerStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a load balancer has given."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What others report of a Service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[Condition, ...] = ()


class Service(Struct, frozen=True, gc=False, omit_defaults=True):
    """A Service."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def is_headless(self) -> bool:
        """Whether it has no cluster IP by its own wish, so that DNS alone serves it."""
        return self.spec.cluster_ip == NO_CLUSTER_IP


SERVICES: Final = Resource("", "v1", "services", "Service", namespaced=True, struct=Service)
