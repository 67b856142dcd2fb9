"""Every map that Python names, whichever feature it is of."""

from typing import Any, Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.metrics import METRICS
from ciliate.identity.maps import IPCACHE
from ciliate.masquerade.maps import (
    CONNECTION_OWNERS,
    CONNECTIONS,
    CONNTRACK,
    FRAGMENTS,
    MASQUERADE_ADDRESSES,
    MASQUERADE_CHOICES,
    MASQUERADE_GENERATIONS,
    MASQUERADE_LOOKS,
    MASQUERADE_RULES,
)
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.routing.maps import ROUTE_MTUS

ALL: Final[tuple[BpfMap[Any, Any], ...]] = (
    INTERFACES,
    ENDPOINTS,
    IPCACHE,
    ROUTE_MTUS,
    MASQUERADE_ADDRESSES,
    MASQUERADE_RULES,
    MASQUERADE_CHOICES,
    MASQUERADE_LOOKS,
    MASQUERADE_GENERATIONS,
    CONNTRACK,
    CONNECTIONS,
    CONNECTION_OWNERS,
    FRAGMENTS,
    METRICS,
)
