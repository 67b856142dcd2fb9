"""The ordered list as a table of prefixes, in which the longest that fits names the rule. Pure.

A prefix that lies inside another one carries the result of all rules that cover it, so the longest
match never hides an earlier rule: what stands at each prefix is the whole answer for it, until the
next longer one. So the cost of a look-up does not grow with the rules.

A rule for certain ports leaves room for those behind it: such a prefix has a short list of choices
instead of one rule.

Pods that the same policies select are a class, and have a table of the policies that are for them.
Where none of these matches, the table of all says what is behind policies.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final, NamedTuple

from ciliate.config.datapath_defaults import MAP_ENTRIES
from ciliate.datapath.layout import MasqueradeBound
from ciliate.errors import CiliateError
from ciliate.masquerade.rules import (
    PORT_MAX,
    Action,
    Destination,
    Origin,
    Rule,
    Selection,
    is_tabled,
)
from ciliate.net.address import IPAddress, IPNetwork, network_of

#: Most choices of one prefix.
CHOICES_MAX: Final = int(MasqueradeBound.MASQUERADE_CHOICES_MAX)

#: Most prefixes of one generation, the search's markers included; the map holds two.
PREFIXES_MAX: Final = MAP_ENTRIES["masquerade_rules"] // 2

#: The table of what is for all pods.
CLASS_ALL: Final = 0

#: ::ffff:0:0/96, as which IPv4 stands among the 128 bits.
_IPV4_BEGIN: Final = 0xFFFF << 32
IPV4_BITS: Final = 96


class Choice(NamedTuple):
    """A rule for packets of one protocol to some ports; protocol 0 means every packet."""

    place: int
    action: Action
    address: IPAddress | None = None
    protocol: int = 0
    port_first: int = 0
    port_last: int = PORT_MAX


class Outcome(NamedTuple):
    """What the rules say of destinations in a prefix: the first choice that fits; none: no rule."""

    choices: tuple[Choice, ...]
    is_agent_prefix: bool = False  # This very prefix stands in ip-masq-agent's list.


class Prefix(NamedTuple):
    """A prefix among 128 bits, IPv4 mapped, of the table of one class of pods."""

    pods: int
    begin: int
    bits: int

    @property
    def version(self) -> int:
        """4 or 6; IPv6 says nothing of what is mapped, whatever prefix covers it."""
        return 4 if self.bits >= IPV4_BITS and self.begin >> 32 == _IPV4_BEGIN >> 32 else 6

    @property
    def network(self) -> IPNetwork:
        """The prefix as people write it."""
        return network_of(self.begin.to_bytes(16, "big"), self.bits)


@dataclass(frozen=True, slots=True)
class RuleTables:
    """Everything the datapath asks: one generation of it.

    `pods` are the classes of endpoints, by number, that policies select.
    """

    outcomes: Mapping[Prefix, Outcome]
    has_agent: bool  # ip-masq-agent has a row.
    pods: Mapping[int, int] = field(default_factory=dict)

    def agent_prefixes(self) -> Iterator[IPNetwork]:
        """Yield ip-masq-agent's list."""
        for prefix, outcome in self.outcomes.items():
            if outcome.is_agent_prefix and prefix.pods == CLASS_ALL:
                yield prefix.network


