"""Device selection: Cilium's tests in Cilium's order, with its words."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from ciliate.config.settings import AgentSettings, parse_agent_settings
from ciliate.errors import SettingError
from ciliate.net.address import Mac
from ciliate.net.link import Link, LinkAddress, LinkFlag, LinkLayer, Route, RouteKind, RouteScope
from ciliate.node.device_selection import DeviceVerdict, choose_devices, select_devices

_UP = LinkFlag.UP | LinkFlag.BROADCAST | LinkFlag.LOWER_UP


def selected_names(verdicts: Iterable[DeviceVerdict]) -> tuple[str, ...]:
    return tuple(verdict.link.name for verdict in verdicts if verdict.selected)


def _link(
    index: int,
    name: str,
    address: str = "192.168.10.100/24",
    *,
    kind: str = "",
    flags: LinkFlag = _UP,
    master: int | None = None,
) -> Link:
    held: tuple[LinkAddress, ...] = ()
    if address:
        text, _, length = address.partition("/")
        held = (LinkAddress(index, ip_address(text), int(length)),)
    mac = Mac("02:00:00:00:00:01")
    return Link(index, name, flags, 1500, kind, mac, master_index=master, addresses=held)


def _route(destination: str, index: int, gateway: str | None = None) -> Route:
    return Route(
        destination=ip_network(destination),
        link_index=index,
        gateway=ip_address(gateway) if gateway else None,
        scope=RouteScope.UNIVERSE if gateway else RouteScope.LINK,
    )


_ROUTES = [
    _route("0.0.0.0/0", 2, "10.0.2.2"),
    _route("10.0.2.0/24", 2),
    _route("10.10.0.0/16", 3, "192.168.10.200"),
    _route("192.168.10.0/24", 3),
]


@pytest.mark.parametrize("kind", ["", "veth"])
def test_walk_through_node_has_eth0_and_eth1(kind: str) -> None:
    """In the lab both are veths; eth1 has no default route but leads to a router."""
    links = [
        _link(1, "lo", "127.0.0.1/8", flags=LinkFlag.UP | LinkFlag.LOOPBACK),
        _link(3, "eth1", kind=kind),
        _link(2, "eth0", "10.0.2.15/24", kind=kind),
        _link(4, "cilium_host", "10.244.0.93/32", kind="veth"),
    ]

    assert selected_names(select_devices(links, _ROUTES)) == ("eth0", "eth1")


@pytest.mark.parametrize(
    ("link", "routes", "reason"),
    [
        (_link(9, ""), [], "link not seen yet"),
        (_link(9, "eth9", ""), [], "device has no addresses"),
        (
            _link(9, "eth9", flags=LinkFlag.BROADCAST),
            [],
            "missing required flag (mask=0x1, flags=0x2)",
        ),
        (
            _link(9, "eth9", flags=LinkFlag.UP | LinkFlag.SLAVE),
            [],
            "excluded flag set (mask=0x808, flags=0x801)",
        ),
        (_link(9, "eth9", master=4), [], "bridged or bonded to ifindex 4"),
        (_link(9, "lxc0123456789ab"), [], 'excluded prefix "lxc"'),
        (_link(9, "cilium_host"), [], 'excluded prefix "cilium_"'),
        (_link(9, "docker0", kind="bridge"), [], 'excluded prefix "docker"'),
        (_link(9, "veth9", kind="veth"), [_route("10.1.0.0/16", 9)], "veth without default route"),
        (
            _link(9, "br9", kind="bridge"),
            [_route("10.1.0.0/16", 9)],
            "bridge-like device, use --devices to override",
        ),
        (
            replace(_link(9, "ib0"), layer=32),
            [_route("10.1.0.0/16", 9)],
            "neither Ethernet nor bare IP (link layer 32 of linux/if_arp.h)",
        ),
        (_link(9, "eth9"), [_route("169.254.0.0/16", 9)], "no global unicast routes"),
        (_link(9, "eth9"), [_route("fe80::/64", 9)], "no global unicast routes"),
    ],
)
def test_first_test_that_fails_is_the_reason(link: Link, routes: list[Route], reason: str) -> None:
    (verdict,) = select_devices([link], routes)

    assert (verdict.selected, verdict.reason) == (False, reason)
    assert verdict.is_unsupported == (link.name == "ib0")


@pytest.mark.parametrize("layer", [LinkLayer.NONE, LinkLayer.PPP, LinkLayer.SIT])
def test_devices_of_bare_ip_packets_are_selected(layer: LinkLayer) -> None:
    """A VPN's tun, WireGuard, a modem's ppp."""
    tunnel = replace(_link(9, "wg0"), layer=layer)

    assert selected_names(select_devices([tunnel], [_route("10.1.0.0/16", 9)])) == ("wg0",)
    assert (tunnel.is_ethernet, tunnel.is_bare) == (False, True)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["eth0"], ("eth0",)),
        (["eth+"], ("eth0", "eth1")),
        (["!eth0", "eth+"], ("eth1",)),
        (["eth+", "!eth0"], ("eth0", "eth1")),  # The first that fits decides.
        (["br0"], ("br0",)),
    ],
)
def test_named_devices_are_selected_without_further_tests(
    patterns: list[str], expected: tuple[str, ...]
) -> None:
    links = [
        _link(2, "eth0", "10.0.2.15/24"),
        _link(3, "eth1"),
        _link(4, "br0", "10.9.0.1/24", kind="bridge"),
    ]

    assert selected_names(select_devices(links, _ROUTES, patterns=patterns)) == expected


def test_forced_detection_adds_to_named_devices_but_not_what_they_exclude() -> None:
    links = [
        _link(2, "eth0", "10.0.2.15/24"),
        _link(3, "eth1"),
        _link(4, "br0", "10.9.0.1/24", kind="bridge"),
    ]

    verdicts = select_devices(links, _ROUTES, patterns=["br0", "!eth0"], force=True)

    assert selected_names(verdicts) == ("br0", "eth1")


def test_device_that_no_pattern_names_says_so() -> None:
    (verdict,) = select_devices([_link(3, "eth1")], _ROUTES, patterns=["eth0", "br+"])

    assert verdict.reason == "not matching user filter [eth0 br+]"


@pytest.mark.parametrize(
    "destination", ["0.0.0.0/0", "::/0", "10.0.0.0/8", "128.0.0.0/1", "2001:db8::/32"]
)
def test_route_to_where_others_are_makes_a_device(destination: str) -> None:
    (verdict,) = select_devices([_link(9, "eth9")], [_route(destination, 9)])

    assert (verdict.selected, verdict.reason) == (True, "")


def test_route_that_sends_nothing_makes_no_device() -> None:
    unreachable = replace(_route("10.0.0.0/8", 9), kind=RouteKind.UNREACHABLE)

    (verdict,) = select_devices([_link(9, "eth9")], [unreachable])

    assert verdict.reason == "no global unicast routes"


def test_veth_is_detected_beside_named_devices_without_a_default_route() -> None:
    links = [_link(3, "eth1"), _link(9, "veth9", kind="veth")]
    routes = [*_ROUTES, _route("10.1.0.0/16", 9)]

    verdicts = select_devices(links, routes, patterns=["eth1"], force=True)

    assert selected_names(verdicts) == ("eth1", "veth9")


def test_beginning_of_a_name_must_be_the_whole_beginning() -> None:
    links = [_link(3, "eth1"), _link(4, "ens1"), _link(5, "et")]

    verdicts = select_devices(links, _ROUTES, patterns=["eth+"])

    assert selected_names(verdicts) == ("eth1",)


def _settings(**changed: str) -> AgentSettings:
    needed = {
        "ipam": "kubernetes",
        "routing-mode": "native",
        "ipv4-native-routing-cidr": "10.244.0.0/16",
        "enable-bpf-masquerade": "true",
        "enable-endpoint-routes": "true",
    }
    return parse_agent_settings(needed | {key.replace("_", "-"): changed[key] for key in changed})


_LINKS = (
    _link(1, "lo", "127.0.0.1/8", flags=LinkFlag.UP | LinkFlag.LOOPBACK),
    _link(2, "eth0", "10.0.2.15/24"),
    _link(3, "eth1"),
)


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [
        ("", ("eth0", "eth1")),
        ("eth1", ("eth1",)),
        ("eth+", ("eth0", "eth1")),
        ("!eth7 eth0", ("eth0",)),
        ("ens+ eth0", ("eth0",)),
    ],
)
def test_devices_are_chosen_by_the_settings_or_detected(
    devices: str, chosen: tuple[str, ...]
) -> None:
    verdicts = choose_devices(_LINKS, tuple(_ROUTES), _settings(devices=devices))

    assert selected_names(verdicts) == chosen
    assert len(verdicts) == len(_LINKS)


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [("eth1", ("eth0", "eth1")), ("!eth0", ("eth1",)), ("", ("eth0", "eth1"))],
)
def test_setting_detects_devices_beside_those_that_are_named(
    devices: str, chosen: tuple[str, ...]
) -> None:
    settings = _settings(devices=devices, force_device_detection="true")

    assert selected_names(choose_devices(_LINKS, tuple(_ROUTES), settings)) == chosen


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("devices", {"devices": "eth0 eth7"}),
        ("direct-routing-device", {"direct_routing_device": "eth7"}),
    ],
)
def test_device_that_does_not_exist_is_refused_with_those_that_do(
    key: str, settings: dict[str, str]
) -> None:
    with pytest.raises(SettingError, match="choose of eth0, eth1, or") as caught:
        choose_devices(_LINKS, tuple(_ROUTES), _settings(**settings))

    assert (caught.value.key, caught.value.value) == (key, "eth7")


def test_settings_that_leave_no_device_are_refused_with_the_reason_of_each() -> None:
    links = (_link(2, "eth0", ""), _link(3, "eth1", flags=LinkFlag.BROADCAST))

    with pytest.raises(SettingError) as caught:
        choose_devices(links, tuple(_ROUTES), _settings(devices="eth+"))

    assert (caught.value.key, caught.value.value) == ("devices", "eth+")
    assert "(eth0: device has no addresses; eth1: missing required flag" in str(caught.value)
