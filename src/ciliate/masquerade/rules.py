"""The one ordered list that says which source address a pod's packet leaves with. Pure.

The first rule that matches decides; the list ends with one that matches everything. Whatever else
decides by destination is a row of it: the native routing CIDRs, the cluster itself, policies, and
the ranges of ip-masq-agent. Both back ends are made of this list, and it is what people are shown.

It is asked for the first packet of a flow. A packet of a flow that is translated already, and the
answer to a connection that came from outside, are decided before it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from ciliate.api.metadata import LabelSelector
from ciliate.net.address import IPAddress, IPNetwork

PORT_MAX: Final = 65535


class Action(Enum):
    """The source address of a packet that a rule matches."""

    KEEP = "keep"  # The pod's own.
    DEVICE = "device"  # That of the device it leaves by.
    ADDRESS = "address"  # One of the rule's, which the node has.


class Origin(Enum):
    """Where a rule comes from; the order here is the order in the list."""

    NATIVE_CIDR = "native-routing-cidr"
    CLUSTER = "cluster"
    POLICY = "policy"
    IP_MASQ_AGENT = "ip-masq-agent"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Destination:
    """A prefix without those inside it that are excepted; of one family."""

    prefix: IPNetwork
    excepts: tuple[IPNetwork, ...] = ()

    def covers(self, address: IPAddress) -> bool:
        """Whether `address` is inside and not excepted."""
        return address in self.prefix and not any(address in each for each in self.excepts)


@dataclass(frozen=True, slots=True)
class PortRange:
    """Destination ports of one protocol, by its number (IANA); all of them mean the protocol.

    A protocol without ports, such as ICMP, has port 0 here: only a range of all ports matches it.
    """

    protocol: int
    first: int = 0
    last: int = PORT_MAX

    def covers(self, protocol: int, port: int) -> bool:
        """Whether a packet of this protocol to this port is meant."""
        return protocol == self.protocol and self.first <= port <= self.last


@dataclass(frozen=True, slots=True)
class PodSelector:
    """The pods that a rule is for: all that every part selects. None and "" select all."""

    namespaces: LabelSelector | None = None
    pods: LabelSelector | None = None
    pool: str = ""


class Selection(NamedTuple):
    """The places, in the list, of the rules that select a pod by more than "all pods".

    They may differ by the family of a packet, since a pod's addresses may be of two pools. Of a
    family of which the pod has no address they are those of the other one.
    """

    ipv4: frozenset[int]
    ipv6: frozenset[int]

    def of(self, version: int) -> frozenset[int]:
        """Return the places for packets of IP `version`."""
        return self.ipv4 if version == 4 else self.ipv6


#: Of a pod that no rule selects, or whose labels are not known.
UNSELECTED: Final = Selection(frozenset(), frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the list.

    `pods`, `destinations` and `ports` that are None match everything; empty ones match nothing.
    `addresses` are those of `Action.ADDRESS`, the preferred ones first; packets of a family of which
    there is none are not matched then.

    The row of origin CLUSTER names no destinations: pods, pod CIDRs and, if it is for `nodes`, nodes
    of this cluster are in the ipcache, where each back end asks for them.
    """

    name: str
    origin: Origin
    action: Action
    pods: PodSelector | None = None
    destinations: tuple[Destination, ...] | None = None
    ports: tuple[PortRange, ...] | None = None
    addresses: tuple[IPAddress, ...] = ()
    nodes: bool = False

    def is_for(self, version: int) -> bool:
        """Whether packets of IP `version` are matched, if nothing else speaks against it."""
        return self.action is not Action.ADDRESS or self.address(version) is not None

    def address(self, version: int, held: Collection[IPAddress] | None = None) -> IPAddress | None:
        """Return the first address of IP `version` that a node holds (None: holds all), or None."""
        usable = (each for each in self.addresses if held is None or each in held)
        return next((each for each in usable if each.version == version), None)

    def on_node(
        self, version: int, held: Collection[IPAddress] | None
    ) -> tuple[Action, IPAddress | None]:
        """Return what the rule does with a packet of a pod on a node that holds these addresses.

        Where the node holds none that is named, its packets get that of the device.
        """
        address = self.address(version, held)
        if self.action is Action.ADDRESS and address is None:
            return Action.DEVICE, None
        return self.action, address

    def matches(self, destination: IPAddress, protocol: int, port: int) -> bool:
        """Whether the rule is for a packet to `destination`, if it is for the pod.

        Not to be asked of the CLUSTER row.
        """
        if not self.is_for(destination.version):
            return False
        if self.ports is not None and not any(each.covers(protocol, port) for each in self.ports):
            return False
        return self.destinations is None or any(
            each.covers(destination) for each in self.destinations
        )


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """The packet that opens a flow of a pod which the rules at `selected` places select.

    `port` is the destination's, 0 where the protocol has none; `in_cluster`: it goes to a node or
    pod of the cluster.
    """

    destination: IPAddress
    protocol: int
    port: int
    selected: Collection[int] = ()
    in_cluster: bool = False

    def is_matched(self, place: int, rule: Rule) -> bool:
        """Whether the rule at `place` of the list is for the packet."""
        if rule.origin is Origin.CLUSTER:
            return self.in_cluster
        return (rule.pods is None or place in self.selected) and rule.matches(
            self.destination, self.protocol, self.port
        )


def deciding_place(rules: Sequence[Rule], packet: FirstPacket) -> int:
    """Return the place of the rule that decides; a whole list has one for everything."""
    return next(place for place, rule in enumerate(rules) if packet.is_matched(place, rule))


#: Nodes know the way to every pod, and pods know each other. Where that way is a tunnel, packets to a
#: node itself are not in it.
CLUSTER_RULE: Final = Rule(name="cluster", origin=Origin.CLUSTER, action=Action.KEEP, nodes=True)
PODS_RULE: Final = Rule(name="cluster", origin=Origin.CLUSTER, action=Action.KEEP)

#: The world answers to the node.
DEFAULT_RULE: Final = Rule(name="default", origin=Origin.DEFAULT, action=Action.DEVICE)


def keep_rule(name: str, origin: Origin, prefixes: Iterable[IPNetwork]) -> Rule:
    """Return the rule by which packets into `prefixes` keep the pod's address."""
    return Rule(
        name=name,
        origin=origin,
        action=Action.KEEP,
        destinations=tuple(map(Destination, prefixes)),
    )


def decision_order(
    *,
    native: Iterable[IPNetwork],
    policies: Sequence[Rule] = (),
    excluded: Sequence[IPNetwork] | None = None,
    encapsulates: bool = False,
) -> tuple[Rule, ...]:
    """Return the whole list.

    Args:
        native: The native routing CIDRs; of each family one or none.
        policies: Rules of origin POLICY, in their order.
        excluded: What ip-masq-agent excludes; None: it is off, and has no row.
        encapsulates: Whether pods are reached through a tunnel.
    """
    ranges = tuple(native)
    first = [keep_rule("native-routing-cidr", Origin.NATIVE_CIDR, ranges)] if ranges else []
    agent = (
        [] if excluded is None else [keep_rule("ip-masq-agent", Origin.IP_MASQ_AGENT, excluded)]
    )
    cluster = PODS_RULE if encapsulates else CLUSTER_RULE
    return (*first, cluster, *policies, *agent, DEFAULT_RULE)


def is_tabled(rule: Rule) -> bool:
    """Whether a rule is decided by a table of prefixes, not by a constant or the ipcache."""
    return rule.origin in (Origin.POLICY, Origin.IP_MASQ_AGENT)
