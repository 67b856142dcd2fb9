"""Which fields of a flow a server is asked for. Pure.

Lines need a part of a flow, JSON the whole. Cilium's own list for lines leaves fields out that it
prints, and a server that keeps to it gets `policy-verdict:none` printed; ours names them all.
"""

from typing import Final

#: Of a policy's verdict and its names, of sockets, captures, and peers known by DNS.
_ALSO_PRINTED: Final = (
    "auth_type",
    "source_names",
    "destination_names",
    "traffic_direction",
    "policy_match_type",
    "debug_capture_point",
    "sock_xlate_point",
    "egress_allowed_by",
    "ingress_allowed_by",
    "egress_denied_by",
    "ingress_denied_by",
)

#: What lines and tables are made of.
PRINTED: Final = (
    "time",
    "verdict",
    "ethernet",
    "IP",
    "l4",
    "source.identity",
    "source.namespace",
    "source.pod_name",
    "destination.identity",
    "destination.namespace",
    "destination.pod_name",
    "Type",
    "node_name",
    "l7",
    "event_type",
    "source_service",
    "destination_service",
    "is_reply",
    "Summary",
    "ip_trace_id",
    *_ALSO_PRINTED,
)
