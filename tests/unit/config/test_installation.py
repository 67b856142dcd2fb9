"""Selectors of an installation's pods, as labels."""

import pytest

from ciliate.config.installation import Installation, parse_selector


def test_every_selector_of_ours_is_one() -> None:
    names = Installation()

    assert parse_selector(names.agent_pod_selector) == {"k8s-app": "cilium"}
    assert parse_selector("a=b, c/d=") == {"a": "b", "c/d": ""}


@pytest.mark.parametrize("text", ["", "a", "a!=b", "a==b", "=b", "a in (b)"])
def test_other_selectors_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="write KEY=VALUE"):
        parse_selector(text)
