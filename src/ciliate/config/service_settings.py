"""The settings of Services as typed groups, out of the texts of `cilium-config`. Pure.

What one key turns on with another is decided here: a reader of these asks for what holds.
"""

import base64
import binascii
import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, cast

from ciliate.config import values
from ciliate.config.texts import Texts
from ciliate.errors import SettingError
from ciliate.net.address import IPNetwork

#: What a map of the kernel may hold, and an operator may want.
_ENTRIES: Final = (1, 1 << 24)
#: Parts, each of which has its own size, or that of `bpf-lb-map-max`.
_PARTS: Final = ("service", "service-backend", "affinity", "source-range", "maglev")

#: Of `bpf-lb-maglev-hash-seed`, before base64.
_SEED_BYTES: Final = 12


class Algorithm(enum.Enum):
    """How an endpoint is chosen for what comes from outside."""

    RANDOM = "random"
    MAGLEV = "maglev"


class NoBackendResponse(enum.Enum):
    """What a packet to a Service without endpoints meets."""

    REJECT = "reject"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Translation where a process connects, and what happens to sockets whose endpoint is gone."""

    enabled: bool
    host_only: bool  # Only processes of the node's own namespace; pods' packets one by one.
    ends_in_pods: bool  # Not only in the node's namespace.
    ends_tcp: bool  # Not only UDP.
    cgroup_root: str  # Empty: found in the mount table.


@dataclass(frozen=True, slots=True)
class NodePortSettings:
    """Ports at the node's own addresses."""

    enabled: bool
    first: int
    last: int  # Inclusive.
    remote_is_outside: bool  # Those of other nodes are asked for there, as from outside.
    addresses: tuple[IPNetwork, ...]  # Empty: one address of each device and family is chosen.
    reserves_range: bool  # Among the node's ephemeral ports; else an overlap is refused.
    protects_binds: bool
    answers_health_checks: bool  # At `healthCheckNodePort` of Services.


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """Which endpoint a flow gets."""

    algorithm: Algorithm
    maglev_table_size: int
    maglev_seed: bytes
    session_affinity: bool
    topology_annotation: bool  # `trafficDistribution` holds in either case.


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may use which address of a Service, and what an answer is when none can be given."""

    cluster_ips_from_outside: bool
    checks_source_ranges: bool
    checks_them_for_all_types: bool
    external_ips_for_pods: bool  # Also those that are no address of a node.
    no_backend: NoBackendResponse
    loopback_v4: IPv4Address
    loopback_v6: IPv6Address


@dataclass(frozen=True, slots=True)
class ServiceMapSizes:
    """Entries of the maps, by what they hold."""

    services: int  # Of the map of frontends, and of that of sets of endpoints.
    slots: int
    affinities: int
    source_ranges: int
    maglev_tables: int  # In sets of endpoints, each of which has a table.


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything about Services.

    `replaces_kube_proxy`: every type, at sockets and per packet. Without it `sockets.enabled` may
    hold alone: ClusterIPs are then translated where a process connects, and kube-proxy does the rest.
    """

    replaces_kube_proxy: bool
    sockets: SocketSettings
    node_ports: NodePortSettings
    selection: SelectionSettings
    access: AccessSettings
    map_sizes: ServiceMapSizes
    proxy_name: str  # The label of Services that are ours; empty: those without the label.
    healthz: tuple[str, int] | None  # Host ("" is any) and port; None: nowhere.


