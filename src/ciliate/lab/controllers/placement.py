"""Whether a pod may run on a node, and which node is best. Pure.

The rules are the scheduler's: readiness, cordon, node selector and required node affinity, taints,
room, required pod (anti-)affinity, spread. `scoring` says which of the nodes left is best.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from ciliate.api.core import Taint
from ciliate.api.label_selectors import (
    matches_all,
    matches_expressions,
)
from ciliate.lab.controllers.pods import is_active
from ciliate.lab.controllers.room import lacking
from ciliate.lab.controllers.scoring import best_node
from ciliate.lab.controllers.topology import covers, exceeds_skew, is_same_domain
from ciliate.lab.objects import Json, Node, Pod

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
_PODS_MAX: Final = 110

#: Obstacles that fewer other pods would remove.
_CROWDED: Final = (
    "Insufficient",
    "Too many pods",
    "node(s) didn't match pod anti-affinity rules",
    "node(s) didn't satisfy existing pods anti-affinity rules",
    "node(s) didn't match pod topology spread constraints",
)


@dataclass(frozen=True, slots=True)
class Placement:
    """The node chosen, or why there is none ("0/2 nodes are available: ...")."""

    node: str = ""
    problem: str = ""


def node_is_ready(node: Node) -> bool:
    """Whether the node's kubelet says that it is ready."""
    return any(
        c.get("type") == "Ready" and c.get("status") == "True"
        for c in node.status.get("conditions") or []
    )


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Taint) -> bool:
    """Whether one of the tolerations covers the taint."""
    for each in tolerations:
        if each.get("effect") and each["effect"] != taint.effect:
            continue
        key, operator = each.get("key", ""), each.get("operator", "Equal")
        if not key:
            if operator == "Exists":
                return True
        elif key == taint.key and (operator == "Exists" or each.get("value", "") == taint.value):
            return True
    return False


def untolerated(tolerations: Iterable[Mapping[str, Any]], node: Node) -> Taint | None:
    """Return the first taint that keeps a pod with these tolerations off the node."""
    tolerations = list(tolerations)
    for taint in node.spec.taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
            return taint
    return None


