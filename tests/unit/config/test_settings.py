"""`config/settings.py`: a wrong setting is reported with key, value and remedy."""

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

import ciliate.lab
from ciliate.config.datapath_defaults import SNAT_PORT_MAX, SNAT_PORT_MIN
from ciliate.config.settings import parse_agent_settings
from ciliate.errors import SettingError

WALK_THROUGH = json.loads(
    (Path(ciliate.lab.__file__).parent / "cilium-config.json").read_text(encoding="utf-8")
)


def test_walk_through_settings_are_understood() -> None:
    settings = parse_agent_settings(WALK_THROUGH)

    assert settings.ipam.versions == (4,)
    assert settings.routing.native_v4 == IPv4Network("10.244.0.0/16")
    assert settings.masquerade.ipv4
    assert not settings.masquerade.ipv6  # IPv6 is off, whatever its masquerading says.
    assert (settings.masquerade.port_min, settings.masquerade.port_max) == (
        SNAT_PORT_MIN,
        SNAT_PORT_MAX,
    )


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("ipam", "clusterpool", "ipam: 'clusterpool' is not known"),
        ("ipv4-native-routing-cidr", "10.244.0.0/99", "is no prefix"),
        ("ipv4-native-routing-cidr", "10.244.0.1/16", "zero host bits"),
        ("ipv4-native-routing-cidr", "fd00::/64", "give an IPv4 one"),
        ("ipv4-native-routing-cidr", "", "must be configured in combination with"),
        ("enable-ipv4", "maybe", "is no boolean"),
        ("enable-ipv4", "false", "leaves pods without any address family"),
        ("mtu", "big", "is no whole number"),
        ("node-port-range", "30000,65535", "leaves no port"),
        ("egress-masquerade-interfaces", 'eth0" accept', "is no name of a device"),
        ("egress-masquerade-interfaces", "wl*", "is no name of a device"),
        ("enable-endpoint-routes", "false", "route of its own"),
        ("mtu", "576", "between 1280 and 65520"),
        ("bpf-nat-global-max", "-5", "out of range"),
        ("bpf-map-dynamic-size-ratio", "2.5", "is no share"),
        ("bpf-map-dynamic-size-ratio", "-0.1", "is no share"),
        ("bpf-map-dynamic-size-ratio", "nan", "is no share"),
    ],
)
def test_wrong_value_names_key_value_and_remedy(key: str, value: str, problem: str) -> None:
    with pytest.raises(SettingError, match=": ") as caught:
        parse_agent_settings({**WALK_THROUGH, key: value})

    assert caught.value.key == key
    assert problem in str(caught.value)
    assert caught.value.remedy


def test_ip_masq_agent_is_off_unless_asked_for_and_has_the_usual_file() -> None:
    off = parse_agent_settings(WALK_THROUGH)
    on = parse_agent_settings({**WALK_THROUGH, "enable-ip-masq-agent": "true"})

    assert off.masquerade.agent_file is None
    assert on.masquerade.agent_file == "/etc/config/ip-masq-agent"


def test_ip_masq_agents_ranges_do_instead_of_a_native_routing_cidr() -> None:
    settings = parse_agent_settings(
        {**WALK_THROUGH, "enable-ip-masq-agent": "true", "ipv4-native-routing-cidr": ""}
    )

    assert settings.routing.native_v4 is None


def test_masquerading_is_the_programs_where_the_walk_through_asks_for_it() -> None:
    settings = parse_agent_settings(WALK_THROUGH)

    assert not settings.masquerade.by_stack
    assert not settings.stack_routed


def test_without_bpf_masquerading_the_stack_masquerades_and_routes() -> None:
    settings = parse_agent_settings(
        {
            **WALK_THROUGH,
            "enable-bpf-masquerade": "false",
            "egress-masquerade-interfaces": "eth0, wl+",
            "iptables-random-fully": "true",
            "enable-masquerade-to-route-source": "true",
        }
    )

    assert settings.masquerade.by_stack
    assert settings.stack_routed
    assert settings.masquerade.interfaces == ("eth0", "wl*")
    assert settings.masquerade.random_fully
    assert settings.masquerade.to_route_source


