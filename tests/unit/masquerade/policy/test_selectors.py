"""Label selectors that no API server has checked."""

import pytest

from ciliate.api.masquerade_policy import LABELS_MAX
from ciliate.api.metadata import LabelExpression, LabelSelector
from ciliate.masquerade.policy.selectors import selector_problems


@pytest.mark.parametrize(
    "selector",
    [
        LabelSelector(),
        LabelSelector({"app": "web", "app.kubernetes.io/name": "", "A_b.c-9": "V_1.x-y"}),
        LabelSelector(
            match_expressions=(
                LabelExpression("app", "In", ("a", "b")),
                LabelExpression("app", "NotIn", ("c",)),
                LabelExpression("kubernetes.io/os", "Exists"),
                LabelExpression("os", "DoesNotExist"),
                LabelExpression(f"{'a.' * 126}b/{'c' * 63}", "Exists"),
                LabelExpression("app", "In", ("v" * 63,) * LABELS_MAX),
            )
        ),
    ],
)
def test_what_objects_can_have_is_selected_by(selector: LabelSelector) -> None:
    assert not list(selector_problems(selector, "s"))


@pytest.mark.parametrize(
    ("expression", "path", "problem"),
    [
        (LabelExpression("", "Exists"), "key", "is no label's key"),
        (LabelExpression("-app", "Exists"), "key", "is no label's key"),
        (LabelExpression("a" * 64, "Exists"), "key", "is no label's key"),
        (LabelExpression("/app", "Exists"), "key", "is no label's key"),
        (LabelExpression("Up.io/app", "Exists"), "key", "is no label's key"),
        (LabelExpression("a/b/c", "Exists"), "key", "is no label's key"),
        (LabelExpression(f"{'a.' * 127}b/c", "Exists"), "key", "is no label's key"),
        (LabelExpression("app\n", "Exists"), "key", "is no label's key"),
        (LabelExpression("app", "in", ("a",)), "operator", "is no operator"),
        (LabelExpression("app", "In"), "values", "is missing for operator In"),
        (LabelExpression("app", "NotIn"), "values", "is missing for operator NotIn"),
        (LabelExpression("app", "Exists", ("a",)), "values", "stands beside operator Exists"),
        (LabelExpression("app", "In", ("a", "b c")), "values[1]", "is no label's value"),
        (LabelExpression("app", "In", ("a",) * (LABELS_MAX + 1)), "values", "more than"),
    ],
)
def test_expression_that_selects_nothing_anybody_has_is_refused(
    expression: LabelExpression, path: str, problem: str
) -> None:
    selector = LabelSelector(match_expressions=(LabelExpression("x", "Exists"), expression))

    (found,) = selector_problems(selector, "s")

    assert found.path == f"s.matchExpressions[1].{path}"
    assert problem in found.problem
    assert found.remedy


def test_pairs_are_checked_as_expressions_are() -> None:
    selector = LabelSelector({"app": "a b", "-": "x"})

    assert [(each.path, each.value) for each in selector_problems(selector, "s")] == [
        ("s.matchLabels[app]", "a b"),
        ("s.matchLabels", "-"),
    ]
    assert all(each.remedy for each in selector_problems(selector, "s"))


def test_selector_has_a_bound() -> None:
    many = LabelSelector(
        {f"k{n}": "" for n in range(LABELS_MAX + 1)},
        (LabelExpression("app", "Exists"),) * (LABELS_MAX + 1),
    )

    assert [(each.path, each.value, each.problem) for each in selector_problems(many, "s")] == [
        ("s.matchLabels", LABELS_MAX + 1, f"requirements, more than {LABELS_MAX}"),
        ("s.matchExpressions", LABELS_MAX + 1, f"requirements, more than {LABELS_MAX}"),
    ]
    assert all(each.remedy for each in selector_problems(many, "s"))
