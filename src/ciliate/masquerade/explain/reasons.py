"""Why a rule of the masquerade list is, or is not, for a packet: in words. Pure."""

from collections.abc import Iterator, Sequence

from ciliate.masquerade.rules import (
    PORT_MAX,
    Destination,
    FirstPacket,
    Origin,
    PortRange,
    Rule,
)
from ciliate.net.address import IPAddress
from ciliate.net.protocol import protocol_name


def mismatch(place: int, rule: Rule, packet: FirstPacket) -> str | None:
    """Return why the rule at `place` is not for the packet; None: it is."""
    if packet.is_matched(place, rule):
        return None
    destination = packet.destination
    if rule.origin is Origin.CLUSTER:
        return f"no {_members(rule)} of this cluster has it"
    if rule.pods is not None and place not in packet.selected:
        return "it does not select the pod"
    if not rule.is_for(destination.version):
        return f"it names no IPv{destination.version} address"
    if rule.destinations is not None and (text := _outside(rule.destinations, destination)):
        return text
    return f"{_port(packet)} is not among its ports"


def _members(rule: Rule) -> str:
    return "node, pod or pod CIDR" if rule.nodes else "pod or pod CIDR"


def _outside(destinations: Sequence[Destination], address: IPAddress) -> str | None:
    """Return why none of the destinations covers the packet's; None: one does."""
    if any(each.covers(address) for each in destinations):
        return None
    around = (each for each in destinations if address in each.prefix)
    hole = next((hole for each in around for hole in each.excepts if address in hole), None)
    if hole is not None:
        return f"{address} is in {hole}, which it excepts"
    prefixes = [e.prefix for e in destinations if e.prefix.version == address.version]
    if not prefixes:
        return f"it names no IPv{address.version} destination"
    if len(prefixes) == 1:
        return f"{address} is not in {prefixes[0]}"
    return f"{address} is in none of its {len(prefixes)} ranges"


def match_reason(rule: Rule, packet: FirstPacket) -> str:
    """Return by what a rule that matches does so."""
    return ", ".join(_matches(rule, packet)) or "it is for all packets"


def _matches(rule: Rule, packet: FirstPacket) -> Iterator[str]:
    destination = packet.destination
    if rule.origin is Origin.CLUSTER:
        yield f"{destination} is a {_members(rule)} of this cluster"
    if rule.pods is not None:
        yield "it selects the pod"
    for each in rule.destinations or ():
        if each.covers(destination):
            yield f"{destination} is in {each.prefix}"
            break
    for ports in rule.ports or ():
        if ports.covers(packet.protocol, packet.port):
            yield f"{_port(packet)} is of its ports{_range(ports)}"
            break


def _range(ports: PortRange) -> str:
    if ports.first == ports.last or (ports.first, ports.last) == (0, PORT_MAX):
        return ""
    return f" {ports.first}-{ports.last}"


def _port(packet: FirstPacket) -> str:
    name = protocol_name(packet.protocol)
    return f"{packet.port}/{name}" if packet.port else name
