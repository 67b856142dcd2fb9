"""The node's tunnel device, in a real namespace."""

import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.netlink.kernel import ip, link_names, namespaces, run

from ciliate.net.tunnel import TunnelProtocol
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.sysctl import has_ipv6, read_sysctl
from ciliate.netlink.tunnel_errors import (
    TunnelDeviceMissingError,
    TunnelNameTakenError,
    TunnelPortInUseError,
    TunnelSourcePortsError,
)
from ciliate.netlink.tunnel_link import (
    TunnelLink,
    ensure_tunnel_link,
    observe_tunnel_link,
    remove_tunnel_links,
)

VXLAN = TunnelLink(
    protocol=TunnelProtocol.VXLAN, port=8472, mtu=1500, underlay_version=4, ipv6=True
)
GENEVE = replace(VXLAN, protocol=TunnelProtocol.GENEVE, port=6081)


@pytest.fixture
async def rtnl(node: str) -> AsyncIterator[Rtnetlink]:
    async with Rtnetlink.open(node) as opened:
        yield opened


@pytest.fixture(scope="module")
def has_geneve() -> bool:
    """Whether `ip` can make a geneve device on this kernel."""
    with namespaces(1) as (netns,):
        words = ("ip", "link", "add", "probe", "type", "geneve", "external")
        done = subprocess.run(
            ["nsenter", f"--net={netns}", *words], check=False, capture_output=True, text=True
        )
    assert done.returncode == 0 or "Unknown device type" in done.stderr
    return done.returncode == 0


@pytest.fixture(params=[VXLAN, GENEVE], ids=["vxlan", "geneve"])
def link(request: pytest.FixtureRequest, *, has_geneve: bool) -> TunnelLink:
    """A device of each protocol that this kernel has."""
    wanted: TunnelLink = request.param
    if wanted.protocol is TunnelProtocol.GENEVE and not has_geneve:
        pytest.skip("needs geneve devices (CONFIG_GENEVE)")
    return wanted


def shown(node: str, link: TunnelLink) -> dict[str, Any]:
    """The device as `ip -d link` shows it."""
    (found,) = json.loads(ip(node, "-j", "-d", "link", "show", f"cilium_{link.protocol}"))
    return dict(found)


def made_with(node: str, link: TunnelLink) -> dict[str, Any]:
    return dict(shown(node, link)["linkinfo"]["info_data"])


def add(node: str, name: str, *words: str) -> None:
    ip(node, "link", "add", name, "type", *words)


@asynccontextmanager
async def udp_socket(
    rtnl: Rtnetlink, family: socket.AddressFamily, port: int
) -> AsyncIterator[None]:
    """Hold a UDP port of the node with a socket that listens on any address of a family."""
    with await rtnl.run(lambda _: socket.socket(family, socket.SOCK_DGRAM)) as held:
        if family is socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held.bind(("", port))
        yield


async def setting(rtnl: Rtnetlink, name: str) -> str:
    return await rtnl.run(lambda _: read_sysctl(name))


async def test_device_is_made_as_a_program_needs_it(
    rtnl: Rtnetlink, node: str, link: TunnelLink
) -> None:
    made = await ensure_tunnel_link(rtnl, replace(link, mtu=1430))

    found = shown(node, link)
    assert found["linkinfo"]["info_kind"] == link.protocol
    assert (found["ifindex"], found["address"]) == (made.index, made.mac)
    assert (found["mtu"], found["inet6_addr_gen_mode"]) == (1430, "none")
    assert {"UP", "LOWER_UP"} <= set(found["flags"])
    # Chosen by the kernel: locally administered, of one device (IEEE 802, bits 0 and 1).
    assert int(made.mac[:2], 16) & 3 == 2
    assert made_with(node, link)["external"]
    assert made_with(node, link)["port"] == link.port
    assert "inet" not in ip(node, "addr", "show", "dev", f"cilium_{link.protocol}")


async def test_vxlan_neither_learns_nor_chooses_source_ports(rtnl: Rtnetlink, node: str) -> None:
    await ensure_tunnel_link(rtnl, VXLAN)

    found = made_with(node, VXLAN)
    assert found["learning"] is False
    assert (found["port_range"]["low"], found["port_range"]["high"]) == (0, 0)
    assert found["udp_zero_csum6_rx"] is False