def read_service_settings(texts: Texts) -> ServiceSettings:
    """Return the settings of Services.

    Raises:
        SettingError: A value cannot be acted on.
    """
    texts.check_bounds({"bpf-lb-map-max": _ENTRIES}, zero_is_unset=False)
    texts.check_bounds({f"bpf-lb-{part}-map-max": _ENTRIES for part in _PARTS})
    replaces = texts.flag("kube-proxy-replacement")
    healthz = texts.text("kube-proxy-replacement-healthz-bind-address")
    return ServiceSettings(
        replaces_kube_proxy=replaces,
        sockets=SocketSettings(
            enabled=replaces or texts.flag("bpf-lb-sock"),
            host_only=texts.flag("bpf-lb-sock-hostns-only"),
            ends_in_pods=texts.flag("bpf-lb-sock-terminate-pod-connections"),
            ends_tcp=texts.flag("lb-sock-terminate-all-protos"),
            cgroup_root=texts.text("cgroup-root"),
        ),
        node_ports=_node_ports(texts, enabled=replaces),
        selection=SelectionSettings(
            algorithm=Algorithm(texts.text("bpf-lb-algorithm")),
            maglev_table_size=texts.number("bpf-lb-maglev-table-size"),
            maglev_seed=_seed(texts.text("bpf-lb-maglev-hash-seed")),
            session_affinity=replaces or texts.flag("enable-session-affinity"),
            topology_annotation=texts.flag("enable-service-topology"),
        ),
        access=AccessSettings(
            cluster_ips_from_outside=texts.flag("bpf-lb-external-clusterip"),
            checks_source_ranges=texts.flag("enable-svc-source-range-check"),
            checks_them_for_all_types=texts.flag("bpf-lb-source-range-all-types"),
            external_ips_for_pods=texts.flag("disable-external-ip-mitigation"),
            no_backend=NoBackendResponse(texts.text("service-no-backend-response")),
            loopback_v4=cast("IPv4Address", texts.address("ipv4-service-loopback-address")),
            loopback_v6=_loopback_v6(texts),
        ),
        map_sizes=_map_sizes(texts),
        proxy_name=texts.text("k8s-service-proxy-name"),
        healthz=values.read_listen_address(healthz) if healthz else None,
    )


def _node_ports(texts: Texts, *, enabled: bool) -> NodePortSettings:
    if texts.flag("enable-health-check-loadbalancer-ip"):
        raise SettingError(
            key="enable-health-check-loadbalancer-ip",
            value=texts.text("enable-health-check-loadbalancer-ip"),
            problem="is not supported by this version",
            remedy='set it to "false" and have load balancers ask at the node\'s address',
        )
    first, last = values.read_port_range(texts.text("node-port-range"))
    return NodePortSettings(
        enabled=enabled,
        first=first,
        last=last,
        remote_is_outside=texts.text("remote-node-port-scope") == "outside",
        addresses=values.read_cidrs(texts.text("nodeport-addresses")),
        reserves_range=texts.flag("enable-auto-protect-node-port-range"),
        protects_binds=enabled and texts.flag("node-port-bind-protection"),
        answers_health_checks=enabled and texts.flag("enable-health-check-nodeport"),
    )


def _loopback_v6(texts: Texts) -> IPv6Address:
    """Return whom a pod sees that reaches itself; what is link-local it could not answer."""
    address = cast("IPv6Address", texts.address("ipv6-service-loopback-address"))
    if address.is_link_local:
        raise SettingError(
            key="ipv6-service-loopback-address",
            value=str(address),
            problem="is link-local: a pod's stack asks its link for it, and gets no answer",
            remedy="remove the key, or give an address that no machine has",
        )
    return address


#: Clients that are known at once, unless the key says otherwise: the kernel has all entries of such
#: a map from the beginning, and most Services have no sessionAffinity.
_AFFINITIES_MAX: Final = 16384


def _map_sizes(texts: Texts) -> ServiceMapSizes:
    def size(part: str) -> int:
        return texts.number(f"bpf-lb-{part}-map-max") or texts.number("bpf-lb-map-max")

    return ServiceMapSizes(
        services=size("service"),
        # Cilium's map of Services holds the endpoints' slots too: who made it larger means these.
        slots=max(size("service"), size("service-backend")),
        affinities=texts.number("bpf-lb-affinity-map-max")
        or min(size("affinity"), _AFFINITIES_MAX),
        source_ranges=size("source-range"),
        maglev_tables=size("maglev"),
    )


def _seed(text: str) -> bytes:
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise SettingError(
            key="bpf-lb-maglev-hash-seed",
            value=text,
            problem=f"is no base64 of {_SEED_BYTES} octets",
            remedy="take the output of `head -c12 /dev/urandom | base64`, the same on all nodes",
        )
    return seed
