"""The agent's settings as typed groups, out of the texts of `cilium-config`. Pure.

Every value is checked before any is used, so that a wrong one stops the agent before it touches
the kernel. What depends on the machine (does the device exist?) is checked by the agent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final, cast

from ciliate.config import values
from ciliate.config.bgp_settings import BGPSettings, read_bgp_settings
from ciliate.config.datapath_defaults import SNAT_PORT_MAX
from ciliate.config.flow_settings import FlowSettings, read_flow_settings
from ciliate.config.l2_settings import L2Settings, read_l2_settings
from ciliate.config.label_filter import LabelFilter
from ciliate.config.lifetimes import Lifetimes
from ciliate.config.map_sizes import connections_by_memory, connections_max, read_share
from ciliate.config.service_settings import ServiceSettings, read_service_settings
from ciliate.config.texts import Texts
from ciliate.config.tunnel_settings import TunnelSettings, read_tunnel_settings
from ciliate.errors import SettingError
from ciliate.net.address import IPAddress

#: Names of devices that need no quoting in nftables' language; "+" stands for any rest.
_INTERFACE: Final = re.compile(r"[\w.:@-]{1,15}\+?", re.ASCII)

#: Addresses kept ready where the setting names no pool: Cilium's default.
_PRE_ALLOCATION: Final = {"default": 8}


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which cluster this is; the name is part of every identity."""

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class IPAMSettings:
    """Who gives addresses, of which families.

    The rest is multi-pool's: the pool of pods that name none, how many addresses of a pool are
    kept ready, and how long a CIDR is unused before it is given back.
    """

    mode: str
    ipv4: bool
    ipv6: bool
    router_ipv4: IPAddress | None  # Instead of one out of the pod CIDR.
    router_ipv6: IPAddress | None
    default_pool: str = "default"
    pre_allocation: Mapping[str, int] = field(default_factory=lambda: dict(_PRE_ALLOCATION))
    release_after_s: float = 15.0

    @property
    def own_pool(self) -> str:
        """The pool the node itself takes addresses of: modes without pools have the one."""
        return self.default_pool if self.mode == "multi-pool" else "default"

    @property
    def versions(self) -> tuple[int, ...]:
        """IP versions in use, 4 first."""
        return tuple(v for v, on in ((4, self.ipv4), (6, self.ipv6)) if on)


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """How packets leave the node."""

    tunnel: TunnelSettings | None  # None: native routing.
    auto_direct_node_routes: bool
    skip_unreachable: bool
    native_v4: IPv4Network | None  # Inside, pods keep their address.
    native_v6: IPv6Network | None
    devices: tuple[str, ...]  # Patterns; empty: detect.
    detects_devices: bool  # Also beside the patterns.
    direct_routing_device: str
    mtu: int  # Bytes; 0: the smallest of the devices.
    metric: int = 0  # Of routes to other nodes; 0: the kernel's.


