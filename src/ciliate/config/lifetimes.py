"""How long a connection is remembered after its last packet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds, by what is known of the connection (docs/DATAPATH.md, "Lifetimes")."""

    tcp_s: int = 8000  # RFC 5382 asks for 2 h 4 min at least.
    tcp_syn_s: int = 60  # Nobody has answered.
    tcp_closed_s: int = 10  # Both sides are done.
    udp_s: int = 120  # RFC 4787, REQ-5: not under two minutes.
    any_s: int = 60  # ICMP echo, and what has no ports.
