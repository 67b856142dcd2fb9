"""Which fields of a flow a line of `hubble observe` is made of. Pure.

Hubble's own command (1.19) asks for less than it prints: by a server that keeps to that, it prints
that it does not know the point of a socket's call. Ours asks for all, and our server gives all to who
asks as Hubble's command does.
"""

from typing import Final

#: What Hubble's command asks for when nobody says which fields.
ASKED_BY_HUBBLE: Final = (
    *("time", "verdict", "ethernet", "IP", "l4"),
    *("source.identity", "source.namespace", "source.pod_name"),
    *("destination.identity", "destination.namespace", "destination.pod_name"),
    *("Type", "node_name", "l7", "event_type", "source_service", "destination_service"),
    *("is_reply", "Summary", "ip_trace_id"),
)

#: What lines and tables are made of: also a policy's verdict and its names, the point of a socket's call,
#: captures, and peers known by DNS.
PRINTED: Final = (
    *ASKED_BY_HUBBLE,
    *("auth_type", "source_names", "destination_names", "traffic_direction"),
    *("policy_match_type", "debug_capture_point", "sock_xlate_point"),
    *("egress_allowed_by", "ingress_allowed_by", "egress_denied_by", "ingress_denied_by"),
)
