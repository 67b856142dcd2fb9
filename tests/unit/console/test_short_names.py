"""`console/short_names.py`: what users of kubectl write before a name."""

import pytest

from ciliate.console.short_names import bare_name, split_kind


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("po/web", "po", "web"),
        ("pods/web", "po", "web"),
        ("Node/k8s-w1", "no", "k8s-w1"),
        ("deployment.apps/web", "deploy", "web"),
        ("deployments.v1.apps/web", "deploy", "web"),
        ("ds/", "ds", ""),
        ("default/web", "", "default/web"),
        ("deploy", "", "deploy"),
        ("po/default/web", "po", "default/web"),
    ],
)
def test_kind_is_known_by_every_name_that_kubectl_has(text: str, kind: str, name: str) -> None:
    assert split_kind(text) == (kind, name)


def test_name_of_another_kind_is_left_as_it_is() -> None:
    assert bare_name("node/k8s-w1", "no") == "k8s-w1"
    assert bare_name("k8s-w1", "no") == "k8s-w1"
    assert bare_name("po/k8s-w1", "no") == "po/k8s-w1"
