"""Endpoints shared out between zones, by `service.kubernetes.io/topology-mode: Auto`. Pure.

A zone is to use as many endpoints as its nodes have of the processors: first those that lie in it,
then some of another zone's, which has more than it needs. Where the endpoints are too few for
that, nobody gets a hint and everybody uses all (kube-controller-manager, `topologycache`).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from ciliate.api.endpoint_slice import ZONE_LABEL, Endpoint
from ciliate.lab.controllers.placement import node_is_ready
from ciliate.lab.objects import Node

#: How much more than its share an endpoint may get.
_OVERLOAD: Final = 0.2

_EXCLUDED: Final = frozenset(
    {"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"}
)


def zone_ratios(nodes: Iterable[Node]) -> dict[str, float]:
    """Return each zone's part of the processors; nothing: a node does not say, or there is one zone."""
    processors: Counter[str] = Counter()
    for node in nodes:
        if not _EXCLUDED.isdisjoint(node.metadata.labels) or not node_is_ready(node):
            continue
        zone = node.metadata.labels.get(ZONE_LABEL, "")
        count = _millis((node.status.get("allocatable") or {}).get("cpu"))
        if not zone or not count:
            return {}
        processors[zone] += count
    total = processors.total()
    return (
        {zone: count / total for zone, count in processors.items()} if len(processors) > 1 else {}
    )


def _millis(quantity: object) -> int:
    text = str(quantity or "0")
    try:
        return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)
    except ValueError:
        return 0


def share_out(endpoints: Mapping[str, Endpoint], ratios: Mapping[str, float]) -> dict[str, str]:
    """Return the zone that is to use each ready endpoint; nothing: no hints are possible."""
    ready = {uid: each for uid, each in sorted(endpoints.items()) if each.is_ready}
    desired = _desired(len(ready), ratios)
    if not desired or any(each.zone not in ratios for each in ready.values()):
        return {}
    found = {uid: each.zone for uid, each in ready.items()}
    have = Counter(found.values())
    surplus = {zone: have[zone] - number for zone, number in desired.items()}
    for uid, zone in found.items():
        receiver = min(surplus, key=lambda each: (surplus[each], each))
        if _is_worth_it(surplus[zone], -surplus[receiver]):
            found[uid] = receiver
            surplus[zone] -= 1
            surplus[receiver] += 1
    return found


def _desired(count: int, ratios: Mapping[str, float]) -> dict[str, float]:
    """How many endpoints each zone should have, if every zone can have its least number."""
    if not ratios or len(ratios) > count:
        return {}
    least = {zone: math.ceil(ratio * count / (1 + _OVERLOAD)) for zone, ratio in ratios.items()}
    if sum(least.values()) > count:
        return {}
    return {zone: max(ratio * count, least[zone]) for zone, ratio in ratios.items()}


def _is_worth_it(given: float, received: float) -> bool:
    """Whether one endpoint more brings two zones closer to their shares."""
    return min(given, received) >= 0.5 and max(given, received) >= 1.0
