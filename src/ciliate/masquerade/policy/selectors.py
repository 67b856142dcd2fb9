"""Whether a label selector can be one: the API server does not check those of custom resources.

Rules: Kubernetes, "Labels and Selectors". A key or value that no object can have would select
nothing, and with NotIn everything, without a word.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ciliate.api.masquerade_policy import LABELS_MAX
from ciliate.api.metadata import LabelExpression, LabelSelector

#: Operators, and whether values go with them.
_OPERATORS: Final = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PREFIX_MAX: Final = 253

_KEY_REMEDY: Final = "write a key as in the labels of pods, such as app.kubernetes.io/name"
_VALUE_REMEDY: Final = (
    "write at most 63 letters, digits, '-', '_', '.', beginning and ending with a letter or digit"
)


class Problem(NamedTuple):
    """What is wrong with a part of an object; `path` leads there from the object's root."""

    path: str
    value: object
    problem: str
    remedy: str


def selector_problems(selector: LabelSelector, path: str) -> Iterator[Problem]:
    """Yield what is wrong with a selector that stands at `path`."""
    for part, count in (
        ("matchLabels", len(selector.match_labels)),
        ("matchExpressions", len(selector.match_expressions)),
    ):
        if count > LABELS_MAX:
            problem, remedy = f"requirements, more than {LABELS_MAX}", "select by fewer labels"
            yield Problem(f"{path}.{part}", count, problem, remedy)
    for key, value in selector.match_labels.items():
        yield from _key_problems(key, f"{path}.matchLabels")
        yield from _value_problems(value, f"{path}.matchLabels[{key}]")
    for index, each in enumerate(selector.match_expressions):
        yield from _expression_problems(each, f"{path}.matchExpressions[{index}]")


def _expression_problems(each: LabelExpression, path: str) -> Iterator[Problem]:
    yield from _key_problems(each.key, f"{path}.key")
    with_values = _OPERATORS.get(each.operator)
    if with_values is None:
        remedy = f"write one of {', '.join(_OPERATORS)}"
        yield Problem(f"{path}.operator", each.operator, "is no operator", remedy)
    elif with_values and not each.values:
        problem, remedy = f"is missing for operator {each.operator}", "name at least one value"
        yield Problem(f"{path}.values", None, problem, remedy)
    elif not with_values and each.values:
        problem = f"stands beside operator {each.operator}"
        yield Problem(f"{path}.values", list(each.values), problem, "remove it")
    elif len(each.values) > LABELS_MAX:
        problem, remedy = f"values, more than {LABELS_MAX}", "select by another label"
        yield Problem(f"{path}.values", len(each.values), problem, remedy)
    for index, value in enumerate(each.values):
        yield from _value_problems(value, f"{path}.values[{index}]")


def _key_problems(key: str, path: str) -> Iterator[Problem]:
    prefix, slash, name = key.rpartition("/")
    prefix_fits = not slash or (len(prefix) <= _PREFIX_MAX and _PREFIX.fullmatch(prefix))
    if not prefix_fits or _NAME.fullmatch(name) is None:
        yield Problem(path, key, "is no label's key", _KEY_REMEDY)


def _value_problems(value: str, path: str) -> Iterator[Problem]:
    if value and _NAME.fullmatch(value) is None:
        yield Problem(path, value, "is no label's value", _VALUE_REMEDY)
