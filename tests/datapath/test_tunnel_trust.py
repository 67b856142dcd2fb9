"""The tunnel, packet by packet: whom nodes believe, and who may not pose as one of them."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from tests.datapath.harness import DEADLINE_S
from tests.datapath.node_rig import IN, OK, REDIRECT, SHOT
from tests.datapath.tunnel_families import V4, V6, Family
from tests.datapath.tunnel_rig import (
    INNER,
    REMOTE_IDENTITY,
    SETTINGS,
    TUNNEL_PORT,
    Build,
    Tunnel,
    stack_route,
)

from ciliate.datapath.layout import (
    AttachPoint,
    DropReason,
    EndpointFlag,
    InterfaceFlag,
)

pytest_plugins = ("tests.datapath.tunnel_fixtures",)

ASK = UDP(sport=1000, dport=53) / Raw(b"ask")
FORWARDED = {DropReason.FORWARDED: 1}
BROADCAST = "192.168.10.255"
WEB = "10.96.0.20"
SEED = 20
#: How long is waited for what does not come yet.
SOON_S = 0.5
INSIDE = pytest.mark.parametrize("inside", [V4, V6], ids=["v4 inside", "v6 inside"])


class Refused(NamedTuple):
    """What another node sends that it may not, and why it is dropped."""

    name: str
    reason: DropReason
    inner: Callable[[Family], Any]  # With its Ethernet header.
    vni: int = REMOTE_IDENTITY
    outer: str = "other_node"  # By whose address it comes.


def _packet(source: str, destination: str = "pod") -> Callable[[Family], Any]:
    def built(inside: Family) -> Any:
        ends = {"src": getattr(inside, source), "dst": getattr(inside, destination)}
        return INNER / inside.ip(**ends) / ASK

    return built


def _tagged(inside: Family) -> Any:
    packet = _packet("remote_pod")(inside).payload
    return INNER / Dot1Q(vlan=7) / packet


def _arp(inside: Family) -> Any:
    return Ether(src=INNER.src, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=V4.remote_pod)


REFUSED = [
    Refused("of a stranger", DropReason.DROP_UNKNOWN_SENDER, _packet("remote_pod"), outer="world"),
    Refused("of a pod", DropReason.DROP_UNKNOWN_SENDER, _packet("remote_pod"), outer="remote_pod"),
    Refused("of a pod here", DropReason.DROP_UNKNOWN_SENDER, _packet("remote_pod"), outer="pod"),
    Refused("of this node", DropReason.DROP_UNKNOWN_SENDER, _packet("remote_pod"), outer="node"),
    Refused("for a host", DropReason.DROP_INVALID_IDENTITY, _packet("remote_pod"), vni=1),
    Refused("for nobody", DropReason.DROP_INVALID_IDENTITY, _packet("remote_pod"), vni=0),
    Refused("as a third node", DropReason.DROP_INVALID_SOURCE_IP, _packet("third_node"), vni=6),
    Refused(
        "as its router",
        DropReason.DROP_INVALID_SOURCE_IP,
        _packet("remote_router"),
        vni=6,
        outer="third_node",
    ),
    Refused("as this node", DropReason.DROP_INVALID_SOURCE_IP, _packet("node"), vni=6),
    Refused("as this router", DropReason.DROP_INVALID_SOURCE_IP, _packet("router"), vni=6),
    Refused("as this node to it", DropReason.DROP_INVALID_SOURCE_IP, _packet("node", "router"), 6),
    Refused("as a pod here", DropReason.DROP_INVALID_SOURCE_IP, _packet("pod2")),
    Refused(
        "to another node's pod",
        DropReason.DROP_STALE_OR_UNROUTABLE_IP,
        _packet("remote_pod", "elsewhere"),
    ),
    Refused(
        "to the world", DropReason.DROP_STALE_OR_UNROUTABLE_IP, _packet("remote_pod", "world")
    ),
    Refused(
        "to another node",
        DropReason.DROP_STALE_OR_UNROUTABLE_IP,
        _packet("remote_pod", "third_node"),
    ),
    Refused("ARP", DropReason.DROP_UNSUPPORTED_L3_PROTOCOL, _arp),
    Refused("of a VLAN", DropReason.DROP_VLAN_NOT_ALLOWED, _tagged),
]


@INSIDE
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_no_node_may_send_is_dropped(tunnel: Tunnel, inside: Family, case: Refused) -> None:
    outer = getattr(tunnel.underlay, case.outer)
    frame = tunnel.around(case.inner(inside), vni=case.vni, src=outer)
    own = case.outer in {"node", "pod"}
    if own:  # Otherwise the kernel drops it before the tunnel.
        tunnel.node.namespace.sysctl("net.ipv4.conf.eth1.accept_local", "1")

    with tunnel.counting(AttachPoint.FROM_TUNNEL, {case.reason: 1}):
        tunnel.node.wire.send(frame)

    if own:
        tunnel.node.namespace.sysctl("net.ipv4.conf.eth1.accept_local", "0")
    tunnel.other_sends(inside.ip(src=inside.remote_pod, dst=inside.pod) / ASK / b"!")
    assert tunnel.at_pod(UDP)[Raw].load.endswith(b"!")  # And that is the first that came.


@INSIDE
def test_what_came_by_no_tunnel_is_dropped(tunnel: Tunnel, inside: Family) -> None:
    with tunnel.counting(AttachPoint.FROM_TUNNEL, {DropReason.DROP_NO_TUNNEL_KEY: 1}):
        run = tunnel.from_tunnel(_packet("remote_pod")(inside))

    assert run.verdict == SHOT


@INSIDE
def test_other_node_does_not_send_to_this_one_as_a_pod_here(
    tunnel: Tunnel, inside: Family
) -> None:
    with tunnel.counting(AttachPoint.FROM_TUNNEL, {DropReason.DROP_INVALID_SOURCE_IP: 1}):
        tunnel.other_sends(inside.ip(src=inside.pod, dst=inside.router) / ASK)


def test_whatever_is_inside_is_counted_once_and_harms_nothing(tunnel: Tunnel) -> None:
    source = random.Random(SEED)
    seeds = [
        bytes(packet)
        for inside in (V4, V6)
        for packet in (
            _packet("remote_pod")(inside),
            _packet("remote_pod", "router")(inside),
            INNER / inside.ip(src=inside.remote_pod, dst=inside.pod) / TCP(),
            INNER
            / inside.ip(src=inside.remote_pod, dst=inside.pod)
            / (ICMP(type=3, code=4) if inside is V4 else ICMPv6PacketTooBig())
            / bytes(inside.ip(src=inside.pod, dst=inside.remote_pod) / ASK),
        )
    ]
    frames = []
    for number in range(400):
        octets_ = bytearray(source.choice(seeds))
        if number % 4 == 0:
            octets_[14:] = source.randbytes(len(octets_) - 14)
        elif number % 4 == 1:
            octets_ = octets_[: source.randrange(14, len(octets_))]
        else:
            for _ in range(source.randrange(1, 5)):
                octets_[source.randrange(12, len(octets_))] = source.randrange(256)
        octets_[6:12] = bytes.fromhex("0200000000aa")
        frames.append(bytes(octets_))

    def seen() -> int:
        """At the uplink, then in the tunnel; what asks a Service is counted at the uplink again."""
        counted = (
            tunnel.counted_at(AttachPoint.FROM_UPLINK),
            tunnel.counted_at(AttachPoint.FROM_TUNNEL),
        )
        return sum(sum(each.values()) for each in counted) + tunnel.refused_by_kernel()

    before = seen()
    for inner in frames:
        tunnel.node.wire.send(tunnel.around(Raw(inner), vni=source.randrange(2, 1 << 24)))
    end = time.monotonic() + DEADLINE_S
    while seen() - before < 2 * len(frames) and time.monotonic() < end:
        pass
    tunnel.node.pod1.port.drain()
    tunnel.other_sends(V4.ip(src=V4.remote_pod, dst=V4.pod) / UDP(sport=9, dport=9) / b"!alive!")

    assert tunnel.node.pod1.port.receive(lambda frame: b"!alive!" in bytes(frame)) is not None
    assert seen() - before == 2 * len(frames) + 2


@pytest.mark.parametrize(
    "header",
    ["08000000001f8201", "0800000100232901", "0c00000000232900", "0000000000232900", "ff" * 8],
    ids=["reserved behind the VNI", "reserved before it", "unknown flag", "no VNI", "all bits"],
)
def test_header_with_reserved_bits_gets_no_further(tunnel: Tunnel, header: str) -> None:
    """RFC 7348 has them ignored; the kernel drops such packets, and never shows us one."""
    under = tunnel.underlay
    outer = IN / under.ip(src=under.other_node, dst=under.node)
    inner = _packet("remote_pod")(V4)
    with tunnel.counting(AttachPoint.FROM_TUNNEL, FORWARDED):
        tunnel.node.wire.send(
            outer / UDP(sport=5, dport=TUNNEL_PORT) / Raw(bytes.fromhex(header) + bytes(inner))
        )
        tunnel.other_sends(inner.payload)
        tunnel.at_pod(UDP)


# Who may encapsulate.


class Posing(NamedTuple):
    """A packet to the tunnel's port of the node `node`."""

    name: str
    packet: Callable[[Family, str], Any]
    families: tuple[Family, ...] = (V4, V6)


