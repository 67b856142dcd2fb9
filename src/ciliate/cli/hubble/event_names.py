"""Names of kinds of events: flags take them, lines show them. Numbers are Hubble's. Pure."""

from collections.abc import Mapping
from typing import Final

TYPE_DROP: Final = 1
TYPE_CAPTURE: Final = 3
TYPE_TRACE: Final = 4
TYPE_POLICY_VERDICT: Final = 5
TYPE_SOCKET: Final = 7
TYPE_AGENT: Final = 130

EVENT_TYPES: Final[Mapping[str, int]] = {
    "drop": TYPE_DROP,
    "debug": 2,
    "capture": TYPE_CAPTURE,
    "trace": TYPE_TRACE,
    "policy-verdict": TYPE_POLICY_VERDICT,
    "trace-sock": TYPE_SOCKET,
    "l7": 129,
    "agent": TYPE_AGENT,
}

#: Where a packet was seen, by the datapath's numbers.
TRACE_POINTS: Final = (
    "to-endpoint",
    "to-proxy",
    "to-host",
    "to-stack",
    "to-overlay",
    "from-endpoint",
    "from-proxy",
    "from-host",
    "from-stack",
    "from-overlay",
    "from-network",
    "to-network",
    "from-crypto",
    "to-crypto",
)

#: What an agent tells of itself, by the numbers of its own channel.
AGENT_EVENTS: Final[Mapping[str, int]] = {
    "message": 1,
    "agent-started": 2,
    "endpoint-regenerate-success": 3,
    "endpoint-regenerate-failure": 4,
    "policy-updated": 5,
    "policy-deleted": 6,
    "endpoint-created": 7,
    "endpoint-deleted": 8,
    "ipcache-upserted": 9,
    "ipcache-deleted": 10,
    "service-upserted": 11,
    "service-deleted": 12,
}

#: Type of event -> names of its sub-types; of other types sub-types are numbers alone.
SUB_TYPES: Final[Mapping[int, Mapping[str, int]]] = {
    TYPE_TRACE: {name: number for number, name in enumerate(TRACE_POINTS)},
    TYPE_AGENT: AGENT_EVENTS,
}

#: By `SocketTranslationPoint`; 0 is unknown.
SOCKET_POINTS: Final[Mapping[int, str]] = {
    1: "pre-xlate-fwd",
    2: "post-xlate-fwd",
    3: "pre-xlate-rev",
    4: "post-xlate-rev",
}

#: How exact the entry was that decided, by `Flow.policy_match_type`.
POLICY_MATCHES: Final = (
    "none",
    "L3-Only",
    "L3-L4",
    "L4-Only",
    "all",
    "L3-Proto",
    "Proto-Only",
)

#: Reserved identities by number; those that lines show by name.
IDENTITIES: Final = (
    "unknown",
    "host",
    "world",
    "unmanaged",
    "health",
    "init",
    "remote-node",
    "kube-apiserver",
    "ingress",
    "world-ipv4",
    "world-ipv6",
)

#: What `--identity` takes by name: not "unknown", which no packet is filtered by.
IDENTITY_NAMES: Final[Mapping[str, int]] = {
    **{name: number for number, name in enumerate(IDENTITIES) if number},
    "overlay-to-encrypt": 11,
}
