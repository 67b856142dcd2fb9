"""`config/tunnel_settings.py`: how packets to other nodes are encapsulated, or that they are not."""

import pytest

from ciliate.config.settings import parse_agent_settings
from ciliate.config.tunnel_settings import TunnelSettings
from ciliate.errors import SettingError
from ciliate.net.tunnel import TunnelProtocol

BASE = {"enable-endpoint-routes": "true", "routing-mode": "tunnel"}


def tunnel(**texts: str) -> TunnelSettings | None:
    config = BASE | {name.replace("_", "-"): text for name, text in texts.items()}
    return parse_agent_settings(config).routing.tunnel


def test_tunnel_is_the_default_and_needs_no_native_routing_cidr() -> None:
    assert parse_agent_settings(
        {"enable-endpoint-routes": "true"}
    ).routing.tunnel == TunnelSettings(TunnelProtocol.VXLAN, 8472, (0, 0), 4)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"tunnel_protocol": "geneve"}, (TunnelProtocol.GENEVE, 6081, (0, 0), 4)),
        ({"tunnel_port": "4789"}, (TunnelProtocol.VXLAN, 4789, (0, 0), 4)),
        (
            {"tunnel_source_port_range": "40000-50000"},
            (TunnelProtocol.VXLAN, 8472, (40000, 50000), 4),
        ),
        (
            {"enable_ipv6": "true", "underlay_protocol": "ipv6"},
            (TunnelProtocol.VXLAN, 8472, (0, 0), 6),
        ),
        (
            {"enable_ipv4": "false", "enable_ipv6": "true"},
            (TunnelProtocol.VXLAN, 8472, (0, 0), 6),
        ),
    ],
)
def test_port_and_underlay_follow_from_what_is_set(
    texts: dict[str, str], expected: tuple[TunnelProtocol, int, tuple[int, int], int]
) -> None:
    assert tunnel(**texts) == TunnelSettings(*expected)


def test_overhead_is_that_of_the_underlay() -> None:
    over = {
        4: TunnelSettings(TunnelProtocol.VXLAN, 8472, (0, 0), 4).overhead,
        6: TunnelSettings(TunnelProtocol.GENEVE, 6081, (0, 0), 6).overhead,
    }
    assert over == {4: 50, 6: 70}


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({"auto_direct_node_routes": "true"}, "cannot be used with tunneling"),
        ({"tunnel_protocol": "ipip"}, "is not known"),
        ({"tunnel_port": "70000"}, "is out of range"),
        ({"underlay_protocol": "ipv5"}, "is not known"),
        ({"tunnel_source_port_range": "9-1"}, "is no rising range"),
        ({"direct_routing_skip_unreachable": "true"}, "has no meaning without"),
    ],
)
def test_wrong_values_name_key_and_remedy(texts: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingError, match=problem) as found:
        tunnel(**texts)
    assert found.value.remedy


def test_native_routing_has_no_tunnel_whatever_its_keys_say() -> None:
    config = BASE | {
        "routing-mode": "native",
        "ipv4-native-routing-cidr": "10.0.0.0/8",
        "tunnel-protocol": "geneve",
    }
    assert parse_agent_settings(config).routing.tunnel is None
