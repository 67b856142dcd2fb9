"""`config/service_settings.py`: what one key turns on with another, and what is refused."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from ciliate.config.service_settings import (
    Algorithm,
    NoBackendResponse,
    ServiceSettings,
    read_service_settings,
)
from ciliate.config.settings import parse_agent_settings
from ciliate.config.texts import Texts
from ciliate.errors import SettingError


def read(config: dict[str, str]) -> ServiceSettings:
    return read_service_settings(Texts(config))


def test_without_any_key_no_service_is_translated() -> None:
    settings = read({})

    assert not settings.replaces_kube_proxy
    assert not settings.sockets.enabled
    assert not settings.node_ports.enabled
    assert not settings.node_ports.protects_binds
    assert not settings.node_ports.answers_health_checks
    assert settings.healthz is None


def test_replacing_kube_proxy_turns_on_what_it_is_made_of() -> None:
    settings = read(
        {
            "kube-proxy-replacement": "true",
            "bpf-lb-sock": "false",
            "enable-session-affinity": "false",
        }
    )

    assert settings.replaces_kube_proxy
    assert settings.sockets.enabled
    assert settings.sockets.ends_in_pods
    assert not settings.sockets.ends_tcp
    assert settings.node_ports.enabled
    assert settings.node_ports.protects_binds
    assert settings.node_ports.answers_health_checks
    assert settings.selection.session_affinity


def test_sockets_alone_leave_the_rest_to_kube_proxy() -> None:
    settings = read({"bpf-lb-sock": "true"})

    assert settings.sockets.enabled
    assert not settings.replaces_kube_proxy
    assert not settings.node_ports.enabled


def test_defaults_are_cilium_s() -> None:
    settings = read({})

    assert (settings.node_ports.first, settings.node_ports.last) == (30000, 32767)
    assert settings.node_ports.reserves_range
    assert settings.selection.algorithm is Algorithm.RANDOM
    assert settings.selection.maglev_table_size == 16381
    assert len(settings.selection.maglev_seed) == 12
    assert settings.access.no_backend is NoBackendResponse.REJECT
    assert settings.access.checks_source_ranges
    assert not settings.access.external_ips_for_pods
    assert settings.access.loopback_v4 == IPv4Address("169.254.42.1")
    assert settings.access.loopback_v6 == IPv6Address("64:ff9b:1::a9fe:2a01")


def test_texts_become_values() -> None:
    settings = read(
        {
            "remote-node-port-scope": "outside",
            "nodeport-addresses": "192.168.10.0/24, fd00::/64",
            "kube-proxy-replacement-healthz-bind-address": "[::]:10256",
            "bpf-lb-algorithm": "maglev",
            "bpf-lb-maglev-table-size": "65521",
            "service-no-backend-response": "drop",
            "k8s-service-proxy-name": "ours",
        }
    )

    assert settings.node_ports.addresses == (
        IPv4Network("192.168.10.0/24"),
        IPv6Network("fd00::/64"),
    )
    assert settings.node_ports.remote_is_outside
    assert settings.healthz == ("::", 10256)
    assert settings.selection.algorithm is Algorithm.MAGLEV
    assert settings.selection.maglev_table_size == 65521
    assert settings.access.no_backend is NoBackendResponse.DROP
    assert settings.proxy_name == "ours"


def test_map_has_the_common_size_unless_its_own_is_named() -> None:
    sizes = read({"bpf-lb-map-max": "1000", "bpf-lb-affinity-map-max": "7"}).map_sizes

    assert (sizes.services, sizes.slots, sizes.source_ranges, sizes.maglev_tables) == (1000,) * 4
    assert sizes.affinities == 7


def test_endpoints_have_as_much_room_as_cilium_s_map_of_services_which_holds_them_too() -> None:
    assert read({"bpf-lb-service-map-max": "200000"}).map_sizes.slots == 200000
    assert read({"bpf-lb-service-backend-map-max": "200000"}).map_sizes.slots == 200000


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("bpf-lb-map-max", "0", "is out of range"),
        ("bpf-lb-map-max", "-1", "is out of range"),
        ("bpf-lb-maglev-map-max", "100000000", "is out of range"),
        ("bpf-lb-maglev-hash-seed", "c2hvcnQ=", "is no base64 of 12 octets"),
        ("bpf-lb-maglev-hash-seed", "not base64!", "is no base64 of 12 octets"),
        ("enable-health-check-loadbalancer-ip", "true", "is not supported by this version"),
        (
            "ipv6-service-loopback-address",
            "fe80::1",
            "is link-local: a pod's stack asks its link for it, and gets no answer",
        ),
    ],
)
def test_what_cannot_be_acted_on_is_refused_naming_key_and_remedy(
    key: str, value: str, problem: str
) -> None:
    with pytest.raises(SettingError) as caught:
        read({key: value})

    assert (caught.value.key, caught.value.value) == (key, value)
    assert caught.value.problem == problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("by_programs", "replaces", "of_stack", "of_services"),
    [
        ("true", "true", (32768, 65535), 32768),
        ("false", "false", (32768, 65535), 32768),
        ("false", "true", (32768, 57343), 57344),
    ],
)
def test_stack_and_programs_give_no_port_both(
    by_programs: str, replaces: str, of_stack: tuple[int, int], of_services: int
) -> None:
    """Neither sees what the other has given."""
    settings = parse_agent_settings(
        {
            "enable-ipv4-masquerade": "true",
            "enable-bpf-masquerade": by_programs,
            "kube-proxy-replacement": replaces,
            "enable-endpoint-routes": "true",
            "ipv4-native-routing-cidr": "10.244.0.0/16",
            "routing-mode": "native",
        }
    )

    assert settings.stack_ports == of_stack
    assert settings.service_port_min == of_services
