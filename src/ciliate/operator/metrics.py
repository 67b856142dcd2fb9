"""What the operator measures: whether it leads, and how full the pools and nodes are.

Made of the same report as `GET /ipam`, when somebody asks. A standby has none, and so only says
that it is one: pools are shown by one operator, never by two.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ciliate.metrics.family import Family, FamilyKind, Sample
from ciliate.operator.health import Health

_PREFIX: Final = "ciliate_operator_ipam"
_POOL: Final = ("pool", "family")

#: Field of a pool's report -> end of the metric's name, meaning.
_POOL_NUMBERS: Final = {
    "blocks": ("pool_blocks", "Blocks for nodes that the pool's CIDRs have."),
    "used": ("pool_blocks_used", "Blocks that cannot be given: nodes, pods or reservations."),
    "free": ("pool_blocks_left", "Blocks that nodes can still be given."),
    "reserved": ("pool_blocks_reserved", "Blocks kept by nodes' own addresses and Services."),
    "draining": ("pool_blocks_draining", "Blocks that nodes give back when their pods are gone."),
    "exhausted": ("pool_exhausted", "1 while a node waits for a block, 0 else."),
}
#: Field of the report -> end of the metric's name, meaning, kind.
_SUMS: Final = {
    "waiting": ("nodes_waiting", "Nodes that wait for a block.", FamilyKind.GAUGE),
    "conflicts": (
        "conflicts",
        "CIDRs of nodes that overlap an earlier one's.",
        FamilyKind.GAUGE,
    ),
    "granted": ("grants_total", "Writes that gave a node CIDRs.", FamilyKind.COUNTER),
    "failed_writes": (
        "failed_writes_total",
        "Writes that did not come through.",
        FamilyKind.COUNTER,
    ),
}
#: Field of a node's report -> value of the label `state`.
_NODE_STATES: Final = {"cidrs": "current", "granted": "granted", "draining": "draining"}


def operator_families(health: Health) -> tuple[Family, ...]:
    """Return the families of an operator in this state."""
    leads = health.elector is not None and health.elector.is_leader
    leading = Family(
        "ciliate_operator_leading",
        "1 for the operator that holds the lease, 0 for one that stands by.",
        (),
        [((), float(leads))],
    )
    if not leads or health.ipam is None:
        return (leading,)
    return (leading, *ipam_families(health.ipam()))


def ipam_families(report: Mapping[str, Any]) -> Iterable[Family]:
    """Yield the families of a report of pools and nodes."""
    pools, nodes = report["pools"], report["nodes"]
    for field, (name, meaning) in _POOL_NUMBERS.items():
        numbers = [(_pool(each), float(each[field])) for each in pools]
        yield Family(f"{_PREFIX}_{name}", meaning, _POOL, numbers)
    yield Family(
        f"{_PREFIX}_pool_seconds_to_exhaustion",
        "Until no block is left if use goes on growing as of late; +Inf when it does not grow.",
        _POOL,
        [(_pool(each), _seconds(each["seconds_to_exhaustion"])) for each in pools],
    )
    yield Family(
        f"{_PREFIX}_node_cidrs",
        "CIDRs of a node: in its object, given and not yet written, kept until their pods go.",
        ("node", "family", "state"),
        [sample for node in nodes for sample in _node_cidrs(node)],
    )
    yield Family(
        f"{_PREFIX}_node_error",
        "1 for each node whose CiliumNode shows an error; the error itself is there.",
        ("node",),
        [((node["node"],), 1.0) for node in nodes if node["error"]],
    )
    yield Family(f"{_PREFIX}_nodes", "Nodes known.", (), [((), float(len(nodes)))])
    yield Family(
        f"{_PREFIX}_problems",
        "What is wrong with pools, each told by a log line and an Event.",
        (),
        [((), float(len(report["problems"])))],
    )
    for field, (name, meaning, kind) in _SUMS.items():
        yield Family(f"{_PREFIX}_{name}", meaning, (), [((), float(report[field]))], kind)


def _pool(entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry["pool"], entry["family"]


def _seconds(known: float | None) -> float:
    return math.inf if known is None else known


def _node_cidrs(node: Mapping[str, Any]) -> list[Sample]:
    """Return the node's numbers where there are any: most nodes have one CIDR a family."""
    counts = Counter(
        ("ipv6" if ":" in cidr else "ipv4", state)
        for field, state in _NODE_STATES.items()
        for cidr in node[field]
    )
    return [((node["node"], family, state), count) for (family, state), count in counts.items()]
