"""What the agent answers over its Unix socket: the objects of Cilium's agent API.

The agent fills them and `ciliate dbg` shows them; these classes are all that both know of the
protocol. JSON names and words are those of Cilium's API v1 (base path `/v1`), so that programs
written for it read ours; what Cilium's API has no field for stands under a name of its own kind.
A part that this agent does not have (a kvstore, a proxy, a monitor) is None and absent from the
JSON: absence is the honest answer, never a made-up value.

| request | answer |
|---|---|
| GET /v1/healthz | agent_status.StatusResponse |
| GET /v1/config | DaemonConfiguration |
| GET /v1/endpoint | list of EndpointModel, by id |
| GET /v1/endpoint/{id} | EndpointModel, or 404 with an ApiError |
| GET /v1/ip | list of IpListEntry |
| GET /v1/identity | list of IdentityModel, the reserved ones included |
| GET /v1/cluster/nodes | ClusterNodes |
| GET /v1/ipam | agent_ipam.IpamReport |
| GET /v1/service | list of services.service_list.ServiceModel |
| POST /v1/service/explain | services.explain.answer.Explanation, of a Question |
| GET /v1/masquerade/rules | list of masquerade.report.RuleRow |
| POST /v1/masquerade/explain | masquerade.explain.answer.Explanation, of a Question |
| POST /v1/ipam/check, POST /v1/ipam/repair, GET /v1/ipam/repairs | see ipam_audit |

Times are RFC 3339 in UTC. Nothing here does I/O.
"""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct, field

from ciliate.net.identity import ReservedIdentity

#: EndpointPolicyRealized.policy_enabled: the directions in which policy is enforced.
PolicyEnabled = Literal[
    "none", "ingress", "egress", "both", "audit-ingress", "audit-egress", "audit-both"
]

#: Of a CiliumEndpoint (CRD `cilium.io/v2`, `status.state`) and of an endpoint of the agent.
EndpointState = Literal[
    "creating",
    "waiting-for-identity",
    "not-ready",
    "waiting-to-regenerate",
    "regenerating",
    "restoring",
    "ready",
    "disconnecting",
    "disconnected",
    "invalid",
]


