"""A MasqueradePolicy as rules of the masquerade list. Pure.

It is read as a whole or not at all: half of a policy sends packets with addresses that nobody asked
for. What the schema of the API server refuses is refused here too, since another schema may be
installed; and what no schema says: excepts outside their prefix, host bits, ports out of order.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, TypeVar

import msgspec

from ciliate.api.decode import without_null_fields
from ciliate.api.masquerade_policy import (
    ADDRESSES_MAX,
    DESTINATIONS_MAX,
    EXCEPTS_MAX,
    PORTS_MAX,
    PRIORITY_MAX,
    RULES_MAX,
    MasqueradePolicy,
    MasqueradePolicySpec,
    PolicyDestination,
    PolicyPort,
    PolicyRule,
)
from ciliate.masquerade.policy.errors import PolicyError
from ciliate.masquerade.policy.selectors import Problem, selector_problems
from ciliate.masquerade.rules import (
    PORT_MAX,
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
)
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, TCP, UDP

T = TypeVar("T")

#: `source`, in the words of the object.
_ACTIONS: Final = {"Pod": Action.KEEP, "Device": Action.DEVICE, "Address": Action.ADDRESS}

#: `protocol`: numbers of IANA, and whether it has ports. ICMP is that of either family.
_PROTOCOLS: Final = {"TCP": (TCP,), "UDP": (UDP,), "SCTP": (SCTP,), "ICMP": (ICMP, ICMPV6)}
_WITHOUT_PORTS: Final = frozenset({"ICMP"})

#: Of a rule, a DNS label that begins with a letter: no name is the number of another rule.
_RULE_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
#: Of a pool, as of every object of the API.
_OBJECT_NAME: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_OBJECT_NAME_MAX: Final = 253

#: Where msgspec found something, at the end of its message.
_PLACE: Final = re.compile(r"(?P<problem>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one object says."""

    name: str
    priority: int
    rules: tuple[Rule, ...]


