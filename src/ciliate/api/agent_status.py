"""Parts of the answer to GET /v1/healthz that belong to no feature: components, controllers.

Names and words as in Cilium's API v1. Each feature has its own part in its `status` module, and
the agent puts them together (`ciliate.agent.status`).
"""

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


class ControllerConfiguration(AgentModel, frozen=True, kw_only=True):
    """How often a controller runs; intervals as Go durations ("1m0s")."""

    interval: str = ""
    error_retry: bool = False
    error_retry_base: str = ""


class FailingKey(AgentModel, frozen=True, kw_only=True):
    """One object of a controller that is not as it should be; of our own kind."""

    msg: str
    since: datetime
    next_try: datetime
    attempts: int = 1


class ControllerStatus(AgentModel, frozen=True, kw_only=True):
    """The runs of a controller since the agent started."""

    success_count: int = 0
    failure_count: int = 0
    consecutive_failure_count: int = 0
    last_success_timestamp: datetime | None = None
    last_failure_timestamp: datetime | None = None
    last_failure_msg: str = ""  # Empty again once the controller has succeeded.
    failing_keys: dict[str, FailingKey] = field(default_factory=dict)


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
