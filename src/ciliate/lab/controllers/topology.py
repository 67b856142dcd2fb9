"""How pods stand to the pods and labels of a node: terms of affinity, domains of topology. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ciliate.api.label_selectors import matches_json
from ciliate.lab.objects import Json, Node, Pod


def covers(term: Json, owner: Pod, other: Pod) -> bool:
    """Whether an affinity term of `owner` selects the other pod."""
    namespaces: Sequence[str] = term.get("namespaces") or [owner.metadata.namespace]
    return other.metadata.namespace in namespaces and matches_json(
        term.get("labelSelector"), other.metadata.labels
    )


def is_same_domain(term: Json, there: Node, here: Node) -> bool:
    """Whether two nodes are in one domain of the term's topology."""
    key = str(term.get("topologyKey", ""))
    value = here.metadata.labels.get(key)
    return value is not None and there.metadata.labels.get(key) == value


def matching_by_domain(
    constraint: Json, pod: Pod, nodes: Mapping[str, Node], placed: Iterable[Pod]
) -> Counter[str]:
    """Return how many pods that a spread constraint selects each domain of `nodes` has."""
    key = str(constraint.get("topologyKey", ""))
    found = Counter(
        {node.metadata.labels[key]: 0 for node in nodes.values() if key in node.metadata.labels}
    )
    for other in placed:
        node = nodes.get(other.spec.node_name)
        if node is not None and key in node.metadata.labels and covers(constraint, pod, other):
            found[node.metadata.labels[key]] += 1
    return found


def exceeds_skew(
    constraint: Json, pod: Pod, node: Node, nodes: Mapping[str, Node], placed: Iterable[Pod]
) -> str:
    """Return why the pod may not come to a node by a constraint of its spread, or nothing."""
    key = str(constraint.get("topologyKey", ""))
    domain = node.metadata.labels.get(key)
    if domain is None:
        return "node(s) didn't match pod topology spread constraints (missing required label)"
    counts = matching_by_domain(constraint, pod, nodes, placed)
    own = 1 if matches_json(constraint.get("labelSelector"), pod.metadata.labels) else 0
    least = min(counts.values())
    if len(counts) < int(constraint.get("minDomains") or 1):
        least = 0
    if counts[domain] + own - least > int(constraint.get("maxSkew", 1)):
        return "node(s) didn't match pod topology spread constraints"
    return ""