async def test_device_has_the_settings_of_packets_that_pass_through(
    rtnl: Rtnetlink, link: TunnelLink
) -> None:
    await ensure_tunnel_link(rtnl, link)

    wanted = {
        "ipv4": {"rp_filter": "0", "forwarding": "1", "send_redirects": "0"},
        "ipv6": {"disable_ipv6": "0", "forwarding": "1", "accept_ra": "0"},
    }
    assert has_ipv6()
    for family, settings in wanted.items():
        for key, value in settings.items():
            name = f"net/{family}/conf/cilium_{link.protocol}/{key}"
            assert await setting(rtnl, name) == value, name


async def test_second_call_changes_nothing(rtnl: Rtnetlink, node: str, link: TunnelLink) -> None:
    made = await ensure_tunnel_link(rtnl, link)
    before = shown(node, link)

    again = await ensure_tunnel_link(rtnl, link)

    assert again == made
    assert shown(node, link) == before
    assert await observe_tunnel_link(rtnl, link.protocol) == made


async def test_mtu_settings_and_state_are_made_right_in_place(
    rtnl: Rtnetlink, node: str, link: TunnelLink
) -> None:
    made = await ensure_tunnel_link(rtnl, link)
    name = f"cilium_{link.protocol}"
    run("nsenter", f"--net={node}", "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=1")
    ip(node, "link", "set", name, "down")

    again = await ensure_tunnel_link(rtnl, replace(link, mtu=8950))

    assert again == made
    assert shown(node, link)["mtu"] == 8950
    assert "UP" in shown(node, link)["flags"]
    assert await setting(rtnl, f"net.ipv4.conf.{name}.rp_filter") == "0"


async def test_device_comes_without_ipv6_at_an_mtu_that_ipv6_does_not_have(
    rtnl: Rtnetlink, node: str, link: TunnelLink
) -> None:
    await ensure_tunnel_link(rtnl, replace(link, mtu=1200, ipv6=False))

    assert shown(node, link)["mtu"] == 1200

    await ensure_tunnel_link(rtnl, replace(link, mtu=1500, ipv6=True))

    assert await setting(rtnl, f"net.ipv6.conf.cilium_{link.protocol}.forwarding") == "1"


async def test_device_with_another_port_is_replaced(
    rtnl: Rtnetlink, node: str, link: TunnelLink
) -> None:
    made = await ensure_tunnel_link(rtnl, link)

    moved = await ensure_tunnel_link(rtnl, replace(link, port=7777))

    assert moved.index != made.index
    assert made_with(node, link)["port"] == 7777
    assert await ensure_tunnel_link(rtnl, replace(link, port=7777)) == moved


async def test_device_with_other_source_ports_is_replaced(rtnl: Rtnetlink, node: str) -> None:
    made = await ensure_tunnel_link(rtnl, VXLAN)
    ranged = replace(VXLAN, source_ports=(40000, 40999))

    moved = await ensure_tunnel_link(rtnl, ranged)

    assert moved.index != made.index
    assert made_with(node, VXLAN)["port_range"] == {"low": 40000, "high": 40999}
    assert await ensure_tunnel_link(rtnl, ranged) == moved


async def test_geneve_has_the_range_or_says_that_it_takes_none(
    rtnl: Rtnetlink, node: str, *, has_geneve: bool
) -> None:
    """Linux has it since 6.15; one before passes over the attribute in silence."""
    if not has_geneve:
        pytest.skip("needs geneve devices (CONFIG_GENEVE)")
    ranged = replace(GENEVE, source_ports=(40000, 40999))
    refusal = None
    try:
        made = await ensure_tunnel_link(rtnl, ranged)
    except TunnelSourcePortsError as error:
        refusal = error

    if refusal is None:
        assert await ensure_tunnel_link(rtnl, ranged) == made
    else:
        assert refusal.source_ports == (40000, 40999)
        assert "tunnel-source-port-range: 40000-40999" in str(refusal)
        assert link_names(node) == {"lo"}


