"""`api/label_selectors.py`: a selector decides the same as Struct and as JSON."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.api.label_selectors import matches, matches_expressions, matches_json
from ciliate.api.metadata import LabelExpression, LabelSelector

LABELS = {"app": "web", "tier": "front"}
FEW = st.sampled_from(["app", "tier", "web", "front"])
EXPRESSIONS = st.builds(
    LabelExpression,
    FEW,
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt"]),
    st.lists(FEW, max_size=2).map(tuple),
)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        (LabelExpression("app", "In", ("web", "db")), True),
        (LabelExpression("app", "In", ("db",)), False),
        (LabelExpression("none", "In", ("db",)), False),
        (LabelExpression("app", "NotIn", ("db",)), True),
        (LabelExpression("app", "NotIn", ("web",)), False),
        (LabelExpression("none", "NotIn", ("db",)), True),
        (LabelExpression("tier", "Exists"), True),
        (LabelExpression("none", "Exists"), False),
        (LabelExpression("none", "DoesNotExist"), True),
        (LabelExpression("tier", "DoesNotExist"), False),
        (LabelExpression("tier", "Gt", ("1",)), False),
    ],
)
def test_expressions(expression: LabelExpression, holds: bool) -> None:  # noqa: FBT001 - a table.
    assert matches(LabelSelector(match_expressions=(expression,)), LABELS) is holds
    assert matches_expressions([msgspec.to_builtins(expression)], LABELS) is holds


@pytest.mark.parametrize(
    ("wanted", "operator", "values", "holds"),
    [
        ({"app": "web"}, "In", ("front",), True),
        ({"app": "web"}, "In", ("back",), False),
        ({"app": "db"}, "In", ("front",), False),
        ({"app": "web", "zone": "a"}, "In", ("front",), False),
    ],
)
def test_all_requirements_must_hold(
    *, wanted: dict[str, str], operator: str, values: tuple[str, ...], holds: bool
) -> None:
    selector = LabelSelector(wanted, (LabelExpression("tier", operator, values),))

    assert matches(selector, LABELS) is holds
    assert matches_json(msgspec.to_builtins(selector), LABELS) is holds


@given(
    st.builds(LabelSelector, st.dictionaries(FEW, FEW), st.lists(EXPRESSIONS, max_size=3)),
    st.dictionaries(FEW, FEW),
)
def test_json_and_struct_agree(selector: LabelSelector, labels: dict[str, str]) -> None:
    assert matches_json(msgspec.to_builtins(selector), labels) is matches(selector, labels)


def test_empty_selector_matches_everything_and_none_nothing() -> None:
    assert matches_json({}, LABELS)
    assert matches_json({"matchLabels": None, "matchExpressions": None}, LABELS)
    assert not matches_json(None, LABELS)
