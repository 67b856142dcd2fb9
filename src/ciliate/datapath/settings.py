"""The programs' constants, set before they are loaded: those of bpf/config.h."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.config.datapath_defaults import MAP_ENTRIES, SNAT_PORT_MAX, SNAT_PORT_MIN
from ciliate.config.lifetimes import Lifetimes
from ciliate.net.address import IPNetwork, IPv4Network, IPv6Network, prefix_bits, to_octets

_ADDRESS_BITS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class DatapathSettings:
    """Settings of the four programs; a change means loading them again."""

    #: Destinations inside see the pod's own address; None: there is no such prefix.
    native_routing_v4: IPv4Network | None = None
    native_routing_v6: IPv6Network | None = None

    #: Whether pods get the node's address toward the world. Off: what tests of routing want.
    masquerade_v4: bool = False
    masquerade_v6: bool = False

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

    @property
    def capacities(self) -> Mapping[str, int]:
        """Entries of the maps whose size is a setting."""
        return {"connections": self.connections_max, "conntrack": 2 * self.connections_max}

    def constants(
        self, *, fib_flags: int, coarse_clock: bool = True, has_loop: bool = True
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
            "has_loop": _number(has_loop, size=1),
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
