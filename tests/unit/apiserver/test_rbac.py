from typing import Any

import pytest

from ciliate.apiserver.rbac import Asked, allows, is_subject, selected, summary


def rule(**fields: Any) -> dict[str, Any]:
    return {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], **fields}


def asked(**fields: Any) -> Asked:
    return Asked(**{"verb": "get", "resource": "pods", "namespace": "n", "name": "p", **fields})


@pytest.mark.parametrize(
    ("held", "wanted", "answer"),
    [
        (rule(), asked(), True),
        (rule(), asked(verb="list"), False),
        (rule(), asked(group="apps"), False),
        (rule(), asked(resource="pods/exec"), False),
        (rule(verbs=["*"]), asked(verb="list"), True),
        (rule(apiGroups=["*"]), asked(group="apps"), True),
        (rule(resources=["*"]), asked(resource="pods/exec"), True),
        (rule(resources=["*/exec"]), asked(resource="pods/exec"), True),
        (rule(resources=["*/exec"]), asked(resource="pods"), False),
        (rule(resources=["pods/exec"]), asked(resource="pods/exec"), True),
        (rule(resourceNames=["p"]), asked(), True),
        (rule(resourceNames=["p"]), asked(name="q"), False),
        (rule(resourceNames=["p"]), asked(name=""), False),
        (rule(), Asked(verb="get", path="/api"), False),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/api/*"]},
            Asked(verb="get", path="/api/v1"),
            True,
        ),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, Asked(verb="get", path="/api"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, Asked(verb="get", path="/x"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/x"]}, Asked(verb="post", path="/x"), False),
        ({"verbs": ["*"], "nonResourceURLs": ["*"]}, asked(), False),
        ({}, asked(), False),
    ],
)
def test_rule_allows(held: dict[str, Any], wanted: Asked, answer: bool) -> None:  # noqa: FBT001
    assert allows(held, wanted) is answer


@pytest.mark.parametrize(
    ("subject", "answer"),
    [
        ({"kind": "User", "name": "system:serviceaccount:n:a"}, True),
        ({"kind": "User", "name": "a"}, False),
        ({"kind": "Group", "name": "g"}, True),
        ({"kind": "Group", "name": "h"}, False),
        ({"kind": "ServiceAccount", "name": "a", "namespace": "n"}, True),
        ({"kind": "ServiceAccount", "name": "a", "namespace": "m"}, False),
        ({"kind": "ServiceAccount", "name": "a"}, True),
        ({"kind": "Other", "name": "g"}, False),
    ],
)
def test_binding_names_its_subjects(
    subject: dict[str, Any],
    answer: bool,  # noqa: FBT001
) -> None:
    user = "system:serviceaccount:n:a"

    assert is_subject(subject, user=user, groups=["g"], namespace="n") is answer


@pytest.mark.parametrize(
    ("selector", "answer"),
    [
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}, False),
    ],
)
def test_aggregation_selects_by_labels(
    selector: dict[str, Any],
    answer: bool,  # noqa: FBT001
) -> None:
    assert selected({"a": "1"}, [selector]) is answer


def test_what_is_asked_is_told_as_the_real_server_does() -> None:
    assert asked().words() == 'get resource "pods" in API group "" in the namespace "n"'
    assert (
        asked(namespace="").words() == 'get resource "pods" in API group "" at the cluster scope'
    )
    assert Asked(verb="get", path="/x").words() == 'get path "/x"'


def test_summary_parts_rules_about_resources_and_paths() -> None:
    paths = {"verbs": ["get"], "nonResourceURLs": ["/api"]}

    assert summary([rule(), paths]) == ([rule()], [paths])
