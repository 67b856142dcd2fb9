"""The map of routing; bpf/maps.h states the rest about it."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32
from ciliate.datapath.layout import PrefixKey

#: Destination of a route with an MTU of its own -> that MTU. Written by the agent.
ROUTE_MTUS: Final = BpfMap("route_mtus", key=PrefixKey, value=U32)
