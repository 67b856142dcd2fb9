"""Which rules of the masquerade list select which pods of this node. Pure.

A packet's pod is known by a number, so labels are compared once per pod and change, not per packet:
pods that the same rules select are of one class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ciliate.api.label_selectors import matches
from ciliate.masquerade.rules import PodSelector, Rule, Selection


@dataclass(frozen=True, slots=True)
class LocalPod:
    """What a rule selects a pod by. `pools` are by IP version, of the families it has."""

    namespace_labels: Mapping[str, str]
    labels: Mapping[str, str]
    pools: Mapping[int, str] = field(default_factory=dict)


class PodClasses:
    """The selectors of a list of rules, each asked once for pods that are alike."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        #: What was found for pods that are alike, by what they are selected by.
        self._known: dict[tuple[object, ...], Selection] = {}
        places: dict[bytes, tuple[PodSelector, set[int]]] = {}
        for place, rule in enumerate(rules):
            if rule.pods is not None:
                key = msgspec.json.encode(rule.pods)
                places.setdefault(key, (rule.pods, set()))[1].add(place)
        self._selectors = tuple(places.values())

    def __bool__(self) -> bool:
        """Whether any rule has a selector: else labels need not be known."""
        return bool(self._selectors)

    def selection(self, pod: LocalPod) -> Selection:
        """Return the rules that select a pod."""
        pools = {version: pod.pools[version] for version in (4, 6) if version in pod.pools}
        either = next(iter(pools.values()), "")
        selected: dict[str, frozenset[int]] = {}
        for pool in {either, *pools.values()}:
            selected[pool] = frozenset(
                place
                for selector, places in self._selectors
                if _selects(selector, pod, pool)
                for place in places
            )
        return Selection(selected[pools.get(4, either)], selected[pools.get(6, either)])

    def selections(self, pods: Mapping[int, LocalPod]) -> Mapping[int, Selection]:
        """Return the same of many, by their endpoints' numbers."""
        known, self._known = self._known, {}  # What no pod is like any more is forgotten.
        found = {}
        for number, pod in pods.items():
            facts: tuple[object, ...] = tuple(
                frozenset(each.items()) for each in (pod.namespace_labels, pod.labels, pod.pools)
            )
            if facts not in self._known:
                self._known[facts] = known.get(facts) or self.selection(pod)
            found[number] = self._known[facts]
        return found


def _selects(selector: PodSelector, pod: LocalPod, pool: str) -> bool:
    return (
        (not selector.pool or selector.pool == pool)
        and (selector.namespaces is None or matches(selector.namespaces, pod.namespace_labels))
        and (selector.pods is None or matches(selector.pods, pod.labels))
    )