@dataclass(frozen=True, slots=True)
class MasqueradeSettings:
    """Which families get the node's address when they leave the cluster, and on which ports.

    The rest is of masquerading by the host's stack: `interfaces` are names of devices, or
    beginnings of names with a "*" behind; empty: all.
    """

    ipv4: bool
    ipv6: bool
    port_min: int
    port_max: int
    sctp: bool
    agent_file: str | None = None  # ip-masq-agent's file; None: it is off.
    by_stack: bool = False
    random_fully: bool = False
    to_route_source: bool = False
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Programs and maps."""

    bpf_root: str
    procfs: str  # A mount of procfs below which settings can be written.
    verify_source: bool
    connections_max: int
    accounting: bool  # Whether packets of connections are counted.
    lifetimes: Lifetimes


@dataclass(frozen=True, slots=True)
class CniSettings:
    """The file that tells the runtime that this node's pod network is ready."""

    conflist_path: str  # Empty: no file is managed.
    exclusive: bool
    log_file: str
    chaining_mode: str = "none"
    chaining_target: str = ""  # The network whose list ours is appended to; "*": the first.

    @property
    def stack_routed(self) -> bool:
        """Whether plugins beside ours keep rules in the host's stack that pods' packets need."""
        return self.chaining_mode != "none"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """All settings of the agent, parsed once."""

    cluster: ClusterSettings
    ipam: IPAMSettings
    routing: RoutingSettings
    masquerade: MasqueradeSettings
    kernel: KernelSettings
    cni: CniSettings
    services: ServiceSettings
    flows: FlowSettings
    label_filter: LabelFilter  # Which labels make an identity.
    health_port: int  # On loopback, for probes; 0: none.
    metrics_address: str  # HOST:PORT of plain HTTP; empty: the agent's socket alone.
    debug: bool
    effective: Mapping[str, str]  # Supported keys with the texts in force, for people.
    bgp: BGPSettings = field(default_factory=BGPSettings)
    l2: L2Settings = field(default_factory=L2Settings)

    @property
    def stack_routed(self) -> bool:
        """Whether pods' packets go through the host's stack: rules there must see them."""
        return self.cni.stack_routed or self.masquerade.by_stack

    @property
    def service_port_min(self) -> int:
        """The first port that node-port traffic to other nodes' endpoints leaves with.

        Where the host's stack masquerades, the upper quarter of the range is Services': neither
        knows of the ports that the other gives.
        """
        first, last = self.masquerade.port_min, self.masquerade.port_max
        if not (self.masquerade.by_stack and self.services.replaces_kube_proxy):
            return first
        return last - (last - first + 1) // 4 + 1

    @property
    def stack_ports(self) -> tuple[int, int]:
        """The ports that the host's stack gives where it masquerades, both inclusive."""
        first, last = self.masquerade.port_min, self.masquerade.port_max
        return first, last if self.service_port_min == first else self.service_port_min - 1


def parse_agent_settings(config: Mapping[str, str], *, memory_bytes: int = 0) -> AgentSettings:
    """Return the agent's settings out of the ConfigMap's data (flags already merged in).

    `memory_bytes` is what the node has; 0: it is not known, and what it sizes is as small as can be.

    Raises:
        SettingError: A value cannot be read, is not supported, or two do not go together.
    """
    texts = Texts(config)
    texts.check_bounds(_BOUNDS)
    settings = AgentSettings(
        cluster=ClusterSettings(texts.text("cluster-name"), texts.number("cluster-id")),
        ipam=_ipam(texts),
        routing=_routing(texts),
        masquerade=_masquerade(texts),
        kernel=KernelSettings(
            bpf_root=texts.text("bpf-root"),
            procfs=texts.text("procfs"),
            verify_source=texts.flag("enable-source-ip-verification"),
            connections_max=connections_max(
                nat_entries=texts.number("bpf-nat-global-max"),
                tracked=texts.number("bpf-ct-global-tcp-max"),
                by_memory=connections_by_memory(
                    read_share(texts.text("bpf-map-dynamic-size-ratio")), memory_bytes
                ),
            ),
            accounting=texts.flag("bpf-conntrack-accounting"),
            lifetimes=_lifetimes(texts),
        ),
        cni=CniSettings(
            conflist_path=(
                "" if texts.flag("custom-cni-conf") else texts.text("write-cni-conf-when-ready")
            ),
            exclusive=texts.flag("cni-exclusive"),
            log_file=texts.text("cni-log-file"),
            chaining_mode=texts.text("cni-chaining-mode"),
            chaining_target=texts.text("cni-chaining-target"),
        ),
        services=read_service_settings(texts),
        flows=read_flow_settings(texts),
        label_filter=_label_filter(texts),
        health_port=texts.number("agent-health-port"),
        metrics_address=texts.text("prometheus-serve-addr"),
        debug=texts.flag("debug"),
        effective=texts.effective,
        bgp=read_bgp_settings(texts.effective),
        l2=read_l2_settings(texts.effective),
    )
    _check_together(settings)
    return settings


