"""What the agent answers to GET /v1/healthz: everything `dbg status` prints.

One class per part of the answer, names and words as in Cilium's API v1; `describe_pools` writes
the one text that Cilium's API carries ready-made. Which parts may be absent, and what that means,
is told in `ciliate.api.agent`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import field

from ciliate.api.agent import AgentModel

State = Literal["Ok", "Warning", "Failure", "Disabled"]


class ComponentStatus(AgentModel, frozen=True, kw_only=True):
    """State of one component; `msg` is the text that stands beside it in `dbg status`."""

    state: State
    msg: str = ""


class KubernetesStatus(AgentModel, frozen=True, kw_only=True):
    """Connection to the API server; `msg` is "<major.minor> (<git version>) [<os/arch>]"."""

    state: State
    msg: str = ""
    k8s_api_versions: tuple[str, ...] = ()


class DeviceModel(AgentModel, frozen=True, kw_only=True):
    """A node device that runs our programs, with its addresses."""

    name: str
    ip: tuple[str, ...] = ()


class KubeProxyReplacement(AgentModel, frozen=True, kw_only=True):
    """The kube-proxy replacement, and with it the node devices (Cilium keeps them here)."""

    mode: Literal["True", "False"]
    devices: tuple[str, ...] = ()
    device_list: tuple[DeviceModel, ...] = field(default=(), name="deviceList")
    direct_routing_device: str = field(default="", name="directRoutingDevice")


class FeatureMode(AgentModel, frozen=True, kw_only=True):
    """A feature that has modes, such as the host firewall ("Disabled") or CNI chaining."""

    mode: str
    devices: tuple[str, ...] = ()


class FeatureSwitch(AgentModel, frozen=True, kw_only=True):
    """A feature that is on or off."""

    enabled: bool = False


class BigTcp(AgentModel, frozen=True, kw_only=True):
    """BIG TCP of one family; sizes in bytes."""

    enabled: bool = False
    max_gro: int = field(default=0, name="maxGRO")
    max_gso: int = field(default=0, name="maxGSO")


class IpamStatus(AgentModel, frozen=True, kw_only=True):
    """Address management of this node.

    `status` is the line `dbg status` prints: see `describe_pools`. `allocations` maps every
    address in use to its owner: `<namespace>/<pod>`, `<namespace>/<pod> [restored]`, `router`,
    `health`, `ingress`. Addresses of a pool other than the default are `<pool>/<address>`.
    `draining`, ours, are former pod CIDRs with how many of their addresses are still in use.
    """

    status: str
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    allocations: dict[str, str] = field(default_factory=dict)
    draining: dict[str, int] = field(default_factory=dict)


class MasqueradedFamilies(AgentModel, frozen=True, kw_only=True):
    """The families whose packets get the node's address when they leave the cluster."""

    ipv4: bool = False
    ipv6: bool = False


class Masquerading(AgentModel, frozen=True, kw_only=True):
    """Masquerading as it is in force; the devices are those of `KubeProxyReplacement`."""

    mode: Literal["BPF", "iptables"]
    enabled: bool = False
    enabled_protocols: MasqueradedFamilies = field(
        default_factory=MasqueradedFamilies, name="enabledProtocols"
    )
    ip_masq_agent: bool = False
    snat_exclusion_cidr_v4: str = field(default="", name="snat-exclusion-cidr-v4")
    snat_exclusion_cidr_v6: str = field(default="", name="snat-exclusion-cidr-v6")


class Routing(AgentModel, frozen=True, kw_only=True):
    """How packets travel between nodes and between a node's pods and its devices."""

    inter_host_routing_mode: Literal["Native", "Tunnel"]
    intra_host_routing_mode: Literal["BPF", "Legacy"]
    tunnel_protocol: str = ""  # "vxlan" or "geneve", in tunnel mode only.


class ControllerConfiguration(AgentModel, frozen=True, kw_only=True):
    """How often a controller runs; intervals as Go durations ("1m0s")."""

    interval: str = ""
    error_retry: bool = False
    error_retry_base: str = ""


class ControllerStatus(AgentModel, frozen=True, kw_only=True):
    """The runs of a controller since the agent started."""

    success_count: int = 0
    failure_count: int = 0
    consecutive_failure_count: int = 0
    last_success_timestamp: datetime | None = None
    last_failure_timestamp: datetime | None = None
    last_failure_msg: str = ""  # Empty again once the controller has succeeded.


