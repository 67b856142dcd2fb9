"""The kinds of the core group that Ciliate reads: nodes, pods, namespaces, ConfigMaps, events."""

from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.api.resource import Resource

#: Marks the mirror of a static pod, which its kubelet runs from a file. The value is the file's hash:
#: the uid by which that kubelet and its runtime know the pod.
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"


class Taint(Struct, frozen=True, gc=False, omit_defaults=True):
    """Keeps pods off a node unless they tolerate it."""

    key: str
    effect: str
    value: str = ""


class NodeSpec(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """What the control plane decides about a node."""

    pod_cidr: str = field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    provider_id: str = field(default="", name="providerID")


class NodeAddress(Struct, frozen=True, gc=False):
    """An address of a node: type InternalIP, ExternalIP or Hostname."""

    type: str
    address: str


class NodeStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the node's kubelet reports."""

    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Node(Struct, frozen=True, gc=False, omit_defaults=True):
    """A machine of the cluster."""

    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ContainerPort(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A port a container declares; only named ports matter to policy."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = field(default="", name="hostIP")


class Container(Struct, frozen=True, gc=False, omit_defaults=True):
    """The little we know of a container."""

    name: str
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """What was asked for: where the pod runs and as whom."""

    node_name: str = ""
    host_network: bool = False
    service_account_name: str = ""
    containers: tuple[Container, ...] = ()


class PodIP(Struct, frozen=True, gc=False):
    """One address of a pod or of its host."""

    ip: str = ""


class ContainerStatus(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """How one container is doing."""

    name: str
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    container_id: str = field(default="", name="containerID")


class PodStatus(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """What the pod's kubelet reports; `phase` is Pending, Running, Succeeded, Failed, Unknown."""

    phase: str = ""
    reason: str = ""
    pod_ip: str = field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = field(default=(), name="podIPs")
    host_ip: str = field(default="", name="hostIP")
    host_ips: tuple[PodIP, ...] = field(default=(), name="hostIPs")
    start_time: str | None = None
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether all its containers have ended for good."""
        return self.phase in {"Succeeded", "Failed"}


class Pod(Struct, frozen=True, gc=False, omit_defaults=True):
    """A pod."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def is_known_as(self, uid: str) -> bool:
        """Whether a runtime knows the pod by `uid`: docs/CILIUM.md, "CNI"."""
        mirrored = self.metadata.annotations.get(MIRROR_ANNOTATION)
        return bool(uid) and uid in (self.metadata.uid, mirrored)


class Namespace(Struct, frozen=True, gc=False, omit_defaults=True):
    """A namespace; its labels are part of its pods' identity."""

    metadata: ObjectMeta = ObjectMeta()


class ConfigMap(Struct, frozen=True, gc=False, omit_defaults=True):
    """Settings as text."""

    metadata: ObjectMeta = ObjectMeta()
    data: dict[str, str] = {}


class ObjectReference(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """The object an event is about."""

    api_version: str = "v1"
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class EventSource(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who reports an event."""

    component: str = ""
    host: str = ""


class Event(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """Something that happened to an object, for `kubectl describe` and `kubectl get events`."""

    metadata: ObjectMeta = ObjectMeta()
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    type: str = ""  # Normal or Warning.
    count: int = 0
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    source: EventSource = EventSource()
    reporting_component: str = ""
    reporting_instance: str = ""


NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False, struct=Node)
PODS: Final = Resource("", "v1", "pods", "Pod", namespaced=True, struct=Pod)
NAMESPACES: Final = Resource(
    "", "v1", "namespaces", "Namespace", namespaced=False, struct=Namespace
)
CONFIG_MAPS: Final = Resource(
    "", "v1", "configmaps", "ConfigMap", namespaced=True, struct=ConfigMap
)
EVENTS: Final = Resource("", "v1", "events", "Event", namespaced=True, struct=Event)
