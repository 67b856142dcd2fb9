"""What the agent answers about itself: its own part, and the features', put together.

Every answer is built from the tasks' tables when a request comes; only the version of Kubernetes
is cached here.
"""

import platform
from collections.abc import Awaitable
from datetime import datetime

from ciliate import CILIUM_API_VERSION, __version__
from ciliate.agent.running_node import RunningNode
from ciliate.agent.status import StatusResponse
from ciliate.api import agent, agent_status
from ciliate.config import values
from ciliate.config.keys import KEYS, Kind
from ciliate.kube.errors import KubeError
from ciliate.node.known_node import KnownNode
from ciliate.reconcile.status import RunStatus

_WATCHED = (
    "cilium/v2::CiliumEndpoint",
    "cilium/v2::CiliumIdentity",
    "cilium/v2::CiliumNode",
    "core/v1::Namespace",
    "core/v1::Pods",
)


class Report:
    """Answers by path below /v1."""

    def __init__(
        self, node: RunningNode, *, warnings: tuple[str, ...], started_at: datetime
    ) -> None:
        self._node = node
        self._context = node.context
        self._warnings = warnings
        self._started_at = started_at
        self._kubernetes_version = ""

    async def answer(self, path: str) -> object | None:
        """Return the object for `path`, or None when there is none."""
        if path == "healthz":
            return await self.status()
        if path == "config":
            return self.config()
        if path == "cluster/nodes":
            return self.nodes()
        for feature in self._node.features:
            found = feature.answers().get(path)
            if found is not None:
                answer = found()
                return await answer if isinstance(answer, Awaitable) else answer
        return None

    async def act(self, path: str, body: bytes) -> object | None:
        """Do what a POST asks for; None when nothing is done at `path`."""
        for feature in self._node.features:
            found = feature.actions().get(path)
            if found is not None:
                return await found(body)
        return None

    async def status(self) -> StatusResponse:
        """Everything `dbg status` prints."""
        parts: dict[str, object] = {}
        for feature in self._node.features:
            parts.update(feature.status())
        return StatusResponse(
            cilium=agent_status.ComponentStatus(state="Ok", msg=f"{__version__} (v{__version__})"),
            kubernetes=await self._kubernetes(),
            kvstore=agent_status.ComponentStatus(state="Disabled"),
            host_firewall=agent_status.FeatureMode(mode="Disabled"),
            srv6=agent_status.FeatureSwitch(),
            ipv4_big_tcp=agent_status.BigTcp(),
            ipv6_big_tcp=agent_status.BigTcp(),
            bandwidth_manager=agent_status.FeatureSwitch(),
            datapath_mode="veth",
            controllers=tuple(map(_controller, self._node.statuses)),
            encryption=agent_status.FeatureMode(mode="Disabled"),
            version=__version__,
            api_version=CILIUM_API_VERSION,
            started_at=self._started_at,
            warnings=self._warnings,
            **parts,  # type: ignore[arg-type]  # Each feature's own, by name (agent/status.py).
        )

    async def _kubernetes(self) -> agent_status.KubernetesStatus:
        if problem := self._context.cluster.problem:
            return agent_status.KubernetesStatus(
                state="Failure", msg=problem, k8s_api_versions=_WATCHED
            )
        if not self._kubernetes_version:
            try:
                found = await self._context.client.get_json("/version")
            except KubeError as error:
                return agent_status.KubernetesStatus(
                    state="Failure", msg=str(error), k8s_api_versions=_WATCHED
                )
            short = f"{found['major']}.{found['minor']}"
            machine = found.get("platform") or f"linux/{platform.machine()}"
            self._kubernetes_version = f"{short} ({found['gitVersion']}) [{machine}]"
        return agent_status.KubernetesStatus(
            state="Ok", msg=self._kubernetes_version, k8s_api_versions=_WATCHED
        )

    def config(self) -> agent.DaemonConfiguration:
        """The settings in force."""
        settings, devices = self._context.settings, self._context.devices
        return agent.DaemonConfiguration(
            status=agent.ConfigurationStatus(
                daemon_configuration_map={
                    name: _typed(name, text) for name, text in settings.effective.items()
                },
                ipam_mode=settings.ipam.mode,
                device_mtu=devices.mtu,
                route_mtu=devices.route_mtu,
                node_name=self._context.own.name,
            )
        )

    def nodes(self) -> agent.ClusterNodes:
        """The nodes of the cluster as this one knows them."""
        cluster = self._context.settings.cluster.name
        known = sorted(self._context.cluster.known_nodes, key=lambda node: node.name)
        return agent.ClusterNodes(
            nodes_added=tuple(_node_element(node, cluster) for node in known)
        )


def _node_element(node: KnownNode, cluster: str) -> agent.NodeElement:
    def family(version: int) -> agent.NodeFamilyAddress:
        ip = node.node_ip(version)
        cidr = next((c for c in node.pod_cidrs if c.version == version), None)
        return agent.NodeFamilyAddress(
            enabled=ip is not None, ip=str(ip or ""), alloc_range=str(cidr or "")
        )

    return agent.NodeElement(
        name=f"{cluster}/{node.name}",
        primary_address=agent.NodePrimaryAddress(ipv4=family(4), ipv6=family(6)),
        source="local" if node.is_local else "custom-resource",
    )


def _typed(name: str, text: str) -> agent.SettingValue:
    kind = KEYS[name].kind
    if kind is Kind.BOOL:
        return values.read_bool(text)
    if kind is Kind.INT and text:
        return values.read_int(text)
    return text


def _controller(status: RunStatus) -> agent_status.Controller:
    return agent_status.Controller(
        name=status.name,
        status=agent_status.ControllerStatus(
            success_count=status.successes,
            failure_count=status.failures,
            consecutive_failure_count=status.consecutive_failures,
            last_success_timestamp=status.last_success_at,
            last_failure_timestamp=status.last_failure_at,
            last_failure_msg=status.last_failure,
            failing_keys={
                key: agent_status.FailingKey(
                    msg=each.message,
                    since=each.since,
                    next_try=each.next_try,
                    attempts=each.attempts,
                )
                for key, each in status.failing_keys.items()
            },
        ),
    )
