"""What the agent answers to GET /v1/healthz: everything `dbg status` prints, put together.

`ciliate.api.agent` says which parts may be absent, and what that means. A feature defines its part
(`<feature>/status.py`); here it gets its name in the answer.
"""

from datetime import datetime
from typing import Literal

from msgspec import field

from ciliate.api.agent import AgentModel
from ciliate.api.agent_status import (
    BigTcp,
    ComponentStatus,
    Controller,
    FeatureMode,
    FeatureSwitch,
    HubbleStatus,
    KubernetesStatus,
    MonitorStatus,
    ProxyStatus,
)
from ciliate.endpoint.status import EndpointCount
from ciliate.identity.status import IdentityRange
from ciliate.ipam.status import IpamStatus
from ciliate.masquerade.status import Masquerading
from ciliate.routing.status import Routing
from ciliate.services.status import KubeProxyReplacement


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
    api_version: str = ""
    started_at: datetime | None = None
    endpoints: EndpointCount | None = None
    #: What Services ask for and do not get; the first of many, then how many more.
    service_problems: tuple[str, ...] = ()
    #: Read-only settings that are set but not acted on, or not known.
    warnings: tuple[str, ...] = ()
