"""The programs' constants, set before they are loaded: those of bpf/config.h."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.config.datapath_defaults import (
    MAGLEV_CELLS_DEFAULT,
    MAP_ENTRIES,
    NODE_PORT_MAX,
    NODE_PORT_MIN,
    SNAT_PORT_MAX,
    SNAT_PORT_MIN,
)
from ciliate.config.lifetimes import Lifetimes
from ciliate.net.address import (
    IPAddress,
    IPNetwork,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    prefix_bits,
    to_octets,
)

_ADDRESS_BITS: Final = 128

_LOOPBACK_V4: Final = IPv4Address("169.254.42.1")
_LOOPBACK_V6: Final = IPv6Address("64:ff9b:1::a9fe:2a01")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatapathSettings:
    """Settings of the four programs; a change means loading them again."""

    #: Destinations inside see the pod's own address; None: there is no such prefix.
    native_routing_v4: IPv4Network | None = None
    native_routing_v6: IPv6Network | None = None

    #: Whether pods get the node's address toward the world. Off: what tests of routing want.
    masquerade_v4: bool = False
    masquerade_v6: bool = False

    #: UDP port of the tunnel to other nodes, which listen there too; 0: packets go natively.
    tunnel_port: int = 0

    #: Whether a pod may send from its own addresses only (enable-source-ip-verification).
    verify_source: bool = True

    #: Ports for masqueraded flows, both inclusive: what lies above the NodePort range.
    snat_port_min: int = SNAT_PORT_MIN
    snat_port_max: int = SNAT_PORT_MAX

    #: Whether SCTP is masqueraded, its ports left as they are; else it is dropped (enable-sctp).
    sctp: bool = False

    #: Whether packets of connections are counted (bpf-conntrack-accounting).
    accounting: bool = False

    #: How many connections are tracked, and how long each lives.
    connections_max: int = MAP_ENTRIES["connections"]
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    #: Whether packets are translated for Services (kube-proxy-replacement).
    services_by_packet: bool = False

    #: Whether who finds no backend is told so (service-no-backend-response).
    refuses_without_backend: bool = True

    #: Who a pod is to itself behind a Service (ipv4-service-loopback-address and IPv6's).
    service_loopback_v4: IPAddress = _LOOPBACK_V4
    service_loopback_v6: IPAddress = _LOOPBACK_V6

    #: The first port for what goes on to a backend elsewhere, behind those of the host's stack.
    service_port_min: int = SNAT_PORT_MIN

    #: Node ports, both inclusive (node-port-range).
    node_port_min: int = NODE_PORT_MIN
    node_port_max: int = NODE_PORT_MAX

    #: Number of the node's own network namespace, by which its processes are told from pods'.
    node_netns_cookie: int = 0

    #: Whether pods' sockets are left alone (bpf-lb-sock-hostns-only).
    sockets_of_node_only: bool = False

    #: Whether other nodes' node ports are asked for there (remote-node-port-scope).
    remote_node_ports_outside: bool = False

    #: Whether pods get any external IP of a Service (disable-external-ip-mitigation).
    external_ips_for_all: bool = False

    #: Cells of a Maglev table (bpf-lb-maglev-table-size).
    maglev_cells: int = MAGLEV_CELLS_DEFAULT

    #: Entries of each map of services (bpf-lb-map-max and its kin), by its name.
    service_entries: Mapping[str, int] = field(default_factory=dict)

    @property
    def capacities(self) -> Mapping[str, int]:
        """Entries of the maps whose size is a setting."""
        return {
            "connections": self.connections_max,
            "conntrack": 2 * self.connections_max,
            **self.service_entries,
        }

    def constants(
        self,
        *,
        fib_flags: int,
        coarse_clock: bool = True,
        has_loop: bool = True,
        has_set_retval: bool = True,
    ) -> Mapping[str, bytes]:
        """Return the octets of each variable of bpf/config.h; the arguments are the kernel's part."""
        v4_address, v4_mask = _prefix(self.native_routing_v4)
        v6_address, v6_mask = _prefix(self.native_routing_v6)
        return {
            "native_routing_v4_address": v4_address,
            "native_routing_v4_mask": v4_mask,
            "native_routing_v6_address": v6_address,
            "native_routing_v6_mask": v6_mask,
            "masquerade_v4": _number(self.masquerade_v4, size=1),
            "masquerade_v6": _number(self.masquerade_v6, size=1),
            "encapsulates": _number(bool(self.tunnel_port), size=1),
            "tunnel_port": _number(self.tunnel_port, size=2),
            "verify_source": _number(self.verify_source, size=1),
            "snat_port_min": _number(self.snat_port_min, size=2),
            "snat_port_max": _number(self.snat_port_max, size=2),
            "accounting": _number(self.accounting, size=1),
            "sctp": _number(self.sctp, size=1),
            "connections_max": _number(self.connections_max, size=4),
            "lifetime_tcp": _number(self.lifetimes.tcp_s, size=4),
            "lifetime_tcp_syn": _number(self.lifetimes.tcp_syn_s, size=4),
            "lifetime_tcp_closed": _number(self.lifetimes.tcp_closed_s, size=4),
            "lifetime_udp": _number(self.lifetimes.udp_s, size=4),
            "lifetime_any": _number(self.lifetimes.any_s, size=4),
            "fib_flags": _number(fib_flags, size=4),
            "coarse_clock": _number(coarse_clock, size=1),
            "services_by_packet": _number(self.services_by_packet, size=1),
            "refuses_without_backend": _number(self.refuses_without_backend, size=1),
            "service_loopback_v4": to_octets(self.service_loopback_v4),
            "service_loopback_v6": to_octets(self.service_loopback_v6),
            "service_port_min": _number(self.service_port_min, size=2),
            "node_port_min": _number(self.node_port_min, size=2),
            "node_port_max": _number(self.node_port_max, size=2),
            "node_netns_cookie": _number(self.node_netns_cookie, size=8),
            "sockets_of_node_only": _number(self.sockets_of_node_only, size=1),
            "remote_node_ports_outside": _number(self.remote_node_ports_outside, size=1),
            "external_ips_for_all": _number(self.external_ips_for_all, size=1),
            "maglev_cells": _number(self.maglev_cells, size=4),
            "has_loop": _number(has_loop, size=1),
            "has_set_retval": _number(has_set_retval, size=1),
        }


def _number(value: int, *, size: int) -> bytes:
    return int(value).to_bytes(size, sys.byteorder)


def _prefix(network: IPNetwork | None) -> tuple[bytes, bytes]:
    """Return address and mask over 128 bits; a zero mask stands for no prefix."""
    if network is None:
        return bytes(16), bytes(16)
    host_bits = _ADDRESS_BITS - prefix_bits(network)
    mask = (1 << _ADDRESS_BITS) - (1 << host_bits)
    return to_octets(network.network_address), mask.to_bytes(16, "big")
