"""The ordered list of rules as the agent answers it, and as people read it. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ciliate.api.agent import AgentModel
from ciliate.api.metadata import LabelSelector
from ciliate.masquerade.rules import (
    PORT_MAX,
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
)
from ciliate.net.protocol import protocol_name

#: Ranges that a line shows; the answer has all.
_SHOWN_MAX: Final = 6

_ALL: Final = "all"


class RuleRow(AgentModel, frozen=True, kw_only=True):
    """One row; a part that is absent matches everything, an empty one nothing."""

    number: int
    name: str
    origin: str
    action: str
    addresses: tuple[str, ...] = ()
    pods: str | None = None
    destinations: tuple[str, ...] | None = None
    ports: tuple[str, ...] | None = None
    nodes: bool = False  # Of origin cluster: whether it is for nodes, too.


def rule_rows(rules: Iterable[Rule]) -> list[RuleRow]:
    """Return the rows, numbered as verdicts name them."""
    return [_row(number, rule) for number, rule in enumerate(rules)]


def _row(number: int, rule: Rule) -> RuleRow:
    destinations = rule.destinations
    return RuleRow(
        number=number,
        name=rule.name,
        origin=rule.origin.value,
        action=rule.action.value,
        addresses=tuple(map(str, rule.addresses)),
        pods=None if rule.pods is None else _pods(rule.pods),
        destinations=None if destinations is None else tuple(map(_destination, destinations)),
        ports=None if rule.ports is None else tuple(map(_ports, rule.ports)),
        nodes=rule.nodes,
    )


def _destination(destination: Destination) -> str:
    excepts = ", ".join(map(str, destination.excepts))
    return f"{destination.prefix} except {excepts}" if excepts else str(destination.prefix)


def _ports(ports: PortRange) -> str:
    name = protocol_name(ports.protocol)
    if (ports.first, ports.last) == (0, PORT_MAX):
        return f"protocol {name}" if name.isdigit() else name
    if ports.first == ports.last:
        return f"{ports.first}/{name}"
    return f"{ports.first}-{ports.last}/{name}"


def _pods(pods: PodSelector) -> str:
    parts = [f"pool {pods.pool}"] if pods.pool else []
    parts += [f"namespaces {_selector(pods.namespaces)}"] if pods.namespaces else []
    parts += [f"pods {_selector(pods.pods)}"] if pods.pods else []
    return "; ".join(parts) or _ALL


def _selector(selector: LabelSelector) -> str:
    parts = [f"{key}={value}" for key, value in selector.match_labels.items()]
    parts += [
        f"{each.key} {each.operator} {','.join(each.values)}".rstrip()
        for each in selector.match_expressions
    ]
    return ", ".join(parts) or _ALL


def rule_lines(rows: Sequence[RuleRow]) -> Iterator[str]:
    """Yield the table's lines, with tabs between cells."""
    yield "NUMBER\tRULE\tPODS\tDESTINATIONS\tPORTS\tSOURCE ADDRESS"
    for row in rows:
        cells = (
            str(row.number),
            row.name,
            row.pods or _ALL,
            _shown(row),
            _ALL if row.ports is None else ", ".join(row.ports) or "none",
            _source(row),
        )
        yield "\t".join(cells)


def _shown(row: RuleRow) -> str:
    if row.origin == Origin.CLUSTER.value:
        return "nodes, pods, pod CIDRs" if row.nodes else "pods, pod CIDRs"
    if row.destinations is None:
        return _ALL
    more = len(row.destinations) - _SHOWN_MAX
    text = ", ".join(row.destinations[:_SHOWN_MAX]) or "none"
    return f"{text} and {more} more" if more > 0 else text


def _source(row: RuleRow) -> str:
    return {Action.KEEP.value: "the pod's", Action.DEVICE.value: "the device's"}.get(
        row.action, ", ".join(row.addresses)
    )
