"""What the datapath's maps should hold for the endpoints of this node. Pure."""

from typing import Final

from ciliate.datapath import layout
from ciliate.net.address import mac_octets, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.node.endpoint import Endpoint

_NO_ADDRESS: Final = bytes(16)
_NO_MAC: Final = bytes(6)


def host_entry(ifindex: int = 0) -> layout.Endpoint:
    """Return where packets to an address of the node itself are delivered: to its stack.

    `ifindex` is the node device that has the address; 0 when none that runs programs has.
    """
    return layout.Endpoint(
        ifindex=ifindex,
        identity=ReservedIdentity.HOST,
        endpoint_id=0,
        flags=layout.EndpointFlag.ENDPOINT_HOST,
        mac=_NO_MAC,
        node_mac=_NO_MAC,
    )


def interface_entry(endpoint: Endpoint, *, stack_routed: bool = False) -> layout.Interface:
    """Return what from_pod and to_pod know of the endpoint behind an interface.

    `stack_routed`: rules in the host's stack must see its packets; those of a chained endpoint they
    always may.
    """
    ipv4, ipv6 = endpoint.address(4), endpoint.address(6)
    flags = layout.InterfaceFlag(0)
    if endpoint.chained:
        flags |= layout.InterfaceFlag.INTERFACE_CHAINED
    if endpoint.chained or stack_routed:
        flags |= layout.InterfaceFlag.INTERFACE_STACK_ROUTED
    return layout.Interface(
        ipv4=to_octets(ipv4) if ipv4 else _NO_ADDRESS,
        ipv6=to_octets(ipv6) if ipv6 else _NO_ADDRESS,
        identity=endpoint.identity,
        endpoint_id=endpoint.id,
        node_mac=mac_octets(endpoint.interface.host_mac),
        flags=flags,
    )


def endpoint_entry(endpoint: Endpoint, *, stack_routed: bool = False) -> layout.Endpoint:
    """Return where packets to an endpoint's addresses are delivered."""
    by_stack = endpoint.chained or stack_routed
    return layout.Endpoint(
        ifindex=endpoint.ifindex,
        identity=endpoint.identity,
        endpoint_id=endpoint.id,
        flags=layout.EndpointFlag.ENDPOINT_STACK_ROUTED if by_stack else layout.EndpointFlag(0),
        mac=mac_octets(endpoint.interface.pod_mac),
        node_mac=mac_octets(endpoint.interface.host_mac),
    )
