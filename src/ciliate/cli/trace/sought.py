"""Whose packets are looked for: a pod, and everything that its destination may be called. Pure.

A destination has many faces: a Service's address, those of its backends, which a socket's call or the
datapath puts in their place, and in an answer the Service's again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ciliate.flows.pb.flow import flow_pb2

#: An address and a port; 0 is any.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """The pod that sends, and to whom."""

    #: "namespace/name".
    pod: str
    node: str
    addresses: frozenset[str]
    #: The host's end of the pod's interface; empty: not known.
    device: str = ""
    #: DEST in words.
    destination: str
    peers: frozenset[Place]
    #: What a Service's places are called: "Service default/webpod".
    names: Mapping[Place, str] = field(default_factory=dict)
    #: On which node a pod's address is.
    nodes: Mapping[str, str] = field(default_factory=dict)
    #: "tcp", "udp", "sctp", "icmp"; empty: any.
    protocol: str = ""

    @property
    def is_service(self) -> bool:
        """Whether DEST is a Service."""
        return bool(self.names)

    def is_peer(self, address: str, port: int) -> bool:
        """Whether the destination has this place."""
        return (address, port) in self.peers or (address, 0) in self.peers

    def name_of(self, address: str, port: int) -> str:
        """Return the name of a Service's place; empty: it is none."""
        return self.names.get((address, port)) or self.names.get((address, 0), "")


def flow_filters(sought: Sought) -> Sequence[flow_pb2.FlowFilter]:
    """Return which flows to ask for: the pod's, and all drops.

    A dropped packet may have another source than its pod's. An answer to a masqueraded packet has the
    node's address at first, so what comes from outside is asked for by its source.
    """
    addresses = sorted(sought.addresses)
    outside = sorted(
        {address for address, port in sought.peers if not sought.name_of(address, port)}
        - sought.nodes.keys()
    )
    answers = (flow_pb2.FlowFilter(source_ip=outside),) if outside else ()
    return (
        flow_pb2.FlowFilter(source_ip=addresses),
        flow_pb2.FlowFilter(destination_ip=addresses),
        flow_pb2.FlowFilter(source_pod=[sought.pod]),
        flow_pb2.FlowFilter(destination_pod=[sought.pod]),
        flow_pb2.FlowFilter(event_type=[flow_pb2.EventTypeFilter(type=1)]),
        *answers,
    )
