"""The maps of masquerading and its flows; bpf/maps.h states the rest about them."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32
from ciliate.datapath.layout import (
    Connection,
    FragmentKey,
    FragmentPorts,
    MasqueradeAddress,
    NatEntry,
    Tuple,
)

#: Ifindex of a node device -> the addresses pods get behind it. Written by the agent.
MASQUERADE_ADDRESSES: Final = BpfMap("masquerade_addresses", key=U32, value=MasqueradeAddress)

#: Connections opened from outside toward pods. Written by from_uplink, read by to_uplink.
CONNTRACK: Final = BpfMap("conntrack", key=Tuple, value=Connection)

#: Masqueraded flows, two entries each. Written by to_uplink, read by from_uplink.
NAT: Final = BpfMap("nat", key=Tuple, value=NatEntry)

#: Ports of datagrams in pieces. Written by the program that sees the first piece.
FRAGMENTS: Final = BpfMap("fragments", key=FragmentKey, value=FragmentPorts)
