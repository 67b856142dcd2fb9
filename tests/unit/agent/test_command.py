"""`agent/command.py`: flags that are settings."""

import pytest
from click.testing import CliRunner

from ciliate.agent.command import FlagError, command, parse_overrides
from ciliate.errors import SettingError


def test_three_ways_to_write_a_setting() -> None:
    words = ("--mtu=1400", "--devices", "eth0,eth1", "--debug", "--ipam=kubernetes")

    assert parse_overrides(words) == {
        "mtu": "1400",
        "devices": "eth0,eth1",
        "debug": "true",
        "ipam": "kubernetes",
    }


def test_no_flags_are_no_settings() -> None:
    assert parse_overrides(()) == {}


def test_last_of_a_repeated_flag_counts() -> None:
    assert parse_overrides(("--mtu=1400", "--mtu", "1300")) == {"mtu": "1300"}


def test_value_may_hold_an_equals_sign_or_be_empty() -> None:
    assert parse_overrides(("--labels=k8s:app=x", "--devices=")) == {
        "labels": "k8s:app=x",
        "devices": "",
    }


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean enable-ipv4-masquerade") as wrong:
        parse_overrides(("--enable-ipv4-masquerad",))

    assert wrong.value.key == "enable-ipv4-masquerad"


def test_wrong_value_names_key_and_value() -> None:
    with pytest.raises(SettingError) as wrong:
        parse_overrides(("--mtu", "large"))

    assert (wrong.value.key, wrong.value.value) == ("mtu", "large")


@pytest.mark.parametrize("word", ["mtu=1400", "-mtu=1400", "--", "--=1400", "1400"])
def test_word_that_is_no_flag_is_refused(word: str) -> None:
    with pytest.raises(FlagError, match="write --key=value"):
        parse_overrides((word,))


def test_selector_of_agents_pods_that_nobody_can_read_is_refused() -> None:
    result = CliRunner().invoke(command, ["--agent-pod-selector", "k8s-app in (cilium)"])

    assert result.exit_code == 2
    assert "'k8s-app in (cilium)' is no selector: write KEY=VALUE" in result.output