def _fake() -> Any:
    return UDP(sport=50000, dport=TUNNEL_PORT) / VXLAN(vni=7, flags="Instance") / INNER / IP()


POSING = [
    Posing("plain", lambda of, to: of.ip(src=of.pod, dst=to) / _fake()),
    Posing(
        "with options",
        lambda of, to: IP(src=of.pod, dst=to, options=IPOption(b"\x01" * 40)) / _fake(),
        (V4,),
    ),
    Posing("first piece", lambda of, to: IP(src=of.pod, dst=to, flags="MF") / _fake(), (V4,)),
    Posing(
        "first piece of IPv6",
        lambda of, to: IPv6(src=of.pod, dst=to) / IPv6ExtHdrFragment(m=1, id=3) / _fake(),
        (V6,),
    ),
    Posing(
        "behind extension headers",
        lambda of, to: (
            IPv6(src=of.pod, dst=to) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / _fake()
        ),
        (V6,),
    ),
    Posing(
        "without a checksum",
        lambda of, to: of.ip(src=of.pod, dst=to) / UDP(sport=5, dport=TUNNEL_PORT, chksum=0),
    ),
]
_POSING = [(case, of) for case in POSING for of in case.families]


@pytest.mark.parametrize(
    ("case", "of"), _POSING, ids=[f"{case.name} v{of.version}" for case, of in _POSING]
)
@pytest.mark.parametrize("to", ["node", "router", "other_node", "remote_router", "third_node"])
def test_pod_does_not_pose_as_a_node(tunnel: Tunnel, case: Posing, of: Family, to: str) -> None:
    with tunnel.counting(AttachPoint.FROM_POD, {DropReason.DROP_ENCAPSULATION_PROHIBITED: 1}):
        verdict = tunnel.from_pod(case.packet(of, getattr(of, to)))

    assert verdict == SHOT