@pytest.mark.parametrize(
    "words",
    [
        ("bridge",),
        ("vxlan", "id", "7", "remote", "192.0.2.1", "dstport", "8472", "nolearning"),
        ("vxlan", "external", "dstport", "8472", "learning"),
        ("vxlan", "external", "dstport", "8472", "nolearning", "gbp"),
        ("vxlan", "external", "dstport", "8472", "nolearning", "gpe"),
        ("vxlan", "external", "dstport", "8472", "nolearning", "vnifilter"),
    ],
    ids=["bridge", "remote", "learning", "gbp", "gpe", "vnifilter"],
)
async def test_other_device_by_the_name_is_replaced(
    rtnl: Rtnetlink, node: str, words: tuple[str, ...]
) -> None:
    add(node, "cilium_vxlan", *words)
    before = shown(node, VXLAN)["ifindex"]

    made = await ensure_tunnel_link(rtnl, VXLAN)

    assert made.index != before
    found = made_with(node, VXLAN)
    assert (found["external"], found["learning"], found["port"]) == (True, False, 8472)
    assert await ensure_tunnel_link(rtnl, VXLAN) == made


async def test_right_device_of_another_maker_is_kept(rtnl: Rtnetlink, node: str) -> None:
    add(node, "cilium_vxlan", "vxlan", "external", "dstport", "8472", "nolearning")
    before = shown(node, VXLAN)["ifindex"]

    assert (await ensure_tunnel_link(rtnl, VXLAN)).index == before


async def test_device_by_the_name_that_cannot_be_removed_is_named(
    rtnl: Rtnetlink, node: str
) -> None:
    ip(node, "link", "set", "lo", "name", "cilium_vxlan")

    with pytest.raises(TunnelNameTakenError, match=r"cilium_vxlan is hardware.*rename it"):
        await ensure_tunnel_link(rtnl, VXLAN)


async def test_ipv6_underlay_takes_packets_without_checksums(
    rtnl: Rtnetlink, node: str, link: TunnelLink
) -> None:
    await ensure_tunnel_link(rtnl, link)
    over_6 = replace(link, underlay_version=6)

    made = await ensure_tunnel_link(rtnl, over_6)

    assert made_with(node, link)["udp_zero_csum6_rx"] is True
    assert await ensure_tunnel_link(rtnl, over_6) == made
    listening = run("nsenter", f"--net={node}", "ss", "-Huln", f"sport = {link.port}").splitlines()
    assert sorted(line.split()[3] for line in listening) == [
        f"0.0.0.0:{link.port}",
        f"[::]:{link.port}",
    ]
    # It serves an IPv4 underlay, too: nothing is cut off when the setting changes back.
    assert await ensure_tunnel_link(rtnl, link) == made


async def test_other_protocols_device_is_removed(
    rtnl: Rtnetlink, node: str, *, has_geneve: bool
) -> None:
    add(node, "cilium_geneve", *(("geneve", "external") if has_geneve else ("vxlan", "id", "5")))

    await ensure_tunnel_link(rtnl, VXLAN)

    assert link_names(node) == {"lo", "cilium_vxlan"}


async def test_protocol_changes_on_the_same_port(
    rtnl: Rtnetlink, node: str, *, has_geneve: bool
) -> None:
    if not has_geneve:
        pytest.skip("needs geneve devices (CONFIG_GENEVE)")
    for protocol in (TunnelProtocol.VXLAN, TunnelProtocol.GENEVE, TunnelProtocol.VXLAN):
        await ensure_tunnel_link(rtnl, replace(VXLAN, protocol=protocol))
        assert link_names(node) == {"lo", f"cilium_{protocol}"}


async def test_device_that_only_has_the_other_protocols_name_stays(
    rtnl: Rtnetlink, node: str
) -> None:
    add(node, "cilium_geneve", "bridge")

    await ensure_tunnel_link(rtnl, VXLAN)

    assert link_names(node) == {"lo", "cilium_vxlan", "cilium_geneve"}


async def test_kernel_without_geneve_says_so_and_keeps_the_tunnel_that_it_has(
    rtnl: Rtnetlink, node: str, *, has_geneve: bool
) -> None:
    if has_geneve:
        pytest.skip("needs a kernel without geneve devices")
    standing = await ensure_tunnel_link(rtnl, VXLAN)

    with pytest.raises(TunnelDeviceMissingError) as caught:
        await ensure_tunnel_link(rtnl, GENEVE)

    assert caught.value.kind is TunnelProtocol.GENEVE
    assert "the kernel has no geneve device: load the module geneve (CONFIG_GENEVE)" in str(
        caught.value
    )
    assert "set tunnel-protocol: vxlan" in str(caught.value)
    assert await observe_tunnel_link(rtnl, TunnelProtocol.VXLAN) == standing
    assert await observe_tunnel_link(rtnl, TunnelProtocol.GENEVE) is None


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_port_that_a_socket_has_is_named_and_no_device_is_left(
    rtnl: Rtnetlink, node: str, link: TunnelLink, family: socket.AddressFamily
) -> None:
    async with udp_socket(rtnl, family, link.port):
        with pytest.raises(TunnelPortInUseError) as caught:
            await ensure_tunnel_link(rtnl, link)
        assert link_names(node) == {"lo"}

    assert (caught.value.port, caught.value.holder) == (link.port, "")
    assert f"UDP port {link.port} of the tunnel is in use by another socket" in str(caught.value)
    assert "set tunnel-port" in str(caught.value)
    await ensure_tunnel_link(rtnl, link)
    assert link_names(node) == {"lo", f"cilium_{link.protocol}"}


