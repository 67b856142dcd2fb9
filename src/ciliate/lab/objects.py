"""Kubernetes objects as the lab's kubelets and controllers need them.

`ciliate.api` declares the few fields the network itself reads; a kubelet needs commands, probes
and volumes as well, a controller whole pod templates. Templates stay plain JSON: what is copied
into pods must keep the fields that are not declared here.
"""

from typing import Any, Final

from msgspec import Struct, field

from ciliate.api import apps, core
from ciliate.api.metadata import Condition, LabelSelector, ObjectMeta
from ciliate.api.resource import Resource

#: JSON as it came from the API server.
Json = dict[str, Any]


class PodMeta(ObjectMeta, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A pod's metadata: its deletion has a period of grace, in seconds."""

    deletion_grace_period_seconds: int | None = None


class EnvVar(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An environment variable: a value, or where it comes from."""

    name: str
    value: str = ""
    value_from: Json | None = None


class Mount(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Where a container sees one of the pod's volumes."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: str = "None"


class Handler(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What to do to or with a container: of a probe, or of a hook (`sleep` of hooks alone)."""

    http_get: Json | None = None
    tcp_socket: Json | None = None
    exec: Json | None = None
    grpc: Json | None = None
    sleep: Json | None = None


class Probe(Handler, frozen=True, omit_defaults=True, rename="camel"):
    """How a container is asked whether it has started, lives or is ready; times in seconds."""

    period_seconds: int = 10
    timeout_seconds: int = 1
    initial_delay_seconds: int = 0
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class Lifecycle(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A container's hooks: behind its start, and before its end."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None


class Container(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A container of a pod."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[Json, ...] = ()
    resources: Json = {}
    ports: tuple[core.ContainerPort, ...] = ()
    volume_mounts: tuple[Mount, ...] = ()
    volume_devices: tuple[Json, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    restart_policy: str = ""
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"

    @property
    def is_sidecar(self) -> bool:
        """Whether it, an init container, goes on beside the others."""
        return self.restart_policy == "Always"

    startup_probe: Probe | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    security_context: Json = {}


class PodSpec(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What was asked for."""

    node_name: str = ""
    node_selector: dict[str, str] = {}
    host_network: bool = False
    host_pid: bool = field(default=False, name="hostPID")
    host_ipc: bool = field(default=False, name="hostIPC")
    share_process_namespace: bool = False
    security_context: Json = {}
    hostname: str = ""
    subdomain: str = ""
    service_account_name: str = ""
    restart_policy: str = "Always"
    active_deadline_seconds: int | None = None
    runtime_class_name: str = ""
    resource_claims: tuple[Json, ...] = ()
    host_users: bool | None = None
    set_hostname_as_fqdn: bool = field(default=False, name="setHostnameAsFQDN")
    dns_config: Json = {}
    termination_grace_period_seconds: int = 30
    scheduler_name: str = "default-scheduler"
    dns_policy: str = "ClusterFirst"
    enable_service_links: bool = True
    host_aliases: tuple[Json, ...] = ()
    affinity: Json = {}
    tolerations: tuple[Json, ...] = ()
    topology_spread_constraints: tuple[Json, ...] = ()
    readiness_gates: tuple[Json, ...] = ()
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    volumes: tuple[Json, ...] = ()

    @property
    def sidecars(self) -> tuple[Container, ...]:
        """The init containers that go on beside the others, in the order of their start."""
        return tuple(each for each in self.init_containers if each.is_sidecar)


class PodStatus(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What the pod's kubelet reported."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    pod_ip: str = field(default="", name="podIP")
    pod_ips: tuple[core.PodIP, ...] = field(default=(), name="podIPs")
    start_time: str | None = None


class Pod(Struct, frozen=True, omit_defaults=True):
    """A pod."""

    metadata: PodMeta = PodMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class PodDraft(Struct, frozen=True, omit_defaults=True):
    """A pod to be created: its spec is the template's, as it is."""

    metadata: ObjectMeta = ObjectMeta()
    spec: Json = {}


class ConfigMap(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Settings as text, and as base64 what is none."""

    metadata: ObjectMeta = ObjectMeta()
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class Secret(Struct, frozen=True, omit_defaults=True):
    """What is kept from view: base64."""

    metadata: ObjectMeta = ObjectMeta()
    data: dict[str, str] | None = None


class Named(Struct, frozen=True, gc=False):
    """That there is an object, and which version of it: enough to know that it changed."""

    metadata: ObjectMeta = ObjectMeta()


class RollingUpdate(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How far a rolling update may go below and above the wanted number: numbers or percents."""

    max_unavailable: int | str = "25%"
    max_surge: int | str = "25%"


class Strategy(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How old pods give way to new ones: RollingUpdate, Recreate (Deployment), OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A number of like pods, and how they change."""

    selector: LabelSelector = LabelSelector()
    template: Json = {}
    replicas: int = 1
    strategy: Strategy = Strategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    progress_deadline_seconds: int | None = None
    paused: bool = False


class Deployment(Struct, frozen=True, omit_defaults=True):
    """A Deployment; its status stays JSON, to be compared with the one computed."""

    metadata: ObjectMeta = ObjectMeta()
    spec: DeploymentSpec = DeploymentSpec()
    status: Json = {}


class ReplicaSetSpec(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How many pods of one template."""

    selector: LabelSelector = LabelSelector()
    template: Json = {}
    replicas: int = 1
    min_ready_seconds: int = 0


class ReplicaSet(Struct, frozen=True, omit_defaults=True):
    """One revision of a Deployment, or a number of like pods of its own."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: Json = {}


class DaemonSetSpec(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A pod for every node."""

    selector: LabelSelector = LabelSelector()
    template: Json = {}
    update_strategy: Strategy = Strategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10


class DaemonSet(Struct, frozen=True, omit_defaults=True):
    """A DaemonSet."""

    metadata: ObjectMeta = ObjectMeta()
    spec: DaemonSetSpec = DaemonSetSpec()
    status: Json = {}


class ControllerRevision(Struct, frozen=True, omit_defaults=True):
    """A template that a DaemonSet has had, as the patch that leads back to it."""

    metadata: ObjectMeta = ObjectMeta()
    revision: int = 0
    data: Json = {}


class Endpoints(Struct, frozen=True, omit_defaults=True):
    """The older form of the same, which `kubectl get ep` shows."""

    metadata: ObjectMeta = ObjectMeta()
    subsets: tuple[Json, ...] | None = ()


class Node(Struct, frozen=True, omit_defaults=True):
    """A node; its status stays JSON."""

    metadata: ObjectMeta = ObjectMeta()
    spec: core.NodeSpec = core.NodeSpec()
    status: Json = {}


PODS: Final = core.PODS.narrowed(Pod)
POD_DRAFTS: Final = core.PODS.narrowed(PodDraft)
NODES: Final = core.NODES.narrowed(Node)
CONFIG_MAPS: Final = core.CONFIG_MAPS.narrowed(ConfigMap)
CONFIG_MAP_NAMES: Final = core.CONFIG_MAPS.narrowed(Named)
SECRETS: Final = Resource("", "v1", "secrets", "Secret", namespaced=True, struct=Secret)
SECRET_NAMES: Final = SECRETS.narrowed(Named)
DEPLOYMENTS: Final = apps.DEPLOYMENTS.narrowed(Deployment)
DAEMON_SETS: Final = apps.DAEMON_SETS.narrowed(DaemonSet)
REPLICA_SETS: Final = Resource(
    "apps", "v1", "replicasets", "ReplicaSet", namespaced=True, struct=ReplicaSet
)
CONTROLLER_REVISIONS: Final = Resource(
    *("apps", "v1", "controllerrevisions", "ControllerRevision"),
    namespaced=True,
    struct=ControllerRevision,
)
ENDPOINTS: Final = Resource("", "v1", "endpoints", "Endpoints", namespaced=True, struct=Endpoints)
