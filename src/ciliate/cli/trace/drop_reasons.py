"""Why our datapath drops: the cause in plain words, what is behind it, what would change it. Pure.

Read out of `bpf/`. Where one reason has several causes, the file that dropped tells them apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.cli.hubble.drop_texts import drop_text
from ciliate.cli.trace.event import Drop
from ciliate.datapath.layout import DropReason


@dataclass(frozen=True, slots=True)
class DropCause:
    """Words for one drop; `pod`, `destination` and `service` stand in them in braces."""

    why: str
    behind: str
    remedy: str


_BROKEN: Final = DropCause(
    "its headers are cut off, or contradict themselves",
    "nothing that could be set: the packet itself",
    "whoever made it has to make it whole: `tcpdump -vv` in the pod shows its headers",
)
_REWRITE: Final = DropCause(
    "an address or a checksum in it could not be rewritten: it is shorter than its headers say",
    "the translation that it needed; the packet itself",
    "`tcpdump -vv` in the pod shows its headers; whole packets that meet this are an error of ours",
)
_STALE: Final = DropCause(
    "it is for a pod that is no longer there, or that has another address by now",
    "the map `endpoints` (`cilium-dbg bpf endpoint list`), and routes or connections that outlive it",
    "ask for the pod's present address, or for a Service: `kubectl get pods -o wide` has addresses",
)
_NO_BACKEND: Final = DropCause(
    "the Service has no endpoint that may be chosen, or no such port",
    "the Service, its EndpointSlices, and its traffic policies; `service-no-backend-response` says"
    " whether the sender is told (reject) or not (drop)",
    "make a pod of its selector ready: `ciliate explain service {service} --from {pod}` says of"
    " each endpoint why it is not chosen",
)
_NO_ROOM: Final = DropCause(
    "there is no room for another connection, or its ports are another connection's",
    "the table `connections`, sized by `bpf-map-dynamic-size-ratio`, or `bpf-nat-global-max` and"
    " `bpf-ct-global-tcp-max`",
    "`ciliate masquerade ports` says who holds how many; give the table more room, or connections"
    " shorter times",
)
_TAIL_CALL: Final = DropCause(
    "the program that serves Services was not there for a moment",
    "the map `service_programs`, which the agent fills",
    "try again; where it stays, `cilium-dbg status` of that node says what its agent waits for",
)
_NO_WAY: Final = DropCause(
    "the node knows no way on to {destination}",
    "the node's route table: `ip route get {destination}` there",
    "give the node a route; a packet that was too long was answered with the size that fits",
)

_CAUSES: Final[Mapping[DropReason, DropCause]] = {
    DropReason.DROP_INVALID_DESTINATION_MAC: DropCause(
        "it came in a frame for a group (broadcast or multicast), and pods get none of those",
        "the machine before the node, whose neighbour entry for it is wrong",
        "look at `ip neigh` of that machine; a switch that floods frames does it too",
    ),
    DropReason.DROP_INVALID_SOURCE_IP: DropCause(
        "its source is an address that its sender cannot have",
        "at a pod `enable-source-ip-verification`; at a device that the source is an address of this"
        " node, of a pod here, or nobody's",
        "send from the pod's own address; `enable-source-ip-verification: false` lets all pods of all"
        " nodes send from any",
    ),
    DropReason.DROP_INVALID_PACKET: _BROKEN,
    DropReason.DROP_UNSUPPORTED_L3_PROTOCOL: DropCause(
        "it is neither IPv4 nor IPv6",
        "the pod network, which carries IP alone",
        "let what sends it speak IP, or give the pod a second interface by another plugin",
    ),
    DropReason.DROP_MISSED_TAIL_CALL: _TAIL_CALL,
    DropReason.DROP_WRITE_ERROR: _REWRITE,
    DropReason.DROP_UNKNOWN_L3_TARGET: _NO_WAY,
    DropReason.DROP_STALE_OR_UNROUTABLE_IP: _STALE,
    DropReason.DROP_L3_CHECKSUM: _REWRITE,
    DropReason.DROP_L4_CHECKSUM: _REWRITE,
    DropReason.DROP_CONNECTION_NOT_MADE: _NO_ROOM,
    DropReason.DROP_INVALID_IPV6_EXTENSION: DropCause(
        "it has more than six IPv6 extension headers, or one that is cut off",
        "a bound of the programs (docs/LIMITS.md), and the packet itself",
        "send it with fewer",
    ),
    DropReason.DROP_NO_BACKEND: _NO_BACKEND,
    DropReason.DROP_NO_TUNNEL_KEY: DropCause(
        "it came out of the tunnel's device without the headers it travelled in",
        "the device, which has to tell them: `ip -d link show` says `external`",
        "where it stays, delete the device: the agent makes it anew",
    ),
    DropReason.DROP_NO_TUNNEL_ENDPOINT: DropCause(
        "it is not known at which node the tunnel to {destination} ends, or there is no tunnel now",
        "the map `ipcache` (`cilium-dbg bpf ipcache list`), and the tunnel's device",
        "`cilium-dbg status` of that node says how both are; a pod that is new is known in a moment",
    ),
    DropReason.DROP_ENCAPSULATION_PROHIBITED: DropCause(
        "it is to a node, at the port where nodes take each other's packets out of the tunnel",
        "`tunnel-port`: by it a pod could say that any other had sent it",
        "use another port there, or set `tunnel-port` to another one on all nodes",
    ),
    DropReason.DROP_INVALID_IDENTITY: DropCause(
        "the node that sent it through the tunnel says that the receiver's own host sent it, or nobody",
        "the number in its header (VNI), which is the sender's identity",
        "look at who sends there by `tcpdump -ni DEVICE udp port 8472`: it is none of our agents",
    ),
    DropReason.DROP_UNKNOWN_SENDER: DropCause(
        "it came in the tunnel from an address that is no other node's",
        "the addresses of CiliumNodes: `kubectl get ciliumnode -o yaml`",
        "a node that is new is known in a moment; else let the network between the nodes carry UDP"
        " to `tunnel-port` from nodes alone",
    ),
    DropReason.DROP_UNKNOWN_ENDPOINT: DropCause(
        "the agent of the node does not know the pod's interface (yet, or any more)",
        "the map `interfaces`, which is filled at CNI ADD and emptied at DEL",
        "`cilium-dbg endpoint list` on the node has the pods that are known; a pod that is not"
        " among them has to be made anew",
    ),
    DropReason.DROP_UNSUPPORTED_L2_PROTOCOL: DropCause(
        "it is an ARP message that is no question for another's address",
        "the pod's link, where the programs answer for all neighbours",
        "none is needed: announcements and probes of a pod's own address reach nobody here",
    ),
    DropReason.DROP_NAT_NO_MAPPING: DropCause(
        "no port is free with which it could be masqueraded toward {destination}",
        "the ports of the node's address toward this one destination and port (`node-port-range`"
        " ends where they begin), and the connections that hold them",
        "`ciliate masquerade ports` says who holds how many; connections that end give theirs back",
    ),
    DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL: DropCause(
        "it would have to be masqueraded, and has no ports by which an answer could be told apart",
        "the masquerading of {pod}; TCP, UDP and echo are translated, and SCTP with `enable-sctp`",
        "keep the pod's address toward there: a MasqueradePolicy, or ip-masq-agent's list; `ciliate"
        " explain masquerade {pod} {destination}` says which rule decides",
    ),
    DropReason.DROP_CLUSTER_IP_FROM_OUTSIDE: DropCause(
        "it asks for a ClusterIP from outside the cluster",
        "the Service's type, and `bpf-lb-external-clusterip`",
        "ask a NodePort or a load balancer's address of it, or set `bpf-lb-external-clusterip: true`",
    ),
    DropReason.DROP_FRAGMENT_NOT_FOUND: DropCause(
        "it is a later piece of a datagram whose first piece, with the ports, was not seen before it",
        "the map `fragments` (`cilium-dbg bpf frag list`), which holds 8,192 datagrams",
        "send datagrams that fit the MTU: `ip link` in the pod has it",
    ),
    DropReason.DROP_FORBIDDEN_ICMPV6: DropCause(
        "it is neighbour or router discovery, and a pod's neighbours are fixed",
        "the pod's link: its gateway has a permanent entry, so a pod has nobody to ask",
        "none is needed; what sends it in the pod expects a network with neighbours",
    ),
    DropReason.DROP_NOT_IN_SOURCE_RANGE: DropCause(
        "its client is in none of the ranges that may use the Service from outside",
        "`loadBalancerSourceRanges` of the Service, and `enable-svc-source-range-check`",
        "add the client's range to the Service",
    ),
    DropReason.DROP_VLAN_NOT_ALLOWED: DropCause(
        "the pod sent a frame with a VLAN tag, which would leave with it into a network of the node's",
        "the pod's link, which has no VLANs",
        "let the pod send without a tag, or give it a second interface by another plugin",
    ),
}

#: The same reason, dropped elsewhere.
_CAUSES_BY_FILE: Final[Mapping[tuple[DropReason, str], DropCause]] = {
    (DropReason.DROP_INVALID_SOURCE_IP, "from_pod.bpf.c"): DropCause(
        "the pod sent it from an address that is not its own",
        "`enable-source-ip-verification` (true as it comes)",
        "send from the pod's own address; `enable-source-ip-verification: false` lets all pods of all"
        " nodes send from any",
    ),
    (DropReason.DROP_UNKNOWN_L3_TARGET, "from_pod.bpf.c"): DropCause(
        "{destination} is a group (multicast or broadcast), or an address that no wire has",
        "the pod network, which has no groups",
        "ask for one machine, or give the pod a second interface by another plugin",
    ),
    (DropReason.DROP_UNKNOWN_L3_TARGET, "refuse.h"): DropCause(
        "it is too long for what lies ahead, and may not be cut; its sender was told what fits",
        "the MTU of the route or the device toward {destination}",
        "`ip route get {destination}` on the node has the MTU; the sender adapts by itself where ICMP"
        " reaches it",
    ),
    (DropReason.DROP_CONNECTION_NOT_MADE, "arrive.h"): _NO_ROOM,
    (DropReason.DROP_INVALID_SOURCE_IP, "from_tunnel.bpf.c"): DropCause(
        "its source is an address of a node, and another node sent it through the tunnel",
        "the map `ipcache` (`cilium-dbg bpf ipcache list`), which says whose address it is",
        "look at who sends there by `tcpdump -ni DEVICE udp port 8472`; two nodes with one address"
        " do it too",
    ),
    (DropReason.DROP_STALE_OR_UNROUTABLE_IP, "from_tunnel.bpf.c"): DropCause(
        "another node sent it through the tunnel, and {destination} is none of this node's addresses",
        "the sender's map `ipcache`, which says on which node a pod is",
        "none is needed while pods move; where it stays, compare `cilium-dbg bpf ipcache list` of both"
        " nodes",
    ),
    (DropReason.DROP_WRITE_ERROR, "encapsulate.h"): DropCause(
        "it could not be put into the tunnel",
        "the headers around it: memory, or a kernel that refuses them",
        "`cilium-dbg status` of that node says how the tunnel's device is",
    ),
    (DropReason.DROP_STALE_OR_UNROUTABLE_IP, "arrive.h"): DropCause(
        "it answers a pod that is gone",
        "a connection in the table that outlives its pod: `cilium-dbg bpf ct list`",
        "none is needed: the connection ends by itself",
    ),
    (DropReason.DROP_NO_BACKEND, "serve_outside.bpf.c"): DropCause(
        "the Service has no endpoint on this node for who comes from outside, or no such port",
        "`externalTrafficPolicy` of the Service (Local: endpoints of this node alone), and its"
        " EndpointSlices",
        "ask another node, or let the Service have externalTrafficPolicy Cluster",
    ),
}


def drop_cause(drop: Drop) -> DropCause:
    """Return the words for a drop; of a reason that is none of ours, Cilium's text."""
    try:
        reason = DropReason(drop.reason)
    except ValueError:
        reason = DropReason.FORWARDED
    found = _CAUSES_BY_FILE.get((reason, drop.file)) or _CAUSES.get(reason)
    return found or DropCause(
        drop_text(drop.reason).lower(),
        "a datapath whose reasons this command does not know",
        "`hubble observe --type drop -o json` has everything that is told of it",
    )
