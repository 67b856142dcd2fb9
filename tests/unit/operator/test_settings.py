import pytest

from ciliate.errors import SettingError
from ciliate.operator.settings import operator_keys, parse_operator_settings


def test_defaults_are_those_of_the_walk_through() -> None:
    settings = parse_operator_settings({})

    assert settings.endpoint_gc.interval_s == 300
    assert settings.node_gc.interval_s == 300
    assert settings.identity_gc.interval_s == 900
    assert settings.identity_gc.timeout_s == 1800
    assert settings.readiness.taint_key == "node.cilium.io/agent-not-ready"
    assert settings.readiness.remove_taint
    balancers = settings.load_balancer_ipam
    assert (balancers.enabled, balancers.takes_classless, balancers.versions) == (True, True, (4,))


def test_texts_of_the_config_map_are_read() -> None:
    settings = parse_operator_settings(
        {
            "identity-gc-interval": "1m30s",
            "set-cilium-is-up-condition": "false",
            "enable-lb-ipam": "false",
            "default-lb-service-ipam": "none",
        }
    )

    assert settings.identity_gc.interval_s == 90
    assert not settings.readiness.set_condition
    assert not settings.load_balancer_ipam.enabled
    assert not settings.load_balancer_ipam.takes_classless


def test_a_wrong_duration_names_key_value_and_remedy() -> None:
    with pytest.raises(SettingError, match=r"nodes-gc-interval: 'soon' is no duration"):
        parse_operator_settings({"nodes-gc-interval": "soon"})


def test_a_mistake_in_a_key_of_the_agent_does_not_stop_the_operator() -> None:
    parse_operator_settings({"bpf-nat-global-max": "many"})


def test_every_key_of_the_operator_shows_in_its_effective_settings() -> None:
    assert set(parse_operator_settings({}).effective) == {key.name for key in operator_keys()}
