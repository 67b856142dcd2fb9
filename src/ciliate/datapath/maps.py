"""The maps of the datapath by name; bpf/maps.h states everything else about them."""

from typing import Any, Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import IP_ADDRESS, U32
from ciliate.datapath.layout import (
    Connection,
    Endpoint,
    FragmentKey,
    FragmentPorts,
    Interface,
    IpcacheEntry,
    IpcacheKey,
    MasqueradeAddress,
    Metric,
    NatEntry,
    Tuple,
)

#: Ifindex of a pod's host side -> its endpoint. Written by the agent; from_pod, to_pod read it.
INTERFACES: Final = BpfMap("interfaces", key=U32, value=Interface)

#: Address -> local endpoint or the host itself. Written by the agent, read by all programs.
ENDPOINTS: Final = BpfMap("endpoints", key=IP_ADDRESS, value=Endpoint)

#: Prefix -> identity and node, cluster-wide. Written by the agent.
IPCACHE: Final = BpfMap("ipcache", key=IpcacheKey, value=IpcacheEntry)

#: Ifindex of a node device -> what pods look like behind it. Written by the agent.
MASQUERADE_ADDRESSES: Final = BpfMap("masquerade_addresses", key=U32, value=MasqueradeAddress)

#: Connections opened from outside toward pods. Written by from_uplink, read by to_uplink.
CONNTRACK: Final = BpfMap("conntrack", key=Tuple, value=Connection)

#: Masqueraded flows, two entries each. Written by to_uplink, read by from_uplink.
NAT: Final = BpfMap("nat", key=Tuple, value=NatEntry)

#: Ports of datagrams in pieces. Written by whoever sees the first piece.
FRAGMENTS: Final = BpfMap("fragments", key=FragmentKey, value=FragmentPorts)

#: Packets and bytes by reason and attach point; read through `ciliate.datapath.metrics`.
METRICS: Final = BpfMap("metrics", key=U32, value=Metric)

ALL: Final[tuple[BpfMap[Any, Any], ...]] = (
    INTERFACES,
    ENDPOINTS,
    IPCACHE,
    MASQUERADE_ADDRESSES,
    CONNTRACK,
    NAT,
    FRAGMENTS,
    METRICS,
)