class TooManyPrefixesError(CiliateError):
    """The rules name more prefixes than a table holds."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"masquerade rules: {count} prefixes, and the table holds {PREFIXES_MAX}: "
            "write wider prefixes into ip-masq-agent's nonMasqueradeCIDRs, or into policies"
        )


class TooManyChoicesError(CiliateError):
    """Too many rules for certain ports cover one prefix."""

    def __init__(self, network: IPNetwork, rules: Sequence[str]) -> None:
        self.network = network
        self.rules = tuple(rules)
        super().__init__(
            f"masquerade rules {', '.join(rules)}: more than {CHOICES_MAX} port ranges for "
            f"{network}: join ranges, or let an earlier rule of these take all ports"
        )


#: A rule that is in force at some prefix: its place, and which of its blocks made it so. Blocks
#: without excepts go on in every prefix inside: they count as one, 0.
_Token = tuple[int, int]

_EVERYWHERE: Final = (Destination(ip_network("0.0.0.0/0")), Destination(ip_network("::/0")))


class _Edge(NamedTuple):
    """What begins and ends to be in force at one prefix."""

    begins: frozenset[_Token] = frozenset()
    ends: frozenset[_Token] = frozenset()
    is_agent_prefix: bool = False

    def joined(self, other: "_Edge") -> "_Edge":
        """Return what both say of one prefix."""
        return _Edge(
            self.begins | other.begins,
            self.ends | other.ends,
            self.is_agent_prefix or other.is_agent_prefix,
        )


_Active = frozenset[_Token]
_Edges = dict[tuple[int, int], _Edge]


def compile_rules(
    rules: Sequence[Rule],
    *,
    classes: Sequence[Selection] = (),
    held: Collection[IPAddress] | None = None,
) -> RuleTables:
    """Return the tables of `rules`, the whole ordered list.

    Args:
        rules: The list.
        classes: What selects the pods of each class; the first has number 1.
        held: The node's addresses: a rule that names none of them means the device's. None: it has
            all.

    Raises:
        TooManyPrefixesError: They name more than PREFIXES_MAX.
        TooManyChoicesError: More than CHOICES_MAX port ranges are for one prefix.
    """
    listed = _Listed(rules, held)
    tables = {CLASS_ALL: _edges(rules, None)}
    for number, each in enumerate(classes, start=1):
        tables[number] = {version: _edges(rules, each.of(version))[version] for version in (4, 6)}
    families = [(pods, *each) for pods, edges in tables.items() for each in edges.items()]
    if (count := sum(len(edges) for _, _, edges in families)) > PREFIXES_MAX:
        raise TooManyPrefixesError(count)
    outcomes = {
        prefix: outcome
        for pods, version, edges in families
        for prefix, outcome in _swept(listed, pods, version, edges)
    }
    return RuleTables(outcomes, any(rule.origin is Origin.IP_MASQ_AGENT for rule in rules))


def check_choices(
    rules: Sequence[Rule], selection: Selection, held: Collection[IPAddress] | None
) -> None:
    """Check that the table of a class can be made.

    Raises:
        TooManyChoicesError: It cannot.
    """
    listed = _Listed(rules, held)
    for version in (4, 6):
        for _ in _swept(listed, 1, version, _edges(rules, selection.of(version))[version]):
            pass


def _swept(
    listed: "_Listed", pods: int, version: int, edges: _Edges
) -> Iterator[tuple[Prefix, Outcome]]:
    """Yield what stands at each prefix of a family, from the first address on."""
    around: list[tuple[int, _Active]] = [(1 << 128, frozenset())]  # Ends of what we are inside of.
    known: dict[tuple[_Active, _Edge], tuple[_Active, Outcome]] = {}
    for (begin, bits), edge in sorted(edges.items()):
        while begin >= around[-1][0]:
            around.pop()
        before = around[-1][1]
        result = known.get((before, edge))
        if result is None:
            active = (before | edge.begins) - edge.ends
            choices = listed.choices(active, version)
            if len(choices) > CHOICES_MAX:
                names = dict.fromkeys(listed.rules[choice.place].name for choice in choices)
                raise TooManyChoicesError(Prefix(pods, begin, bits).network, tuple(names))
            result = known[before, edge] = active, Outcome(choices, edge.is_agent_prefix)
        around.append((begin + (1 << 128 - bits), result[0]))
        yield Prefix(pods, begin, bits), result[1]


def _is_of(place: int, rule: Rule, selection: Collection[int] | None) -> bool:
    """Whether a rule is one of the table of a class; None: of the table of all."""
    if selection is None:
        return is_tabled(rule) and rule.pods is None
    return rule.origin is Origin.POLICY and (rule.pods is None or place in selection)


def _edges(rules: Sequence[Rule], selection: Collection[int] | None) -> Mapping[int, _Edges]:
    """Return, by family, every prefix at which something changes in a table."""
    edges: dict[int, _Edges] = {4: {}, 6: {}}
    for place, rule in enumerate(rules):
        if not _is_of(place, rule, selection):
            continue
        is_agent = rule.origin is Origin.IP_MASQ_AGENT
        plain = _Edge(frozenset({(place, 0)}), is_agent_prefix=is_agent)
        for number, block in enumerate(_blocks(rule), start=1):
            token = frozenset({(place, number)})
            edge = _Edge(token, is_agent_prefix=is_agent) if block.excepts else plain
            _join(edges, block.prefix, edge)
            for each in block.excepts:
                _join(edges, each, _Edge(ends=token))
    return edges


def _join(edges: Mapping[int, _Edges], network: IPNetwork, edge: _Edge) -> None:
    of_family = edges[network.version]
    span = int(network.network_address), network.prefixlen
    if network.version == 4:
        span = span[0] | _IPV4_BEGIN, span[1] + IPV4_BITS
    there = of_family.get(span)
    of_family[span] = edge if there is None else there.joined(edge)


def _blocks(rule: Rule) -> Iterator[Destination]:
    """Yield the rule's destinations; one that is excepted as a whole is none."""
    for block in _EVERYWHERE if rule.destinations is None else rule.destinations:
        if not any(block.prefix.subnet_of(each) for each in block.excepts):  # type: ignore[arg-type] # of one family.
            yield block


@dataclass(frozen=True, slots=True)
class _Listed:
    """The list on a node that holds these addresses; None: all."""

    rules: Sequence[Rule]
    held: Collection[IPAddress] | None

    def choices(self, active: _Active, version: int) -> tuple[Choice, ...]:
        """Return the choices of the rules in force, up to the first that takes every packet."""
        found: list[Choice] = []
        for place in sorted({place for place, _ in active}):
            rule = self.rules[place]
            if not rule.is_for(version):
                continue
            action, address = rule.on_node(version, self.held)
            if rule.ports is None:
                found.append(Choice(place, action, address))
                break
            found += [
                Choice(place, action, address, each.protocol, each.first, each.last)
                for each in rule.ports
            ]
        return tuple(found)