def _ipam(texts: Texts) -> IPAMSettings:
    return IPAMSettings(
        mode=texts.text("ipam"),
        ipv4=texts.flag("enable-ipv4"),
        ipv6=texts.flag("enable-ipv6"),
        router_ipv4=texts.address("local-router-ipv4"),
        router_ipv6=texts.address("local-router-ipv6"),
        default_pool=texts.text("ipam-default-ip-pool"),
        pre_allocation=values.read_pool_counts(texts.text("ipam-multi-pool-pre-allocation"))
        or _PRE_ALLOCATION,
        release_after_s=values.read_duration_s(texts.text("ipam-cilium-node-update-rate")),
    )


def _routing(texts: Texts) -> RoutingSettings:
    return RoutingSettings(
        tunnel=read_tunnel_settings(texts),
        auto_direct_node_routes=texts.flag("auto-direct-node-routes"),
        skip_unreachable=texts.flag("direct-routing-skip-unreachable"),
        native_v4=cast("IPv4Network | None", texts.prefix("ipv4-native-routing-cidr")),
        native_v6=cast("IPv6Network | None", texts.prefix("ipv6-native-routing-cidr")),
        devices=values.read_devices(texts.text("devices")) if texts.text("devices") else (),
        detects_devices=texts.flag("force-device-detection"),
        direct_routing_device=texts.text("direct-routing-device"),
        mtu=texts.number("mtu"),
        metric=texts.number("route-metric"),
    )


def _masquerade(texts: Texts) -> MasqueradeSettings:
    node_ports = values.read_port_range(texts.text("node-port-range"))
    ipv4 = texts.flag("enable-ipv4") and texts.flag("enable-ipv4-masquerade")
    ipv6 = texts.flag("enable-ipv6") and texts.flag("enable-ipv6-masquerade")
    return MasqueradeSettings(
        ipv4=ipv4,
        ipv6=ipv6,
        port_min=node_ports[1] + 1,
        port_max=SNAT_PORT_MAX,
        agent_file=(
            texts.text("ip-masq-agent-config-path") if texts.flag("enable-ip-masq-agent") else None
        ),
        sctp=texts.flag("enable-sctp"),
        by_stack=(ipv4 or ipv6) and not texts.flag("enable-bpf-masquerade"),
        random_fully=texts.flag("iptables-random-fully"),
        to_route_source=texts.flag("enable-masquerade-to-route-source"),
        interfaces=_interfaces(texts.text("egress-masquerade-interfaces")),
    )


def _interfaces(text: str) -> tuple[str, ...]:
    """Return names of devices as nftables takes them: "eth+" is "eth*" there."""
    for word in values.read_words(text):
        if not _INTERFACE.fullmatch(word):
            raise SettingError(
                key="egress-masquerade-interfaces",
                value=word,
                problem="is no name of a device",
                remedy='write such as "eth0", or "eth+" for all that begin so',
            )
    return tuple(word.replace("+", "*") for word in values.read_words(text))


def _lifetimes(texts: Texts) -> Lifetimes:
    def seconds(name: str, default: int) -> int:
        text = texts.text(name)
        return int(values.read_duration_s(text)) if text else default

    standard = Lifetimes()
    return Lifetimes(
        tcp_s=seconds("bpf-ct-timeout-regular-tcp", standard.tcp_s),
        tcp_syn_s=seconds("bpf-ct-timeout-regular-tcp-syn", standard.tcp_syn_s),
        tcp_closed_s=seconds("bpf-ct-timeout-regular-tcp-fin", standard.tcp_closed_s),
        udp_s=seconds("bpf-ct-timeout-regular-any", standard.udp_s),
        any_s=seconds("bpf-ct-timeout-regular-any", standard.any_s),
    )


def _label_filter(texts: Texts) -> LabelFilter:
    text = texts.text("labels")
    try:
        return LabelFilter.parse(values.read_words(text))
    except re.error as error:
        raise SettingError(
            key="labels",
            value=text,
            problem=f"holds a word that is no regular expression ({error})",
            remedy='write words such as "k8s:app" or "k8s:!pod-index"',
        ) from error