@pytest.mark.parametrize(
    "words",
    [
        ("external", "nolearning"),  # Refused when ours is made.
        ("external", "udp6zerocsumrx"),  # When ours comes up: the sockets differ.
        ("id", "1", "remote", "192.0.2.1"),  # As flannel's.
    ],
    ids=["when-made", "when-up", "flannel"],
)
async def test_port_that_another_vxlan_has_is_named_with_that_device(
    rtnl: Rtnetlink, node: str, words: tuple[str, ...]
) -> None:
    add(node, "bridge-of-port", "bridge")
    add(node, "flannel.1", "vxlan", *words, "dstport", "8472")
    ip(node, "link", "set", "flannel.1", "up")

    with pytest.raises(TunnelPortInUseError, match=r"by the device flannel\.1: remove") as caught:
        await ensure_tunnel_link(rtnl, VXLAN)

    assert (caught.value.port, caught.value.holder) == (8472, "flannel.1")
    assert link_names(node) == {"lo", "bridge-of-port", "flannel.1"}
    await ensure_tunnel_link(rtnl, replace(VXLAN, port=8473))


@pytest.mark.parametrize(
    "words", [("external",), ("id", "1", "remote", "192.0.2.1")], ids=["external", "remote"]
)
async def test_port_that_another_geneve_has_is_named_with_that_device(
    rtnl: Rtnetlink, node: str, words: tuple[str, ...], *, has_geneve: bool
) -> None:
    if not has_geneve:
        pytest.skip("needs geneve devices (CONFIG_GENEVE)")
    add(node, "other", "geneve", *words, "dstport", "6081")

    with pytest.raises(TunnelPortInUseError) as caught:
        await ensure_tunnel_link(rtnl, GENEVE)

    assert (caught.value.port, caught.value.holder) == (6081, "other")
    assert link_names(node) == {"lo", "other"}


async def test_port_of_a_vxlan_that_was_moved_away_is_in_use_by_nobody_in_sight(
    rtnl: Rtnetlink, node: str, pods: list[str]
) -> None:
    add(node, "moved", "vxlan", "external", "nolearning", "dstport", "8472")
    ip(node, "link", "set", "moved", "netns", pods[0].rsplit("/", 1)[1])

    with pytest.raises(TunnelPortInUseError) as caught:
        await ensure_tunnel_link(rtnl, VXLAN)

    assert caught.value.holder == ""
    assert link_names(node) == {"lo"}


async def test_both_devices_are_removed_and_absent_ones_are_a_success(
    rtnl: Rtnetlink, node: str
) -> None:
    await ensure_tunnel_link(rtnl, VXLAN)
    add(node, "cilium_geneve", "vxlan", "id", "5", "dstport", "6081")
    add(node, "other", "vxlan", "id", "6", "dstport", "6082")

    await remove_tunnel_links(rtnl)
    await remove_tunnel_links(rtnl)

    assert link_names(node) == {"lo", "other"}
    assert await observe_tunnel_link(rtnl, TunnelProtocol.VXLAN) is None


async def test_removal_leaves_what_is_no_tunnel_and_names_it(rtnl: Rtnetlink, node: str) -> None:
    await ensure_tunnel_link(rtnl, VXLAN)
    add(node, "cilium_geneve", "bridge")

    with pytest.raises(TunnelNameTakenError, match="cilium_geneve is of kind bridge") as caught:
        await remove_tunnel_links(rtnl)

    assert (caught.value.name, caught.value.kind) == ("cilium_geneve", "bridge")
    assert link_names(node) == {"lo", "cilium_geneve"}
    assert await observe_tunnel_link(rtnl, TunnelProtocol.GENEVE) is None
