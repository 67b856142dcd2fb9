"""`ciliate config`: what it prints and what it refuses before asking the cluster."""

import pytest
from click.testing import CliRunner

from ciliate.cli.config import KeyNotSetError, command, render_settings
from ciliate.errors import SettingError


def test_view_sorts_keys_and_aligns_values_behind_the_longest() -> None:
    text = render_settings({"ipam-cilium-node-update-rate": "15s", "ipam": "kubernetes"})

    assert text == (
        "ipam                            kubernetes\nipam-cilium-node-update-rate    15s\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("routing-mod", "native", "did you mean routing-mode"),
        ("ipv4-native-routing-cidr", "10.244/16", "is no prefix"),
        ("ipam", "eni", "is not supported by this version"),
    ],
)
def test_set_refuses_what_no_agent_could_start_with(name: str, value: str, words: str) -> None:
    result = CliRunner().invoke(command, ["set", name, value])

    assert isinstance(result.exception, SettingError)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mtu", "its default is in force: '0'"),
        ("ipv4-native-routing-cdr", "did you mean ipv4-native-routing-cidr?"),
        ("external-envoy-proxy", "`ciliate config view` shows"),
    ],
)
def test_absent_key_is_explained(name: str, words: str) -> None:
    assert words in str(KeyNotSetError(name))
