"""Which of the nodes that suit a pod is best. Pure.

The scores and their weights are the default scheduler's: untolerated preferences of taints, wishes for
nodes and for neighbours, the spread of a pod's kind, room. Not reproduced: the balance of a node's
resources with each other, and where images lie.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ciliate.api.label_selectors import matches_expressions
from ciliate.lab.controllers.pods import controller_uid
from ciliate.lab.controllers.room import left_percent
from ciliate.lab.controllers.topology import covers, is_same_domain, matching_by_domain
from ciliate.lab.objects import Json, Node, Pod

HOSTNAME: Final = "kubernetes.io/hostname"
_ZONE: Final = "topology.kubernetes.io/zone"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"

Values = dict[str, float]


def best_node(
    pod: Pod,
    suitable: Mapping[str, Node],
    nodes: Mapping[str, Node],
    placed: Sequence[Pod],
    *,
    bad_taints: Callable[[Pod, Node], int],
) -> str:
    """Return the name of the node with the highest score.

    Among equals the one with the fewest pods, then the first by name.

    `bad_taints` counts the taints of a node that the pod would rather avoid.
    """
    there: dict[str, list[Pod]] = {name: [] for name in suitable}
    for other in placed:
        if other.spec.node_name in there:
            there[other.spec.node_name].append(other)
    scores: Counter[str] = Counter()
    parts: tuple[tuple[int, Values], ...] = (
        (3, _inverse({name: float(bad_taints(pod, node)) for name, node in suitable.items()})),
        (2, _upward({name: _node_wishes(pod, node) for name, node in suitable.items()})),
        (2, _neighbours(pod, suitable, nodes, placed)),
        (2, _spread(pod, suitable, nodes, placed)),
        (1, {name: left_percent(node, there[name]) for name, node in suitable.items()}),
    )
    for weight, part in parts:
        for name, value in part.items():
            scores[name] += weight * round(value)
    return min(suitable, key=lambda name: (-scores[name], len(there[name]), name))


def _upward(values: Values) -> Values:
    """Scale values so that the highest is 100; all 0 stay so."""
    highest = max(values.values(), default=0.0)
    return {n: 100 * v / highest if highest > 0 else 0.0 for n, v in values.items()}


def _inverse(values: Values) -> Values:
    """Scale values so that 0 is 100 and the highest is 0."""
    return {name: 100 - value for name, value in _upward(values).items()}


def _node_wishes(pod: Pod, node: Node) -> float:
    wishes = (pod.spec.affinity.get("nodeAffinity") or {}).get(_PREFERRED) or []
    fields = {"metadata.name": node.metadata.name}
    return float(
        sum(
            int(wish.get("weight", 0))
            for wish in wishes
            if matches_expressions(
                (wish.get("preference") or {}).get("matchExpressions") or [],
                node.metadata.labels,
            )
            and matches_expressions(
                (wish.get("preference") or {}).get("matchFields") or [], fields
            )
        )
    )


def _neighbours(
    pod: Pod, suitable: Mapping[str, Node], nodes: Mapping[str, Node], placed: Sequence[Pod]
) -> Values:
    """Score nodes by preferred affinity and anti-affinity, from the least to the most wanted."""
    wishes: list[tuple[int, Json]] = []
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        wishes += [
            (sign * int(wish.get("weight", 0)), wish.get("podAffinityTerm") or {})
            for wish in (pod.spec.affinity.get(kind) or {}).get(_PREFERRED) or []
        ]
    found = dict.fromkeys(suitable, 0.0)
    for weight, term in wishes:
        for other in placed:
            there = nodes.get(other.spec.node_name)
            if there is None or not covers(term, pod, other):
                continue
            for name, node in suitable.items():
                if is_same_domain(term, there, node):
                    found[name] += weight
    least = min(found.values(), default=0.0)
    return _upward({name: value - least for name, value in found.items()})


def _spread(
    pod: Pod, suitable: Mapping[str, Node], nodes: Mapping[str, Node], placed: Sequence[Pod]
) -> Values:
    """Score nodes by how few pods there are that the pod is to be spread from.

    Without constraints of its own: pods of the same owner, over hosts and over zones.
    """
    constraints = [
        each
        for each in pod.spec.topology_spread_constraints
        if each.get("whenUnsatisfiable") == "ScheduleAnyway"
    ]
    found = dict.fromkeys(suitable, 0.0)
    if constraints:
        for each in constraints:
            counts = matching_by_domain(each, pod, nodes, placed)
            _add(found, suitable, str(each.get("topologyKey", "")), counts)
    elif not pod.spec.topology_spread_constraints and controller_uid(pod.metadata):
        for key in (HOSTNAME, _ZONE):
            _add(found, suitable, key, _kin_by_domain(key, pod, nodes, placed))
    return _inverse(found)


def _add(found: Values, suitable: Mapping[str, Node], key: str, counts: Mapping[str, int]) -> None:
    for name, node in suitable.items():
        found[name] += counts.get(node.metadata.labels.get(key, ""), 0)


def _kin_by_domain(
    key: str, pod: Pod, nodes: Mapping[str, Node], placed: Sequence[Pod]
) -> Counter[str]:
    kind = controller_uid(pod.metadata)
    return Counter(
        nodes[other.spec.node_name].metadata.labels[key]
        for other in placed
        if controller_uid(other.metadata) == kind
        and other.spec.node_name in nodes
        and key in nodes[other.spec.node_name].metadata.labels
    )