class Controller(AgentModel, frozen=True, kw_only=True):
    """A reconciler or periodic task of the agent."""

    name: str
    status: ControllerStatus = ControllerStatus()
    configuration: ControllerConfiguration = ControllerConfiguration()
    uuid: str = ""


class MonitorStatus(AgentModel, frozen=True, kw_only=True):
    """The ring buffers of packet events."""

    cpus: int
    npages: int
    pagesize: int
    lost: int = 0
    unknown: int = 0


class ProxyStatus(AgentModel, frozen=True, kw_only=True):
    """The L7 proxy and its redirects."""

    ip: str = ""
    port_range: str = ""
    total_redirects: int = 0
    envoy_deployment_mode: str = ""


class IdentityRange(AgentModel, frozen=True, kw_only=True):
    """Identities a cluster may give out, both inclusive."""

    min_identity: int
    max_identity: int


class ObserverStatus(AgentModel, frozen=True, kw_only=True):
    """Flows in the observer's ring."""

    current_flows: int = 0
    max_flows: int = 0
    seen_flows: int = 0
    uptime: int = 0  # Nanoseconds.


class HubbleStatus(AgentModel, frozen=True, kw_only=True):
    """The flow observer."""

    state: State
    msg: str = ""
    observer: ObserverStatus | None = None


class EndpointCount(AgentModel, frozen=True, kw_only=True):
    """Endpoints of this node, the host's own included."""

    total: int
    ready: int


class StatusResponse(AgentModel, frozen=True, kw_only=True):
    """Everything `dbg status` prints."""

    cilium: ComponentStatus
    kubernetes: KubernetesStatus
    ipam: IpamStatus
    masquerading: Masquerading
    routing: Routing
    kvstore: ComponentStatus | None = None
    kube_proxy_replacement: KubeProxyReplacement | None = None
    host_firewall: FeatureMode | None = None
    srv6: FeatureSwitch | None = None
    cni_chaining: FeatureMode | None = None
    cni_file: ComponentStatus | None = None
    node_monitor: MonitorStatus | None = field(default=None, name="nodeMonitor")
    ipv4_big_tcp: BigTcp | None = None
    ipv6_big_tcp: BigTcp | None = None
    bandwidth_manager: FeatureSwitch | None = None
    attach_mode: Literal["", "tcx", "tc"] = ""  # Of the node devices' programs.
    datapath_mode: str = ""  # "veth".
    controllers: tuple[Controller, ...] = ()
    proxy: ProxyStatus | None = None
    identity_range: IdentityRange | None = None
    hubble: HubbleStatus | None = None
    encryption: FeatureMode | None = None
    #: Of our own kind: Cilium's API has no field for these.
    version: str = ""
    started_at: datetime | None = None
    endpoints: EndpointCount | None = None
    #: Read-only settings that were given but are not acted on, or not known.
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """One family's block of addresses on this node: `used` counts everything not free."""

    cidr: str
    used: int
    usable: int


def describe_pools(ipv4: PoolUsage | None, ipv6: PoolUsage | None) -> str:
    """Return the text of Cilium's IPAM line for the blocks of both families.

    Each is "IPv4: <used>/<usable> allocated from <cidr>", joined by a comma and a blank. The
    second half is empty without IPv6, which leaves Cilium's trailing ", " in place: programs
    match on it. Without any block: "Not running".
    """
    if ipv4 is None and ipv6 is None:
        return "Not running"
    halves = [
        f"{name}: {pool.used}/{pool.usable} allocated from {pool.cidr}" if pool else ""
        for name, pool in (("IPv4", ipv4), ("IPv6", ipv6))
    ]
    if not halves[0]:
        return halves[1]
    return ", ".join(halves)


def describe_pool_counts(ipv4: int | None, ipv6: int | None) -> str:
    """Return the text of Cilium's IPAM line in multi-pool mode; None for a family that is off."""
    return ", ".join(
        "" if count is None else f"{family}: {count} IPAM pool(s) available"
        for family, count in (("IPv4", ipv4), ("IPv6", ipv6))
    )