@INSIDE
@pytest.mark.parametrize("to", ["world", "remote_pod", "pod2"])
def test_pod_may_ask_the_port_elsewhere(tunnel: Tunnel, inside: Family, to: str) -> None:
    packet = inside.ip(src=inside.pod, dst=getattr(inside, to)) / _fake()

    assert tunnel.from_pod(packet) == REDIRECT


@INSIDE
def test_pod_may_ask_a_node_by_tcp_there(tunnel: Tunnel, inside: Family) -> None:
    packet = inside.ip(src=inside.pod, dst=inside.node) / TCP(dport=TUNNEL_PORT)

    assert tunnel.from_pod(packet) == OK


def test_rule_of_the_stack_does_not_lead_a_pod_to_the_tunnel(tunnel: Tunnel) -> None:
    """As kube-proxy's for a Service whose endpoint is the tunnel of another node."""
    stack_route(tunnel, InterfaceFlag.INTERFACE_STACK_ROUTED, EndpointFlag.ENDPOINT_STACK_ROUTED)
    rule = f"ip daddr {WEB} udp dport 53 dnat to {V4.other_node}:{TUNNEL_PORT}"
    chain = f"chain services {{ type nat hook prerouting priority dstnat; {rule}; }}"
    subprocess.run(["nft", f"table ip proxy {{ {chain}; }}"], check=True)

    forged = VXLAN(vni=7, flags="Instance") / _packet("pod", "remote_pod")(V4)
    tunnel.pod_sends(IP(src=V4.pod, dst=WEB) / UDP(sport=5, dport=53) / forged)
    left = tunnel.node.wire.receive(lambda found: UDP in found, deadline_s=SOON_S)

    subprocess.run(["nft", "delete table ip proxy"], check=True)
    stack_route(tunnel, InterfaceFlag(0), EndpointFlag(0))
    assert left is None or left[IP].src == V4.pod


@INSIDE
def test_address_that_the_cluster_does_not_know_takes_no_tunnel(
    tunnel: Tunnel, inside: Family
) -> None:
    """Of another interface: to there a pod of another node may send, behind its node's address."""
    address = "10.99.0.1" if tunnel.underlay is V4 else "fd00:99::1"
    tunnel.node.namespace.ip(f"address add {address} dev lo")
    tunnel.own_address(address)
    tunnel.other_sends(inside.ip(src=inside.remote_pod, dst=inside.pod) / ASK, dst=address)

    came = tunnel.node.pod1.port.receive(lambda found: UDP in found, deadline_s=SOON_S)

    tunnel.node.namespace.ip(f"address del {address} dev lo")
    assert came is None


def test_pod_s_broadcast_to_the_nodes_is_of_no_node(tunnel: Tunnel) -> None:
    """The stack takes it for the node's own."""
    packet = IP(src=V4.pod, dst=BROADCAST) / UDP(sport=5, dport=TUNNEL_PORT)
    inner = VXLAN(vni=7, flags="Instance") / _packet("remote_pod", "pod2")(V4)

    with tunnel.counting(AttachPoint.FROM_TUNNEL, {DropReason.DROP_UNKNOWN_SENDER: 1}):
        tunnel.pod_sends(packet / inner)


@pytest.fixture(scope="module")
def unverified(build_tunnel: Build) -> Iterator[Tunnel]:
    """A node whose pods may send from any address."""
    with build_tunnel(settings=replace(SETTINGS, verify_source=False)) as tunnel:
        yield tunnel


def test_pod_that_may_forge_its_source_does_not_pose_as_a_node(unverified: Tunnel) -> None:
    packet = IP(src=V4.other_node, dst=BROADCAST) / UDP(sport=5, dport=TUNNEL_PORT)
    inner = VXLAN(vni=7, flags="Instance") / _packet("remote_pod", "pod2")(V4)
    with unverified.node.namespace.entered():
        unverified.node.forget_flows()

        unverified.pod_sends(packet / inner)

        assert (
            unverified.node.pod2.port.receive(lambda found: UDP in found, deadline_s=SOON_S)
            is None
        )