def test_where_nothing_is_masqueraded_nothing_needs_the_stack() -> None:
    off = {"enable-bpf-masquerade": "false", "enable-ipv4-masquerade": "false"}

    assert not parse_agent_settings({**WALK_THROUGH, **off}).stack_routed


DELEGATED = {
    **WALK_THROUGH,
    "ipam": "delegated-plugin",
    "custom-cni-conf": "true",
    "local-router-ipv4": "169.254.23.1",
}


def test_delegated_plugin_with_a_router_address_is_understood() -> None:
    settings = parse_agent_settings(DELEGATED)

    assert settings.ipam.mode == "delegated-plugin"
    assert not settings.cni.conflist_path
    assert not settings.cni.stack_routed


@pytest.mark.parametrize(
    ("key", "changes", "problem"),
    [
        (
            "local-router-ipv4",
            {"local-router-ipv4": ""},
            "--local-router-ipv4 must be provided when IPv4 is enabled",
        ),
        (
            "local-router-ipv6",
            {"enable-ipv6": "true", "ipv6-native-routing-cidr": "fd00::/48"},
            "--local-router-ipv6 must be provided when IPv6 is enabled",
        ),
        ("custom-cni-conf", {"custom-cni-conf": "false"}, "the IPAM plugin's settings"),
    ],
)
def test_delegated_plugin_asks_for_what_the_agent_cannot_know(
    key: str, changes: dict[str, str], problem: str
) -> None:
    with pytest.raises(SettingError) as caught:
        parse_agent_settings({**DELEGATED, **changes})

    assert caught.value.key == key
    assert problem in str(caught.value)
    assert caught.value.remedy


def test_chaining_needs_a_target_or_a_list_of_the_users() -> None:
    chained = {**WALK_THROUGH, "cni-chaining-mode": "generic-veth"}

    with pytest.raises(SettingError) as caught:
        parse_agent_settings(chained)
    assert caught.value.key == "cni-chaining-target"

    assert parse_agent_settings({**chained, "cni-chaining-target": "*"}).cni.stack_routed
    assert parse_agent_settings({**chained, "custom-cni-conf": "true"}).cni.stack_routed


def test_one_table_is_as_large_as_the_larger_of_cilium_s_two() -> None:
    nat, tracked = {"bpf-nat-global-max": "8192"}, {"bpf-ct-global-tcp-max": "2048"}

    assert parse_agent_settings({**WALK_THROUGH, **nat, **tracked}).kernel.connections_max == 4096
    assert parse_agent_settings({**WALK_THROUGH, **tracked}).kernel.connections_max == 65536


def test_memory_sizes_the_table_unless_a_setting_does() -> None:
    ratio = {**WALK_THROUGH, "bpf-map-dynamic-size-ratio": "0.005"}
    named = {"bpf-nat-global-max": "1048576", "bpf-ct-global-tcp-max": "1024"}
    memory_bytes = 32 << 30

    assert parse_agent_settings(WALK_THROUGH).kernel.connections_max == 65536
    by_memory = parse_agent_settings(ratio, memory_bytes=memory_bytes)
    assert by_memory.kernel.connections_max == (32 << 30) * 5 // 1000 // 384
    by_name = parse_agent_settings({**ratio, **named}, memory_bytes=memory_bytes)
    assert by_name.kernel.connections_max == 1048576 // 2


def test_lifetimes_are_cilium_s_but_udp_lives_as_long_as_rfc_4787_asks() -> None:
    standard = parse_agent_settings(WALK_THROUGH).kernel.lifetimes
    assert (standard.tcp_s, standard.tcp_syn_s, standard.tcp_closed_s) == (8000, 60, 10)
    assert (standard.udp_s, standard.any_s) == (120, 60)

    chosen = parse_agent_settings(
        {
            **WALK_THROUGH,
            "bpf-ct-timeout-regular-tcp": "1h",
            "bpf-ct-timeout-regular-any": "90s",
        }
    ).kernel.lifetimes
    assert (chosen.tcp_s, chosen.udp_s, chosen.any_s) == (3600, 90, 90)
