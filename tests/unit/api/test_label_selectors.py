import pytest

from ciliate.api.label_selectors import matches, matches_json
from ciliate.api.metadata import LabelExpression, LabelSelector

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        (LabelExpression("app", "In", ("web", "db")), True),
        (LabelExpression("app", "In", ("db",)), False),
        (LabelExpression("app", "NotIn", ("db",)), True),
        (LabelExpression("none", "NotIn", ("db",)), True),
        (LabelExpression("tier", "Exists"), True),
        (LabelExpression("none", "Exists"), False),
        (LabelExpression("none", "DoesNotExist"), True),
        (LabelExpression("tier", "Gt", ("1",)), False),
    ],
)
def test_expressions(expression: LabelExpression, holds: bool) -> None:  # noqa: FBT001 - a table.
    assert matches(LabelSelector(match_expressions=(expression,)), LABELS) is holds


def test_all_requirements_must_hold() -> None:
    both = LabelSelector({"app": "web"}, (LabelExpression("tier", "In", ("back",)),))

    assert not matches(both, LABELS)


def test_empty_selector_matches_everything_and_none_nothing() -> None:
    assert matches_json({}, LABELS)
    assert not matches_json(None, LABELS)