class AgentModel(Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """Kebab-case JSON names, defaults left out, unknown fields of other versions ignored.

    A field that programs read even when it has the ordinary value ("Native",
    "Disabled") has no default, so that it is never left out.
    """


class ApiError(AgentModel, frozen=True, kw_only=True):
    """Body of every answer whose status is not 2xx: one line for the operator."""

    message: str


# --- GET /v1/config ----------------------------------------------------------------------------

#: A setting as the agent uses it, after defaults: booleans and numbers stay what they are.
SettingValue = bool | int | str | tuple[str, ...]


class ConfigurationSpec(AgentModel, frozen=True, kw_only=True):
    """Options that may change while the agent runs; none may today."""

    options: dict[str, str] = field(default_factory=dict)


class ConfigurationStatus(AgentModel, frozen=True, kw_only=True):
    """The settings in force, by their cilium-config keys, and what was derived from them."""

    daemon_configuration_map: dict[str, SettingValue] = field(name="daemonConfigurationMap")
    ipam_mode: str
    datapath_mode: str = field(default="veth", name="datapathMode")
    device_mtu: int = field(default=0, name="deviceMTU")
    route_mtu: int = field(default=0, name="routeMTU")
    node_name: str = ""  # Of our own kind.


class DaemonConfiguration(AgentModel, frozen=True, kw_only=True):
    """What GET /v1/config answers."""

    status: ConfigurationStatus
    spec: ConfigurationSpec = ConfigurationSpec()


# --- GET /v1/endpoint --------------------------------------------------------------------------


class IdentityModel(AgentModel, frozen=True, kw_only=True):
    """A numeric identity and the security-relevant labels it stands for (`source:key=value`)."""

    id: int
    labels: tuple[str, ...] = ()


class AddressPair(AgentModel, frozen=True, kw_only=True):
    """An endpoint's addresses; empty where it has none of that family."""

    ipv4: str = ""
    ipv6: str = ""
    ipv4_pool_name: str = ""
    ipv6_pool_name: str = ""


class EndpointNetworking(AgentModel, frozen=True, kw_only=True):
    """Addresses and interfaces of an endpoint; the host has no interface of its own here."""

    addressing: tuple[AddressPair, ...] = ()
    interface_name: str = ""  # Host side of the veth: "lxc...".
    interface_index: int = 0
    mac: str = ""  # Of the pod's interface.
    host_mac: str = ""  # Of the host side: who answers the pod's ARP for the router.
    container_interface_name: str = ""
    netns: str = ""  # Path of the pod's network namespace. Of our own kind.


class ExternalIdentifiers(AgentModel, frozen=True, kw_only=True):
    """What others call the endpoint."""

    cni_attachment_id: str = ""  # "<container id>:<interface>".
    container_id: str = ""
    container_name: str = ""
    k8s_namespace: str = ""
    k8s_pod_name: str = ""
    pod_name: str = ""  # "<namespace>/<pod>".


class EndpointLabels(AgentModel, frozen=True, kw_only=True):
    """Labels that make the identity, and those that do not."""

    security_relevant: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()


class EndpointPolicyRealized(AgentModel, frozen=True, kw_only=True):
    """Policy as the datapath enforces it."""

    policy_enabled: PolicyEnabled


class EndpointPolicy(AgentModel, frozen=True, kw_only=True):
    """Policy of an endpoint."""

    realized: EndpointPolicyRealized


#: What an endpoint has that no policy selects: everything may pass.
POLICY_NOT_ENFORCED: Final = EndpointPolicy(realized=EndpointPolicyRealized(policy_enabled="none"))


class EndpointStatus(AgentModel, frozen=True, kw_only=True):
    """Everything known about an endpoint."""

    state: EndpointState
    identity: IdentityModel | None = None  # None until one is allocated.
    labels: EndpointLabels = EndpointLabels()
    networking: EndpointNetworking = EndpointNetworking()
    external_identifiers: ExternalIdentifiers = ExternalIdentifiers()
    policy: EndpointPolicy
    created: datetime | None = None  # Of our own kind.


class EndpointModel(AgentModel, frozen=True, kw_only=True):
    """A pod's attachment on this node, or the host itself (identity 1, `reserved:host`)."""

    id: int
    status: EndpointStatus


# --- GET /v1/ip, GET /v1/identity, GET /v1/cluster/nodes ----------------------------------------


class IpMetadata(AgentModel, frozen=True, kw_only=True):
    """Where an entry of the ipcache comes from."""

    source: str = ""  # "custom-resource", "generated", "local", "kube-apiserver", "reserved".
    namespace: str = ""
    name: str = ""


class IpListEntry(AgentModel, frozen=True, kw_only=True):
    """An entry of the ipcache: identity and node of an address or prefix, cluster-wide."""

    cidr: str
    identity: int
    host_ip: str = field(default="", name="hostIP")
    encrypt_key: int = field(default=0, name="encryptKey")
    metadata: IpMetadata = IpMetadata()


class NodeFamilyAddress(AgentModel, frozen=True, kw_only=True):
    """A node's address of one family and the block its pods' addresses come from."""

    enabled: bool = False
    ip: str = ""
    alloc_range: str = ""


class NodePrimaryAddress(AgentModel, frozen=True, kw_only=True):
    """A node's primary address of each family."""

    ipv4: NodeFamilyAddress = NodeFamilyAddress()
    ipv6: NodeFamilyAddress = NodeFamilyAddress()


class NodeAddress(AgentModel, frozen=True, kw_only=True):
    """A further address of a node."""

    address_type: str
    ip: str


class NodeElement(AgentModel, frozen=True, kw_only=True):
    """A node as this agent knows it; `name` is "<cluster>/<node>"."""

    name: str
    primary_address: NodePrimaryAddress = NodePrimaryAddress()
    secondary_addresses: tuple[NodeAddress, ...] = ()
    source: str  # "custom-resource", or "local" for the agent's own node.


class ClusterNodes(AgentModel, frozen=True, kw_only=True):
    """What GET /v1/cluster/nodes answers, in Cilium's form: all nodes are `nodes_added`."""

    nodes_added: tuple[NodeElement, ...] = ()


class MetricSample(AgentModel, frozen=True, kw_only=True):
    """One series of GET /v1/metrics, with its value now."""

    name: str
    value: float
    labels: dict[str, str] = {}


def reserved_label(identity: int) -> str | None:
    """Return "reserved:host" and its like, or None when `identity` is not a reserved one."""
    try:
        return ReservedIdentity(identity).label
    except ValueError:
        return None
