"""The kube-proxy replacement in `dbg status`: what the agent answers, and how it is printed. Pure.

Cilium keeps the node devices here too: node ports are served at them.
"""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import field

from ciliate.api.agent import AgentModel
from ciliate.api.agent_status import FeatureSwitch
from ciliate.api.service_annotations import SUPPORTED
from ciliate.config.service_settings import Algorithm, ServiceSettings


class DeviceModel(AgentModel, frozen=True, kw_only=True):
    """A node device that runs our programs, with its addresses."""

    name: str
    ip: tuple[str, ...] = ()


class NodePortModel(AgentModel, frozen=True, kw_only=True, rename="camel"):
    """Ports at the node's own addresses, and how one of the endpoints is chosen."""

    enabled: bool = False
    mode: str = ""  # "SNAT".
    algorithm: str = ""  # "Random", "Maglev".
    lut_size: int = 0  # Of a Maglev table.
    acceleration: str = ""  # "Disabled".
    port_min: int = 0
    port_max: int = 0


class SocketProtocols(AgentModel, frozen=True, kw_only=True):
    """Whether Services are reached from processes of the node, and by which protocols."""

    enabled: bool = False
    protocols: tuple[str, ...] = ()


class Nat46X64(AgentModel, frozen=True, kw_only=True):
    """Translation between the families: there is none."""

    enabled: bool = False
    gateway: FeatureSwitch = FeatureSwitch()
    service: FeatureSwitch = FeatureSwitch()


class ReplacementFeatures(AgentModel, frozen=True, kw_only=True, rename="camel"):
    """What is served, and how."""

    node_port: NodePortModel = NodePortModel()
    host_port: FeatureSwitch = FeatureSwitch()
    external_ips: FeatureSwitch = field(default_factory=FeatureSwitch, name="externalIPs")
    host_reachable_services: SocketProtocols = SocketProtocols()
    socket_lb: FeatureSwitch = field(default_factory=FeatureSwitch, name="socketLB")
    socket_lb_tracing: FeatureSwitch = field(default_factory=FeatureSwitch, name="socketLBTracing")
    hostns_only: bool = field(default=False, name="bpfSocketLBHostnsOnly")
    session_affinity: FeatureSwitch = FeatureSwitch()
    graceful_termination: FeatureSwitch = FeatureSwitch()
    nat46_x64: Nat46X64 = field(default_factory=Nat46X64, name="nat46X64")
    annotations: tuple[str, ...] = ()


class KubeProxyReplacement(AgentModel, frozen=True, kw_only=True):
    """The kube-proxy replacement, and with it the node devices (Cilium keeps them here)."""

    mode: Literal["True", "False"]
    devices: tuple[str, ...] = ()
    device_list: tuple[DeviceModel, ...] = field(default=(), name="deviceList")
    direct_routing_device: str = field(default="", name="directRoutingDevice")
    features: ReplacementFeatures | None = None
    #: "NAME: why", of each device that our programs cannot read. Cilium has no such field.
    unsupported_devices: tuple[str, ...] = field(default=(), name="unsupportedDevices")
    #: Why kube-proxy is not replaced though the settings ask for it. Cilium has no such field.
    problem: str = ""


_ALGORITHMS: Final = {Algorithm.RANDOM: "Random", Algorithm.MAGLEV: "Maglev"}
_ON: Final = FeatureSwitch(enabled=True)


def features_of(settings: ServiceSettings) -> ReplacementFeatures:
    """Return what the settings ask for."""
    replaces = FeatureSwitch(enabled=settings.replaces_kube_proxy)
    sockets, ports = settings.sockets, settings.node_ports
    node_port = NodePortModel()
    if ports.enabled:
        selection = settings.selection
        is_maglev = selection.algorithm is Algorithm.MAGLEV
        node_port = NodePortModel(
            enabled=True,
            mode="SNAT",
            algorithm=_ALGORITHMS[selection.algorithm],
            lut_size=selection.maglev_table_size if is_maglev else 0,
            acceleration="Disabled",
            port_min=ports.first,
            port_max=ports.last,
        )
    return ReplacementFeatures(
        node_port=node_port,
        host_port=replaces,
        external_ips=replaces,
        host_reachable_services=SocketProtocols(
            enabled=sockets.enabled, protocols=("TCP", "UDP") if sockets.enabled else ()
        ),
        socket_lb=FeatureSwitch(enabled=sockets.enabled),
        hostns_only=sockets.host_only,
        session_affinity=FeatureSwitch(enabled=settings.selection.session_affinity),
        graceful_termination=_ON,
        annotations=tuple(sorted(SUPPORTED)),
    )