class _ProblemFound(Exception):  # noqa: N818 - it carries a Problem, and is never seen outside.
    def __init__(self, path: str, value: object, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = Problem(path, value, problem, remedy)


def read_policy(found: MasqueradePolicy) -> Policy:
    """Return what an object says.

    Raises:
        PolicyError: It is wrong; of several faults the first is named.
    """
    name = found.metadata.name
    try:
        return _policy(name, _converted(found.spec))
    except _ProblemFound as error:
        path, value, problem, remedy = error.problem
        raise PolicyError(name, path=path, value=value, problem=problem, remedy=remedy) from error


def _policy(name: str, spec: MasqueradePolicySpec) -> Policy:
    if not 0 <= spec.priority <= PRIORITY_MAX:
        remedy = f"write a number from 0 to {PRIORITY_MAX}"
        raise _ProblemFound("spec.priority", spec.priority, "is out of range", remedy)
    _check_count("spec.rules", spec.rules, RULES_MAX, "rules")
    rules = tuple(
        _rule(rule, f"spec.rules[{index}]", f"policy/{name}/{rule.name or index}")
        for index, rule in enumerate(spec.rules)
    )
    _check_names(spec.rules)
    return Policy(name, spec.priority, rules)


def _converted(spec: Any) -> MasqueradePolicySpec:
    try:
        return msgspec.convert(without_null_fields(spec or {}), type=MasqueradePolicySpec)
    except msgspec.ValidationError as error:
        place = _PLACE.fullmatch(str(error))
        assert place is not None, "the expression takes every text"
        problem = place["problem"][:1].lower() + place["problem"][1:]
        remedy = "see kubectl explain masqueradepolicy.spec --recursive"
        raise _ProblemFound(f"spec{place['path'] or ''}", None, problem, remedy) from error


def _check_count(path: str, values: Sequence[object] | None, most: int, what: str) -> None:
    """Refuse a list that is there and empty, or too long."""
    if values is None:
        return
    if not values:
        remedy = f"name {what}" if path == "spec.rules" else f"name {what}, or leave the field out"
        raise _ProblemFound(path, None, "is empty", remedy)
    if len(values) > most:
        remedy = "write wider ones, or a second object"
        raise _ProblemFound(path, len(values), f"{what}, more than {most}", remedy)


def _check_names(rules: Sequence[PolicyRule]) -> None:
    known: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if rule.name is not None and (first := known.setdefault(rule.name, index)) != index:
            path, remedy = f"spec.rules[{index}].name", "give each rule a name of its own"
            raise _ProblemFound(path, rule.name, f"is the name of rules[{first}] too", remedy)


def _rule(rule: PolicyRule, path: str, shown_name: str) -> Rule:
    if rule.name is not None and _RULE_NAME.fullmatch(rule.name) is None:
        remedy = "write at most 63 lower case letters, digits and '-', beginning with a letter"
        raise _ProblemFound(f"{path}.name", rule.name, "is no rule's name", remedy)
    action = _ACTIONS.get(rule.source)
    if action is None:
        remedy = f"write one of {', '.join(_ACTIONS)}"
        raise _ProblemFound(f"{path}.source", rule.source, "is no source", remedy)
    _check_count(f"{path}.destinations", rule.destinations, DESTINATIONS_MAX, "destinations")
    _check_count(f"{path}.ports", rule.ports, PORTS_MAX, "ports")
    addresses = _addresses(rule, path)
    versions: set[int] = {each.version for each in addresses} or {4, 6}
    return Rule(
        name=shown_name,
        origin=Origin.POLICY,
        action=action,
        pods=_pods(rule, path),
        destinations=_each(
            rule.destinations,
            f"{path}.destinations",
            lambda value, at: _destination(value, at, versions),
        ),
        ports=_ports(rule.ports, f"{path}.ports"),
        addresses=addresses,
    )


def _each(
    values: Sequence[T] | None, path: str, read: Callable[[T, str], Destination]
) -> tuple[Destination, ...] | None:
    if values is None:
        return None
    return tuple(read(value, f"{path}[{index}]") for index, value in enumerate(values))


def _pods(rule: PolicyRule, path: str) -> PodSelector | None:
    """Return whom the rule is for; None: all pods."""
    for field, selector in (
        ("namespaceSelector", rule.namespace_selector),
        ("podSelector", rule.pod_selector),
    ):
        if selector is not None:
            for problem in selector_problems(selector, f"{path}.{field}"):
                raise _ProblemFound(*problem)
    if rule.pool is not None and (
        len(rule.pool) > _OBJECT_NAME_MAX or _OBJECT_NAME.fullmatch(rule.pool) is None
    ):
        remedy = "name a CiliumPodIPPool (kubectl get cpip)"
        raise _ProblemFound(f"{path}.pool", rule.pool, "is no pool's name", remedy)
    pods = PodSelector(
        # A selector without requirements selects all, as none does.
        namespaces=rule.namespace_selector if _requires(rule.namespace_selector) else None,
        pods=rule.pod_selector if _requires(rule.pod_selector) else None,
        pool=rule.pool or "",
    )
    return None if pods == PodSelector() else pods


def _requires(selector: Any) -> bool:
    return selector is not None and bool(selector.match_labels or selector.match_expressions)


def _addresses(rule: PolicyRule, path: str) -> tuple[IPAddress, ...]:
    at = f"{path}.addresses"
    if rule.source != "Address":
        if rule.addresses is not None:
            problem, remedy = f"stands beside source {rule.source}", "remove it, or write Address"
            raise _ProblemFound(at, list(rule.addresses), problem, remedy)
        return ()
    if rule.addresses is None:
        raise _ProblemFound(at, None, "is missing", "name addresses of nodes, or write Device")
    _check_count(at, rule.addresses, ADDRESSES_MAX, "addresses")
    found = (_address(each, f"{at}[{index}]") for index, each in enumerate(rule.addresses))
    return tuple(dict.fromkeys(found))


def _address(text: str, path: str) -> IPAddress:
    remedy = "write an address that a node has on a device"
    try:
        address = ip_address(text)
    except ValueError as error:
        raise _ProblemFound(path, text, "is no IP address", remedy) from error
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise _ProblemFound(path, text, "is IPv4 in IPv6, or has a zone", remedy)
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        raise _ProblemFound(path, text, "is no address to send from", remedy)
    return address


def _destination(value: PolicyDestination, path: str, versions: set[int]) -> Destination:
    prefix = _network(value.cidr, f"{path}.cidr")
    if prefix.version not in versions:
        problem = f"is IPv{prefix.version}, and addresses name none of that family"
        remedy = f"add an IPv{prefix.version} address, or remove the destination"
        raise _ProblemFound(f"{path}.cidr", value.cidr, problem, remedy)
    if len(value.excepts) > EXCEPTS_MAX:
        problem, remedy = f"prefixes, more than {EXCEPTS_MAX}", "write wider ones"
        raise _ProblemFound(f"{path}.except", len(value.excepts), problem, remedy)
    excepts = []
    for index, text in enumerate(value.excepts):
        at = f"{path}.except[{index}]"
        network = _network(text, at)
        if network == prefix or not _is_inside(network, prefix):
            remedy = "write a prefix inside, or remove it"
            raise _ProblemFound(at, text, f"is not a part of {prefix}", remedy)
        excepts.append(network)
    return Destination(prefix, tuple(excepts))


def _is_inside(network: IPNetwork, prefix: IPNetwork) -> bool:
    return network.version == prefix.version and network.subnet_of(prefix)  # type: ignore[arg-type] # of one family.


def _network(text: str, path: str) -> IPNetwork:
    address, _, length = text.partition("/")
    is_plain = length.isascii() and length.isdecimal() and "%" not in address
    try:
        network = ip_network(text if is_plain else "", strict=False)
    except ValueError as error:
        remedy = "write address and prefix length, as 10.10.1.0/24"
        raise _ProblemFound(path, text, "is no CIDR", remedy) from error
    if str(network.network_address) != str(ip_address(address)):
        raise _ProblemFound(path, text, "has bits behind its prefix", f"write {network}")
    if network.version == 6 and network.prefixlen >= 96 and network[0].ipv4_mapped:
        raise _ProblemFound(path, text, "is IPv4 in IPv6", "write it as 10.10.1.0/24")
    return network


def _ports(ports: Sequence[PolicyPort] | None, path: str) -> tuple[PortRange, ...] | None:
    if ports is None:
        return None
    return tuple(
        found
        for index, port in enumerate(ports)
        for found in _port_ranges(port, f"{path}[{index}]")
    )


def _port_ranges(port: PolicyPort, path: str) -> Iterator[PortRange]:
    numbers = _PROTOCOLS.get(port.protocol)
    if numbers is None:
        remedy = f"write one of {', '.join(_PROTOCOLS)}"
        raise _ProblemFound(f"{path}.protocol", port.protocol, "is no protocol", remedy)
    first, last = port.port, port.end_port
    if first is None:
        if last is not None:
            problem, remedy = "stands without port", "add port, the first of the range"
            raise _ProblemFound(f"{path}.endPort", last, problem, remedy)
        yield from map(PortRange, numbers)
        return
    if port.protocol in _WITHOUT_PORTS:
        problem = f"stands beside protocol {port.protocol}, which has no ports"
        raise _ProblemFound(f"{path}.port", first, problem, "remove it")
    for field, number in (("port", first), ("endPort", first if last is None else last)):
        if not 1 <= number <= PORT_MAX:
            remedy = f"write a number from 1 to {PORT_MAX}"
            raise _ProblemFound(f"{path}.{field}", number, "is no port", remedy)
    if last is not None and last < first:
        raise _ProblemFound(f"{path}.endPort", last, f"is below port {first}", "exchange the two")
    for number in numbers:
        yield PortRange(number, first, first if last is None else last)
