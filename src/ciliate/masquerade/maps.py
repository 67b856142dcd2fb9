"""The maps of masquerading and its connections; bpf/maps.h states the rest about them."""

from typing import Final

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import U32
from ciliate.datapath.layout import (
    Connection,
    ConnectionOwner,
    ConnectionRef,
    Decision,
    FragmentKey,
    FragmentPorts,
    MasqueradeAddress,
    MasqueradeChoice,
    MasqueradeGeneration,
    MasqueradeLook,
    MasqueradeRule,
    MasqueradeRuleKey,
    PortFailure,
    PortUser,
    Tuple,
)

#: Ifindex of a node device -> the addresses pods get behind it. Written by the agent.
MASQUERADE_ADDRESSES: Final = BpfMap("masquerade_addresses", key=U32, value=MasqueradeAddress)

#: Prefix -> what the masquerade rules say, of two generations. Written by the agent.
MASQUERADE_RULES: Final = BpfMap("masquerade_rules", key=MasqueradeRuleKey, value=MasqueradeRule)

#: Endpoint and generation -> the class of a pod that policies select. Written by the agent.
MASQUERADE_CLASSES: Final = BpfMap("masquerade_classes", key=U32, value=U32)

#: Family, generation and number -> a look of the search for the longest prefix. Written by the agent.
MASQUERADE_LOOKS: Final = BpfMap("masquerade_looks", key=U32, value=MasqueradeLook)

#: Rules that are for some packets into a prefix. Written by the agent.
MASQUERADE_CHOICES: Final = BpfMap("masquerade_choices", key=U32, value=MasqueradeChoice)

#: 0 -> the generation of masquerade rules in force. Written by the agent.
MASQUERADE_GENERATIONS: Final = BpfMap(
    "masquerade_generations", key=U32, value=MasqueradeGeneration
)

#: Tuple of a connection in one direction -> its element of `connections`. Written by programs.
CONNTRACK: Final = BpfMap("conntrack", key=Tuple, value=ConnectionRef)

#: Connections that are masqueraded or opened from outside. Written by programs.
CONNECTIONS: Final = BpfMap("connections", key=U32, value=Connection)

#: Owner (an endpoint's number, or OWNER_…) -> what it has of `connections`. Written by programs.
CONNECTION_OWNERS: Final = BpfMap("connection_owners", key=U32, value=ConnectionOwner)

#: Who holds how many ports toward which remote. Written by the program `tally`, emptied by the agent.
PORT_USERS: Final = BpfMap("port_users", key=PortUser, value=U32)

#: Direction IN without the node's port -> searches for one that failed. Written by programs.
PORT_FAILURES: Final = BpfMap("port_failures", key=Tuple, value=PortFailure)

#: Ports of datagrams in pieces. Written by the program that sees the first piece.
FRAGMENTS: Final = BpfMap("fragments", key=FragmentKey, value=FragmentPorts)

#: 0 -> what a program that was loaded to tell what it would do said of the last packet.
DECISIONS: Final = BpfMap("decisions", key=U32, value=Decision)
