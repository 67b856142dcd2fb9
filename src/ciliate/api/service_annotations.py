"""What Cilium's own annotations on a Service ask for. Pure.

Here are the names of annotations, and how a value is read; those that ask for what this node cannot
do are named as problems. Selectors are written as in `kubectl get -l` (Kubernetes, "Labels and
Selectors").
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ciliate.api.label_selectors import matches
from ciliate.api.metadata import LabelExpression, LabelSelector

#: Only frontends of this type, and not those that it implies.
TYPE: Final = "service.cilium.io/type"
#: Only on nodes whose label of this name has this value.
NODE: Final = "service.cilium.io/node"
#: Only on nodes that a selector matches; where both stand, this one counts.
NODE_SELECTOR: Final = "service.cilium.io/node-selector"
#: Whether the ranges of `loadBalancerSourceRanges` are who may, or who may not: allow, deny.
RANGES_POLICY: Final = "service.cilium.io/src-ranges-policy"

TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer")

#: Those that are acted on, as `status --verbose` lists them.
SUPPORTED: Final = (NODE, NODE_SELECTOR, RANGES_POLICY, TYPE)

#: Those that ask for what there is not, with the values that ask for nothing else.
_UNSUPPORTED: Final = {
    "service.cilium.io/forwarding-mode": ("", "snat"),
    "service.cilium.io/lb-algorithm": ("",),
    "service.cilium.io/lb-l7": ("", "disabled"),
    "service.cilium.io/proxy-delegation": ("", "none"),
}

_REQUIREMENT: Final = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[^\s,!=()]+)
      | (?P<listed>[^\s,!=()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[^\s,!=()]+)\s*(?:(?P<compared>==|=|!=)\s*(?P<value>[^\s,!=()]*))?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def exposed_type(annotations: Mapping[str, str]) -> str:
    """Return the only type whose frontends are wanted; empty: all.

    Raises:
        ValueError: There is no such type.
    """
    found = annotations.get(TYPE, "")
    if found and found not in TYPES:
        raise ValueError("is no type of Service")
    return found


def exposing_nodes(annotations: Mapping[str, str]) -> LabelSelector | None:
    """Return which nodes a Service is served on; None: all.

    Raises:
        ValueError: The selector cannot be read.
    """
    if NODE_SELECTOR in annotations:
        return read_selector(annotations[NODE_SELECTOR])
    if NODE in annotations:
        return LabelSelector(match_labels={NODE: annotations[NODE]})
    return None


def is_exposed(nodes: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether a node of these labels serves a Service."""
    return nodes is None or matches(nodes, labels)


def unsupported(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each annotation that asks for what there is not."""
    for name, harmless in _UNSUPPORTED.items():
        if name in annotations and annotations[name] not in harmless:
            yield name, annotations[name]


def read_selector(text: str) -> LabelSelector:
    """Return the selector that a text such as "zone=a,role in (db, web),!old" says.

    Raises:
        ValueError: It cannot be read.
    """
    found: list[LabelExpression] = []
    position = 0
    while position < len(text):
        part = _REQUIREMENT.match(text, position)
        if part is None:
            raise ValueError(f"cannot be read from {text[position:]!r} on")
        found.append(_expression(part))
        position = part.end()
    return LabelSelector(match_expressions=tuple(found))


def _expression(part: re.Match[str]) -> LabelExpression:
    if part["absent"]:
        return LabelExpression(part["absent"], "DoesNotExist")
    if part["listed"]:
        values = tuple(value.strip() for value in part["values"].split(","))
        return LabelExpression(
            part["listed"], "In" if part["operator"] == "in" else "NotIn", values
        )
    if part["compared"] is None:
        return LabelExpression(part["key"], "Exists")
    operator = "NotIn" if part["compared"] == "!=" else "In"
    return LabelExpression(part["key"], operator, (part["value"],))