def lines(replacement: KubeProxyReplacement) -> Iterator[str]:
    """Yield the line."""
    if replacement.mode == "False" or not replacement.device_list:
        yield f"KubeProxyReplacement:\t{replacement.mode}\t{replacement.problem}"
        return
    # Cilium sets four blanks behind the first device's name and three behind the others'.
    devices = ", ".join(
        f"{device.name}{'   ' if place else '    '}{_place(device, replacement)}"
        for place, device in enumerate(replacement.device_list)
    )
    yield f"KubeProxyReplacement:\t{replacement.mode}\t[{devices}]"


def detail_lines(replacement: KubeProxyReplacement) -> Iterator[str]:
    """Yield what `--verbose` adds, in Cilium's order; what is ours stands below its kin."""
    features = replacement.features or ReplacementFeatures()
    yield "KubeProxyReplacement Details:"
    yield f"  Status:\t{replacement.mode}"
    if replacement.problem:
        yield f"  Problem:\t{replacement.problem}"
    yield f"  Socket LB:\t{_on(features.socket_lb)}"
    yield f"  Socket LB Tracing:\t{_on(features.socket_lb_tracing)}"
    yield f"  Socket LB Coverage:\t{'Hostns-only' if features.hostns_only else 'Full'}"
    if replacement.device_list:
        named = (f"{each.name} {_place(each, replacement)}" for each in replacement.device_list)
        yield f"  Devices:\t{', '.join(named)}"
    for device in replacement.unsupported_devices:
        yield f"  Unsupported Device:\t{device}"
    yield from _choice_lines(features)
    yield from _type_lines(features)


def _choice_lines(features: ReplacementFeatures) -> Iterator[str]:
    """Yield how one of the endpoints is chosen."""
    port = features.node_port
    if port.enabled:
        table = f" (Table Size: {port.lut_size})" if port.lut_size else ""
        yield f"  Mode:\t{port.mode}"
        yield f"  Backend Selection:\t{port.algorithm}{table}"
    yield f"  Session Affinity:\t{_on(features.session_affinity)}"
    yield f"  NAT46/64 Support:\t{_on(features.nat46_x64)}"
    if port.enabled:
        yield f"  XDP Acceleration:\t{port.acceleration}"


def _type_lines(features: ReplacementFeatures) -> Iterator[str]:
    """Yield which types of Services are served; Cilium has a blank at some lines' ends."""
    port = features.node_port
    range_ = f" (Range: {port.port_min}-{port.port_max}) " if port.enabled else ""
    tail = " " if port.enabled else ""
    yield "  Services:"
    yield f"  - ClusterIP:\t{_on(features.socket_lb)}"
    yield f"  - NodePort:\t{_on(port)}{range_}"
    yield f"  - LoadBalancer:\t{_on(port)}{tail}"
    yield f"  - externalIPs:\t{_on(features.external_ips)}{tail}"
    yield f"  - HostPort:\t{_on(features.host_port)}"
    yield "  Annotations:"
    yield from (f"  - {each}" for each in features.annotations)
    if not features.annotations:
        yield "  (n/a)"


def _place(device: DeviceModel, replacement: KubeProxyReplacement) -> str:
    routes = device.name == replacement.direct_routing_device
    return " ".join(device.ip) + (" (Direct Routing)" if routes else "")


def _on(switch: FeatureSwitch | NodePortModel | Nat46X64) -> str:
    return "Enabled" if switch.enabled else "Disabled"
