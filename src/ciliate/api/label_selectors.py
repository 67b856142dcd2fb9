"""Whether labels match a selector (Kubernetes, "Labels and Selectors"). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from ciliate.api.metadata import LabelSelector


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all requirements hold; a selector without any matches everything."""
    if not matches_all(selector.match_labels, labels):
        return False
    return all(
        _holds(each.key, each.operator, each.values, labels) for each in selector.match_expressions
    )


def matches_all(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether `labels` has every pair of `wanted`."""
    return all(labels.get(key) == value for key, value in wanted.items())


def matches_json(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Like `matches` for a selector inside of plain JSON; none at all matches nothing."""
    if selector is None:
        return False
    if not matches_all(selector.get("matchLabels") or {}, labels):
        return False
    return matches_expressions(selector.get("matchExpressions") or [], labels)


def matches_expressions(
    expressions: Sequence[Mapping[str, Any]], labels: Mapping[str, str]
) -> bool:
    """Whether every expression holds."""
    return all(
        _holds(str(each.get("key")), str(each.get("operator")), each.get("values") or (), labels)
        for each in expressions
    )


def _holds(key: str, operator: str, values: Sequence[str], labels: Mapping[str, str]) -> bool:
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    return False  # Gt and Lt are for nodes' numbers, which nothing here has.
