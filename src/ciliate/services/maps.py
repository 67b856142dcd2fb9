"""The maps of services; bpf/maps.h states the rest about them."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U8, U32
from ciliate.datapath.layout import (
    Affinity,
    AffinityKey,
    AffinitySlotKey,
    Backend,
    Frontend,
    FrontendKey,
    MaglevChunk,
    MaglevKey,
    Service,
    ServiceSlotKey,
    SocketPeers,
    SourceRangeKey,
)

#: A Service's address and port -> its set of backends. Written by the agent.
FRONTENDS: Final = BpfMap("frontends", key=FrontendKey, value=Frontend)

#: Number of a set of backends -> how many, and how one is chosen. Written by the agent.
SERVICES: Final = BpfMap("services", key=U32, value=Service)

#: A place in a set -> the backend there. Written by the agent.
SERVICE_SLOTS: Final = BpfMap("service_slots", key=ServiceSlotKey, value=Backend)

#: A backend of a set with sessionAffinity -> its place. Written by the agent.
AFFINITY_SLOTS: Final = BpfMap("affinity_slots", key=AffinitySlotKey, value=U32)

#: A client and a set -> the backend it had last. Written by programs.
SERVICE_AFFINITIES: Final = BpfMap("service_affinities", key=AffinityKey, value=Affinity)

#: The same for clients outside the cluster.
OUTSIDE_AFFINITIES: Final = BpfMap("outside_affinities", key=AffinityKey, value=Affinity)

#: Sources that a set's LoadBalancer addresses answer, or do not. Written by the agent.
SOURCE_RANGES: Final = BpfMap("source_ranges", key=SourceRangeKey, value=U8)

#: A part of a set's Maglev table -> the slots there. Written by the agent.
MAGLEV_TABLES: Final = BpfMap("maglev_tables", key=MaglevKey, value=MaglevChunk)

#: Whom a socket asked for, and whom it got: in the socket, by its descriptor. Written by programs.
SOCKET_PEERS: Final = BpfMap("socket_peers", key=U32, value=SocketPeers)

#: Endpoint or OWNER_NODE -> 1 where its packets were translated. Written by programs.
SERVICE_ENDS: Final = BpfMap("service_ends", key=U32, value=U32)

#: 0 -> 1 where an address of a Service lies inside a native routing CIDR. Written by the agent.
SERVICE_IN_NATIVE: Final = BpfMap("service_in_native", key=U32, value=U32)
