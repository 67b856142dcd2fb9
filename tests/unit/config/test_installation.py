"""Selectors of an installation's pods, as labels."""

import pytest

from ciliate.api.metadata import ObjectMeta
from ciliate.config.installation import Installation, parse_selector


def test_every_selector_of_ours_is_one() -> None:
    names = Installation()

    assert parse_selector(names.agent_pod_selector) == {"k8s-app": "cilium"}
    assert parse_selector("a=b, c/d=") == {"a": "b", "c/d": ""}


@pytest.mark.parametrize("text", ["", "a", "a!=b", "a==b", "=b", "a in (b)"])
def test_other_selectors_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="write KEY=VALUE"):
        parse_selector(text)


def test_pods_of_an_agent_are_those_of_its_namespace_with_its_labels() -> None:
    """A tenant's pod that is labelled like an agent is none; another installation has its own."""
    usual = Installation()
    other = Installation(namespace="second", agent_pod_selector="app=agent,of=second")

    def pod(namespace: str, **labels: str) -> ObjectMeta:
        return ObjectMeta(
            name="x",
            namespace=namespace,
            labels={key.replace("_", "-"): text for key, text in labels.items()},
        )

    assert usual.has_agent(pod("kube-system", k8s_app="cilium", more="yes"))
    assert not usual.has_agent(pod("tenant", k8s_app="cilium"))
    assert not usual.has_agent(pod("kube-system", k8s_app="other"))
    assert other.has_agent(pod("second", app="agent", of="second"))
    assert not other.has_agent(pod("second", app="agent"))
    assert not other.has_agent(pod("second", k8s_app="cilium"))