#: What a number may be: IPv6 asks for 1280 octets (RFC 8200, 5), a veth carries 65520; maps below
#: or above these sizes are useless or do not fit the kernel.
_BOUNDS: Final = {
    "mtu": (1280, 65520),
    "route-metric": (1, 4294967295),
    "bpf-nat-global-max": (1024, 1 << 24),
    "bpf-ct-global-tcp-max": (1024, 1 << 24),
    "cluster-id": (1, 255),
    "agent-health-port": (1, 65535),
    "tunnel-port": (1, 65535),
}


def _check_together(settings: AgentSettings) -> None:
    routing, masquerade, effective = settings.routing, settings.masquerade, settings.effective
    if not settings.ipam.versions:
        raise SettingError(
            key="enable-ipv4",
            value=effective["enable-ipv4"],
            problem="leaves pods without any address family",
            remedy='set enable-ipv4 or enable-ipv6 to "true"',
        )
    if effective["enable-endpoint-routes"] != "true":
        raise SettingError(
            key="enable-endpoint-routes",
            value=effective["enable-endpoint-routes"],
            problem="asks for one route per node, which this version does not have",
            remedy='set it to "true": every pod has a route of its own',
        )
    if routing.skip_unreachable and not routing.auto_direct_node_routes:
        raise SettingError(
            key="direct-routing-skip-unreachable",
            value="true",
            problem="has no meaning without auto-direct-node-routes",
            remedy='set auto-direct-node-routes to "true" too',
        )
    for version, on, native in (
        (4, masquerade.ipv4, routing.native_v4),
        (6, masquerade.ipv6, routing.native_v6),
    ):
        if on and native is None and masquerade.agent_file is None and routing.tunnel is None:
            raise SettingError(
                key=f"ipv{version}-native-routing-cidr",
                value="",
                problem="must be configured in combination with"
                f" --enable-ipv{version}-masquerade=true"
                " --enable-ip-masq-agent=false --routing-mode=native"
                f" --ipam={settings.ipam.mode}",
                remedy="set it to the range in which pods are reached by their own addresses,"
                f' such as "{"10.244.0.0/16" if version == 4 else "fd00::/104"}"',
            )
    _check_plugins(settings)
    if masquerade.port_min > masquerade.port_max:
        raise SettingError(
            key="node-port-range",
            value=effective["node-port-range"],
            problem="leaves no port for masqueraded connections",
            remedy="end it below 65535, such as 30000,32767",
        )


def _check_plugins(settings: AgentSettings) -> None:
    """Check the settings that other CNI plugins need (docs/CILIUM.md, "CNI")."""
    ipam, cni = settings.ipam, settings.cni
    is_chained = cni.chaining_mode == "generic-veth"
    if ipam.mode == "delegated-plugin":
        for version, router in ((4, ipam.router_ipv4), (6, ipam.router_ipv6)):
            if version in ipam.versions and router is None:
                key = f"local-router-ipv{version}"
                raise SettingError(
                    key=key,
                    value="",
                    problem=f"--{key} must be provided when IPv{version} is enabled with"
                    " --ipam=delegated-plugin",
                    remedy="set it to an address that no pod is given: the plugin gives"
                    " addresses to pods, not to the node",
                )
        if cni.conflist_path and not is_chained:
            raise SettingError(
                key="custom-cni-conf",
                value="false",
                problem="lets the agent write a CNI configuration, which cannot know the IPAM"
                " plugin's settings",
                remedy='set it to "true", and put a conflist on every node whose ciliate-cni'
                ' entry has "ipam": {"type": ...}',
            )
    if is_chained and cni.conflist_path and not cni.chaining_target:
        raise SettingError(
            key="cni-chaining-target",
            value="",
            problem="does not say behind which network's plugins ours is put",
            remedy='name the network, or "*" for the first; or set custom-cni-conf to "true"'
            " and supply the conflist",
        )
