"""What the agent answers about itself: `dbg status`, `endpoint list`, `ip list` and their kin.

Built anew for every question out of the tables that the tasks keep; nothing is remembered here.
"""

import ipaddress
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ciliate import __version__
from ciliate.agent.kernel import DesiredState
from ciliate.api import agent, agent_status
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.ipam_audit import CheckRequest, RepairRequest
from ciliate.config import values
from ciliate.config.keys import KEYS, Kind
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.uplink import AttachMode
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.identity.address_owners import KnownNode, Reserved
from ciliate.identity.labels import label_texts
from ciliate.identity.numbers import IDENTITY_MAX, IDENTITY_MIN
from ciliate.ipam.agent.check import IpamCheck
from ciliate.ipam.agent.node_ipam import NodeIPAM
from ciliate.ipam.agent.repair import IpamRepair
from ciliate.ipam.agent.report import ipam_report, ipam_status
from ciliate.kube.errors import KubeError
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.status import RunStatus

_WATCHED = (
    "cilium/v2::CiliumEndpoint",
    "cilium/v2::CiliumIdentity",
    "cilium/v2::CiliumNode",
    "core/v1::Namespace",
    "core/v1::Pods",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The tables that answers are made of."""

    context: Context
    state: DesiredState
    ipam: NodeIPAM
    check: IpamCheck
    repair: IpamRepair
    table: EndpointTable
    statuses: Sequence[RunStatus]
    datapath: Datapath
    warnings: tuple[str, ...]
    started_at: datetime
    runtime_config: RuntimeConfig


class Report:
    """Answers by path below /v1."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._kubernetes_version = ""

    async def answer(self, path: str) -> object | None:
        """Return the object for `path`, or None when there is none."""
        if path == "healthz":
            return await self.status()
        if path.startswith("endpoint/"):
            number = path.removeprefix("endpoint/")
            found = self._from.table.get(int(number)) if number.isdecimal() else None
            return self.endpoint(found) if found else None
        answers: dict[str, Callable[[], object]] = {
            "config": self.config,
            "endpoint": self.endpoints,
            "ip": self.addresses,
            "ipam": lambda: ipam_report(self._from.ipam),
            "ipam/repairs": self._from.repair.records,
            "identity": self.identities,
            "cluster/nodes": self.nodes,
        }
        return answers[path]() if path in answers else None

    async def act(self, path: str, body: bytes) -> object | None:
        """Do what a POST asks for; None when nothing is done at `path`."""
        if path == "ipam/check":
            return await self._from.check.check(msgspec.json.decode(body, type=CheckRequest))
        if path == "ipam/repair":
            return await self._from.repair.act(msgspec.json.decode(body, type=RepairRequest))
        return None

    async def status(self) -> agent_status.StatusResponse:
        """Everything `dbg status` prints."""
        source = self._from
        kubernetes = await self._kubernetes()
        tcx = source.datapath.attach_mode is AttachMode.TCX
        total = list(source.table)
        return agent_status.StatusResponse(
            cilium=agent_status.ComponentStatus(state="Ok", msg=f"{__version__} (v{__version__})"),
            kubernetes=kubernetes,
            ipam=ipam_status(source.ipam),
            masquerading=self._masquerading(),
            routing=agent_status.Routing(
                inter_host_routing_mode="Native", intra_host_routing_mode="BPF"
            ),
            kvstore=agent_status.ComponentStatus(state="Disabled"),
            kube_proxy_replacement=self._devices(),
            host_firewall=agent_status.FeatureMode(mode="Disabled"),
            srv6=agent_status.FeatureSwitch(),
            cni_chaining=agent_status.FeatureMode(mode=source.context.settings.cni.chaining_mode),
            cni_file=agent_status.ComponentStatus(
                state="Ok" if source.runtime_config.status.successes else "Disabled",
                msg=source.runtime_config.message,
            ),
            ipv4_big_tcp=agent_status.BigTcp(),
            ipv6_big_tcp=agent_status.BigTcp(),
            bandwidth_manager=agent_status.FeatureSwitch(),
            attach_mode="tcx" if tcx else "tc",
            datapath_mode="veth",
            controllers=tuple(map(_controller, source.statuses)),
            identity_range=agent_status.IdentityRange(
                min_identity=IDENTITY_MIN, max_identity=IDENTITY_MAX
            ),
            hubble=agent_status.HubbleStatus(state="Disabled"),
            encryption=agent_status.FeatureMode(mode="Disabled"),
            version=__version__,
            started_at=source.started_at,
            endpoints=agent_status.EndpointCount(
                total=len(total) + 1,
                ready=1 + sum(e.state is EndpointState.READY for e in total),
            ),
            warnings=source.warnings,
        )

    async def _kubernetes(self) -> agent_status.KubernetesStatus:
        for informer in self._from.context.cluster.informers:
            if informer.last_error is not None and not informer.connected:
                return agent_status.KubernetesStatus(
                    state="Failure", msg=str(informer.last_error), k8s_api_versions=_WATCHED
                )
        if not self._kubernetes_version:
            try:
                found = await self._from.context.client.get_json("/version")
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

    def _masquerading(self) -> agent_status.Masquerading:
        settings = self._from.context.settings
        on, routing = settings.masquerade, settings.routing
        return agent_status.Masquerading(
            mode="BPF",
            enabled=on.ipv4 or on.ipv6,
            enabled_protocols=agent_status.MasqueradedFamilies(ipv4=on.ipv4, ipv6=on.ipv6),
            snat_exclusion_cidr_v4=str(routing.native_v4 or "") if on.ipv4 else "",
            snat_exclusion_cidr_v6=str(routing.native_v6 or "") if on.ipv6 else "",
        )

    def _devices(self) -> agent_status.KubeProxyReplacement:
        devices = self._from.state.devices.current
        wanted = self._from.context.settings.routing.direct_routing_device
        return agent_status.KubeProxyReplacement(
            mode="False",
            devices=tuple(link.name for link in devices.selected),
            device_list=tuple(
                agent_status.DeviceModel(
                    name=link.name, ip=tuple(str(known.address) for known in link.addresses)
                )
                for link in devices.selected
            ),
            direct_routing_device=wanted or devices.holder(self._from.context.own.internal_ips[0]),
        )

    def config(self) -> agent.DaemonConfiguration:
        """The settings in force."""
        settings = self._from.context.settings
        mtu = settings.routing.mtu or self._from.state.devices.current.mtu
        return agent.DaemonConfiguration(
            status=agent.ConfigurationStatus(
                daemon_configuration_map={
                    name: _typed(name, text) for name, text in settings.effective.items()
                },
                ipam_mode=settings.ipam.mode,
                device_mtu=mtu,
                route_mtu=mtu,
                node_name=self._from.context.own.name,
            )
        )

    def endpoints(self) -> list[agent.EndpointModel]:
        """The endpoints of this node by number, the host among them."""
        host = agent.EndpointModel(
            id=_host_id(self._from.table),
            status=agent.EndpointStatus(
                state="ready",
                identity=agent.IdentityModel(id=Reserved.HOST, labels=("reserved:host",)),
                labels=agent.EndpointLabels(security_relevant=("reserved:host",)),
                networking=agent.EndpointNetworking(addressing=(agent.AddressPair(),)),
                policy=agent.POLICY_NOT_ENFORCED,
            ),
        )
        models = [host, *(self.endpoint(endpoint) for endpoint in self._from.table)]
        return sorted(models, key=lambda model: model.id)

    def endpoint(self, endpoint: Endpoint) -> agent.EndpointModel:
        """One endpoint."""
        return agent.EndpointModel(
            id=endpoint.id,
            status=agent.EndpointStatus(
                state=endpoint.state.value,
                identity=agent.IdentityModel(id=endpoint.identity, labels=endpoint.labels),
                labels=agent.EndpointLabels(security_relevant=endpoint.labels),
                networking=agent.EndpointNetworking(
                    addressing=(
                        agent.AddressPair(
                            ipv4=str(endpoint.address(4) or ""),
                            ipv6=str(endpoint.address(6) or ""),
                        ),
                    ),
                    interface_name=endpoint.host_name,
                    interface_index=endpoint.ifindex,
                    mac=endpoint.pod_mac,
                    host_mac=endpoint.host_mac,
                    container_interface_name=endpoint.ifname,
                    netns=endpoint.netns,
                ),
                external_identifiers=agent.ExternalIdentifiers(
                    cni_attachment_id=f"{endpoint.container_id}:{endpoint.ifname}",
                    container_id=endpoint.container_id,
                    k8s_namespace=endpoint.namespace,
                    k8s_pod_name=endpoint.pod,
                    pod_name=f"{endpoint.namespace}/{endpoint.pod}",
                ),
                policy=agent.POLICY_NOT_ENFORCED,
                created=endpoint.created,
            ),
        )

    def addresses(self) -> list[agent.IpListEntry]:
        """The ipcache: whose each prefix is."""
        state = self._from.state
        owners = state.ipcache.owners(state.table, state.devices.current.addresses)
        return [
            agent.IpListEntry(
                cidr=str(prefix),
                identity=owner.identity,
                host_ip=str(owner.node or ""),
                metadata=agent.IpMetadata(
                    source="reserved" if owner.identity == Reserved.HOST else "custom-resource"
                ),
            )
            for prefix, owner in sorted(owners.items(), key=lambda item: _network_order(item[0]))
        ]

    def identities(self) -> list[agent.IdentityModel]:
        """The identities of the cluster, the reserved ones included."""
        reserved = [
            agent.IdentityModel(id=number, labels=(f"reserved:{name}",))
            for number, name in agent.RESERVED_IDENTITIES.items()
            if number
        ]
        allocated = [
            agent.IdentityModel(
                id=int(identity.metadata.name), labels=label_texts(identity.security_labels)
            )
            for identity in self._from.context.cluster.identities.objects.values()
            if identity.metadata.name.isdecimal()
        ]
        return [*reserved, *sorted(allocated, key=lambda model: model.id)]

    def nodes(self) -> agent.ClusterNodes:
        """The nodes of the cluster as this one knows them."""
        cluster = self._from.context.settings.cluster.name
        return agent.ClusterNodes(
            nodes_added=tuple(
                _node_element(node, cluster)
                for node in sorted(
                    self._from.context.cluster.known_nodes, key=lambda node: node.name
                )
            )
        )


def _network_order(prefix: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def _host_id(table: EndpointTable) -> int:
    """Return a number for the host that no pod has: the highest free one stays the same."""
    number = 65535
    while table.get(number) is not None:
        number -= 1
    return number


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
        ),
    )
