"""The text of `explain service`: a table of endpoints for each port and family. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from ciliate.console.table import align
from ciliate.services.explain.answer import (
    EndpointVerdict,
    Explanation,
    PortExplanation,
    comparable,
)


def grouped(by_node: Mapping[str, Explanation]) -> list[tuple[tuple[str, ...], Explanation]]:
    """Return the answers of nodes, those that say the same once, with the nodes' names."""
    groups: dict[Explanation, list[str]] = {}
    for node in sorted(by_node):
        groups.setdefault(comparable(by_node[node]), []).append(node)
    return [(tuple(nodes), by_node[nodes[0]]) for nodes in groups.values()]


def explanation_text(found: Explanation, nodes: Iterable[str] = ()) -> str:
    """Return the text; `nodes` are those that all answer so, where there are several."""
    where = ", ".join(nodes) or found.node
    head = f"{found.service} for {found.client} on {where}"
    parts = [f"{head}: {found.scope} the cluster, traffic policy {found.policy}\n"]
    if found.because:
        parts.append(f"  {found.because}\n")
    parts += [_port_text(port) for port in found.ports]
    parts += [f"  Problem: {problem}\n" for problem in found.problems]
    return "".join(parts)


def _port_text(port: PortExplanation) -> str:
    names = ", ".join(each.frontend for each in port.frontends if not each.problem)
    lines = [f"\nPort {port.port}, {port.family}{f', at {names}' if names else ''}\n"]
    lines += [f"  {each.frontend}: {each.problem}\n" for each in port.frontends if each.problem]
    if not port.endpoints:
        lines.append("  no endpoints: connections are refused\n")
        return "".join(lines)
    return "".join(lines) + align(_endpoint_lines(port), width_min=5, padding=3)


def _endpoint_lines(port: PortExplanation) -> Iterator[str]:
    yield "ENDPOINT\tNODE\tSTATE\tSLOT\tVERDICT"
    for each in port.endpoints:
        slot = str(each.slot) if each.slot else "-"
        cells = each.endpoint, each.node or "-", each.state or "-", slot, _verdict(each)
        yield "\t".join(cells)


def _verdict(found: EndpointVerdict) -> str:
    text = "would be chosen" if found.chosen else "would not be chosen"
    if found.because:
        text += f": {found.because}"
    return f"{text} ({found.difference})" if found.difference else text