def selects(node_selector: Mapping[str, str], affinity: Mapping[str, Any], node: Node) -> bool:
    """Whether the node has the labels that a node selector and required affinity ask for."""
    labels = node.metadata.labels
    if not matches_all(node_selector, labels):
        return False
    required = (affinity.get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not required:
        return True
    fields = {"metadata.name": node.metadata.name}
    return any(
        matches_expressions(term.get("matchExpressions") or [], labels)
        and matches_expressions(term.get("matchFields") or [], fields)
        for term in required.get("nodeSelectorTerms") or []
    )


class Placements:
    """Nodes and the pods on them, as one decision sees them."""

    def __init__(self, nodes: Iterable[Node], pods: Iterable[Pod]) -> None:
        self.nodes = {node.metadata.name: node for node in nodes}
        self.placed = [pod for pod in pods if pod.spec.node_name and is_active(pod)]
        self.load = Counter(pod.spec.node_name for pod in self.placed)

    def place(self, pod: Pod) -> Placement:
        """Return the best node that suits, or why none does."""
        reasons: Counter[str] = Counter()
        suitable: dict[str, Node] = {}
        for name, node in self.nodes.items():
            reason = self._obstacle(pod, node)
            if reason:
                reasons[reason] += 1
            else:
                suitable[name] = node
        if suitable:
            best = best_node(pod, suitable, self.nodes, self.placed, bad_taints=_disliked)
            return Placement(node=best)
        return Placement(problem=_problem(reasons, len(self.nodes)))

    def _obstacle(self, pod: Pod, node: Node) -> str:
        """Return why the pod cannot run on the node, in the scheduler's words, or nothing."""
        spec = pod.spec
        tolerations = list(spec.tolerations)
        if spec.host_network:
            # A lab's operator must start before there is a network; its manifest says so in
            # general, a user's host-network pod may not.
            tolerations.append({"key": NOT_READY, "operator": "Exists"})
        elif not node_is_ready(node) and not tolerates(
            tolerations, Taint(key=NOT_READY, effect="NoSchedule")
        ):
            return f"node(s) had untolerated taint {{{NOT_READY}: }}"
        cordon = Taint(key=UNSCHEDULABLE, effect="NoSchedule")
        if node.spec.unschedulable and not tolerates(tolerations, cordon):
            return "node(s) were unschedulable"
        taint = untolerated(tolerations, node)
        if taint is not None:
            return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
        if not selects(spec.node_selector, spec.affinity, node):
            return "node(s) didn't match Pod's node affinity/selector"
        if self.load[node.metadata.name] >= _room(node):
            return "Too many pods"
        there = [each for each in self.placed if each.spec.node_name == node.metadata.name]
        if resource := lacking(pod, node, there):
            return f"Insufficient {resource}"
        return self._neighbors_obstacle(pod, node) or self._spread_obstacle(pod, node)

    def _spread_obstacle(self, pod: Pod, node: Node) -> str:
        for constraint in pod.spec.topology_spread_constraints:
            if constraint.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
                continue
            eligible = {
                name: each
                for name, each in self.nodes.items()
                if selects(pod.spec.node_selector, pod.spec.affinity, each)
            }
            if reason := exceeds_skew(constraint, pod, node, eligible, self.placed):
                return reason
        return ""

    def _neighbors_obstacle(self, pod: Pod, node: Node) -> str:
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        affinity = pod.spec.affinity
        for term in (affinity.get("podAntiAffinity") or {}).get(required) or []:
            if self._met(term, pod, node):
                return "node(s) didn't match pod anti-affinity rules"
        for other in self.placed:  # Their anti-affinity toward this pod counts as well.
            for term in (other.spec.affinity.get("podAntiAffinity") or {}).get(required) or []:
                there = self.nodes.get(other.spec.node_name)
                if covers(term, other, pod) and there and is_same_domain(term, there, node):
                    return "node(s) didn't satisfy existing pods anti-affinity rules"
        for term in (affinity.get("podAffinity") or {}).get(required) or []:
            alone = not any(covers(term, pod, other) for other in self.placed)
            # The first pod of a group with affinity to itself finds no other one yet.
            if not (self._met(term, pod, node) or (alone and covers(term, pod, pod))):
                return "node(s) didn't match pod affinity rules"
        return ""

    def _met(self, term: Json, pod: Pod, node: Node) -> bool:
        """Whether a pod that the term selects runs in the node's domain."""
        for other in self.placed:
            there = self.nodes.get(other.spec.node_name)
            if (
                there is not None
                and covers(term, pod, other)
                and is_same_domain(term, there, node)
            ):
                return True
        return False

    def assume(self, pod: Pod, node: str) -> None:
        """Count a pod that was just bound; the watch shows it later."""
        self.load[node] += 1
        self.placed.append(_moved(pod, node))


def _problem(reasons: Counter[str], total: int) -> str:
    """Return the scheduler's words for a pod that no node takes."""
    if not total:
        return "no nodes available to schedule pods"
    # Would the pod fit if a lesser one went? The lab evicts none; the real one says which it is.
    hopeless = sum(count for reason, count in reasons.items() if not _is_crowded(reason))
    chances = Counter(
        {
            "Preemption is not helpful for scheduling": hopeless,
            "No preemption victims found for incoming pod": total - hopeless,
        }
    )
    return (
        f"0/{total} nodes are available: {_counted(reasons)}. "
        f"preemption: 0/{total} nodes are available: {_counted(+chances)}."
    )


def _is_crowded(reason: str) -> bool:
    return reason.startswith(_CROWDED) and not reason.endswith("(missing required label)")


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))


def _disliked(pod: Pod, node: Node) -> int:
    """How many taints that only advise against a node the pod does not tolerate."""
    return sum(
        taint.effect == "PreferNoSchedule" and not tolerates(pod.spec.tolerations, taint)
        for taint in node.spec.taints
    )


def _room(node: Node) -> int:
    text = str((node.status.get("allocatable") or {}).get("pods", ""))
    return int(text) if text.isdecimal() else _PODS_MAX


def _moved(pod: Pod, node: str) -> Pod:
    return structs.replace(pod, spec=structs.replace(pod.spec, node_name=node))
