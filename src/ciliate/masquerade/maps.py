"""The maps of masquerading and its connections; bpf/maps.h states the rest about them."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32
from ciliate.datapath.layout import (
    Connection,
    ConnectionOwner,
    ConnectionRef,
    FragmentKey,
    FragmentPorts,
    MasqueradeAddress,
    Tuple,
)

#: Ifindex of a node device -> the addresses pods get behind it. Written by the agent.
MASQUERADE_ADDRESSES: Final = BpfMap("masquerade_addresses", key=U32, value=MasqueradeAddress)

#: Tuple of a connection in one direction -> its element of `connections`. Written by programs.
CONNTRACK: Final = BpfMap("conntrack", key=Tuple, value=ConnectionRef)

#: Connections that are masqueraded or opened from outside. Written by programs.
CONNECTIONS: Final = BpfMap("connections", key=U32, value=Connection)

#: Owner (an endpoint's number, or OWNER_…) -> what it has of `connections`. Written by programs.
CONNECTION_OWNERS: Final = BpfMap("connection_owners", key=U32, value=ConnectionOwner)

#: Ports of datagrams in pieces. Written by the program that sees the first piece.
FRAGMENTS: Final = BpfMap("fragments", key=FragmentKey, value=FragmentPorts)
