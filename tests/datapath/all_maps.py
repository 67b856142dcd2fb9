"""Every map that Python names, whichever feature it is of."""

from typing import Any, Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.datapath import SERVICE_PROGRAMS
from ciliate.datapath.metrics import METRICS
from ciliate.datapath.ring import EVENTS
from ciliate.flows.maps import EVENT_BUDGET, EVENT_COUNTS, EVENT_SETTINGS, FLOW_TRACES
from ciliate.identity.maps import IPCACHE
from ciliate.l2_announcements.maps import L2_ALIVE, L2_RESPONDERS
from ciliate.masquerade.maps import (
    CONNECTION_OWNERS,
    CONNECTIONS,
    CONNTRACK,
    DECISIONS,
    FRAGMENTS,
    MASQUERADE_ADDRESSES,
    MASQUERADE_CHOICES,
    MASQUERADE_CLASSES,
    MASQUERADE_GENERATIONS,
    MASQUERADE_LOOKS,
    MASQUERADE_RULES,
    PORT_FAILURES,
    PORT_USERS,
)
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.routing.maps import ROUTE_MTUS
from ciliate.services.maps import (
    AFFINITY_SLOTS,
    FRONTENDS,
    MAGLEV_TABLES,
    OUTSIDE_AFFINITIES,
    SERVICE_AFFINITIES,
    SERVICE_ENDS,
    SERVICE_IN_NATIVE,
    SERVICE_SLOTS,
    SERVICES,
    SOCKET_PEERS,
    SOURCE_RANGES,
)
from ciliate.tunnel.maps import TUNNEL_DEVICES

ALL: Final[tuple[BpfMap[Any, Any], ...]] = (
    INTERFACES,
    ENDPOINTS,
    IPCACHE,
    ROUTE_MTUS,
    TUNNEL_DEVICES,
    L2_RESPONDERS,
    L2_ALIVE,
    MASQUERADE_ADDRESSES,
    MASQUERADE_RULES,
    MASQUERADE_CHOICES,
    MASQUERADE_CLASSES,
    MASQUERADE_LOOKS,
    MASQUERADE_GENERATIONS,
    CONNTRACK,
    CONNECTIONS,
    CONNECTION_OWNERS,
    DECISIONS,
    FRAGMENTS,
    PORT_FAILURES,
    PORT_USERS,
    METRICS,
    FRONTENDS,
    SERVICES,
    SERVICE_SLOTS,
    AFFINITY_SLOTS,
    SERVICE_AFFINITIES,
    OUTSIDE_AFFINITIES,
    SOURCE_RANGES,
    MAGLEV_TABLES,
    SOCKET_PEERS,
    SERVICE_ENDS,
    SERVICE_IN_NATIVE,
    SERVICE_PROGRAMS,
    EVENTS,
    EVENT_SETTINGS,
    EVENT_BUDGET,
    EVENT_COUNTS,
    FLOW_TRACES,
)
