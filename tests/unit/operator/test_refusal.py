"""Settings that would stop agents or operator are found beforehand, by their own rules."""

import json
from importlib.resources import files

import pytest

from ciliate.operator.refusal import RefusedSettingsError, check_change

START: dict[str, str] = json.loads(
    files("ciliate.lab").joinpath("cilium-config.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("mtu", "576"),
        ("enable-endpoint-routes", "false"),
        ("routing-mode", "tunnel"),
    ],
)
def test_change_that_stops_agents_names_the_key(key: str, text: str) -> None:
    with pytest.raises(RefusedSettingsError, match=f"agents would not start.*{key}"):
        check_change(START, {**START, key: text})


def test_change_that_stops_the_operator_says_so() -> None:
    pool = {"ipam": "cluster-pool", "cluster-pool-ipv4-cidr": "10.0.0.0/8"}

    with pytest.raises(RefusedSettingsError, match=r"the operator would not start.*10\.0\.0\.0/8"):
        check_change(START, {**START, **pool, "cluster-pool-ipv4-mask-size": "4"})


def test_change_that_is_not_to_blame_passes() -> None:
    broken = {**START, "enable-endpoint-routes": "false"}

    check_change(broken, {**broken, "debug": "true"})


def test_change_that_repairs_passes() -> None:
    check_change({**START, "enable-endpoint-routes": "false"}, START)
