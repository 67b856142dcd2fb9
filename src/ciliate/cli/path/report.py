"""What one end said, or both, as a report. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from ciliate.cli.path.journey import FarEnd, NearEnd, compare, journey
from ciliate.cli.path.model import Finding, Manner, NodePath, PathReport
from ciliate.masquerade.explain.question import Target

#: The addresses by which the cluster knows each node.
Nodes = Mapping[str, frozenset[str]]

_BEYOND_THE_NODE: Final = frozenset({Manner.DIRECT, Manner.TUNNEL})


def both_ways(near: NodePath, far: NodePath, nodes: Nodes) -> PathReport:
    """Return the report of two pods; `far` was asked about the address that `near` sends from."""
    seen = source_of(near)
    sender, receiver = _pod_words(near), _pod_words(far)
    answered = sender if seen == near.address else seen
    there = journey(sender, receiver, _near(near, nodes), near.departure, _far(far, nodes))
    back = journey(receiver, answered, _near(far, nodes), far.departure, _far(near, nodes))
    notes: tuple[str, ...] = ()
    if seen != near.address:
        notes = (f"{far.pod} sees {seen}: its answers go there, and on to {near.address}.",)
    return PathReport(
        pod=sender,
        destination=f"{receiver} on {far.node}",
        there=there,
        back=back,
        findings=tuple(compare(there, back)),
        notes=notes,
    )


def one_way(near: NodePath, target: Target, nodes: Nodes, unanswered: str = "") -> PathReport:
    """Return the report where nobody is, or was, at the far end; `unanswered`: why a pod was not."""
    name, sender, way = str(target.address), _pod_words(near), near.departure
    there = journey(sender, name, _near(near, nodes), way, None)
    findings, notes = list(compare(there, None)), []
    host = _owner(nodes, name)
    if unanswered:
        findings.append(Finding(problem=f"the far end is not followed: {unanswered}"))
    elif host:
        notes.append(f"{name} is an address of node {host}: its stack answers by its own routes.")
    elif there.leaves:
        notes.append(f"Behind {way.device} nobody of the cluster can be asked.")
    elif way.manner in _BEYOND_THE_NODE:
        problem = f"no pod has {name}: node {_owner(nodes, way.node) or way.node} says so by ICMP"
        remedy = "`kubectl get pods -A -o wide` shows the pods' addresses"
        there = msgspec.structs.replace(there, problem=problem)
        findings.append(Finding(problem=problem, remedy=remedy))
    return PathReport(
        pod=sender,
        destination=str(target),
        there=there,
        findings=tuple(findings),
        notes=tuple(notes),
    )


def source_of(near: NodePath) -> str:
    """Return the address that the receiver sees."""
    return near.departure.source or near.address


def _owner(nodes: Nodes, address: str) -> str:
    return next((node for node, addresses in nodes.items() if address in addresses), "")


def _near(answer: NodePath, nodes: Nodes) -> NearEnd:
    return NearEnd(answer.node, nodes.get(answer.node, frozenset()))


def _far(answer: NodePath, nodes: Nodes) -> FarEnd:
    addresses = nodes.get(answer.node, frozenset())
    return FarEnd(answer.node, addresses, answer.receipt, answer.departure.device)


def _pod_words(answer: NodePath) -> str:
    return f"{answer.pod} ({answer.address})"
