"""The tunnel, packet by packet: what nodes send each other for their pods and themselves."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from tests.datapath.node_rig import IN
from tests.datapath.soundness import sound
from tests.datapath.tunnel_families import V4, V6, Family
from tests.datapath.tunnel_rig import (
    INNER,
    POD_IDENTITY,
    REMOTE_IDENTITY,
    ROUTER,
    SETTINGS,
    TUNNEL,
    TUNNEL_PORT,
    Build,
    Tunnel,
    attach,
    stack_route,
)

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import AttachMode
from ciliate.datapath.device_programs import DeviceRole
from ciliate.datapath.layout import (
    AttachPoint,
    DropReason,
    EndpointFlag,
    Event,
    EventKind,
    InterfaceFlag,
    TracePoint,
)
from ciliate.net.address import from_octets
from ciliate.net.identity import ReservedIdentity

pytest_plugins = ("tests.datapath.tunnel_fixtures",)

FORWARDED = {DropReason.FORWARDED: 1}
ASK = UDP(sport=1000, dport=53) / Raw(b"ask")
INSIDE = pytest.mark.parametrize("inside", [V4, V6], ids=["v4 inside", "v6 inside"])


def points(events: list[Event], source: str) -> list[TracePoint]:
    """Where packets from `source` were seen."""
    return [
        TracePoint(event.about)
        for event in events
        if event.kind == EventKind.EVENT_TRACE and str(from_octets(event.source)) == source
    ]


def hops_left(packet: Any) -> int:
    """How many hops an IP packet has left."""
    return int(packet.ttl if isinstance(packet, IP) else packet.hlim)


# To other nodes.


@INSIDE
def test_pod_sends_to_a_pod_of_another_node_as_one_hop(tunnel: Tunnel, inside: Family) -> None:
    sent = inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.hops(9)) / ASK

    with tunnel.node.counted() as counted, tunnel.told() as events:
        tunnel.pod_sends(sent)
        frame = tunnel.in_tunnel(UDP)

    assert tunnel.headers(frame) == tunnel.way_out(POD_IDENTITY)
    assert bytes(frame[VXLAN].payload.payload) == bytes(sent)  # Its hops, too.
    assert counted == {
        (DropReason.FORWARDED, AttachPoint.FROM_POD): 1,
        (DropReason.FORWARDED, AttachPoint.TO_UPLINK): 1,
    }
    assert tunnel.node.connections() == []
    assert points(events, inside.pod) == [
        TracePoint.TRACE_FROM_ENDPOINT,
        TracePoint.TRACE_TO_OVERLAY,
    ]
    (told,) = [each for each in events if each.about == TracePoint.TRACE_TO_OVERLAY]
    assert (told.source_identity, told.destination_identity) == (POD_IDENTITY, REMOTE_IDENTITY)


def test_what_goes_around_a_packet_bears_the_mark_of_the_tunnel(tunnel: Tunnel) -> None:
    """By which to_uplink knows it: Cilium's "overlay"."""
    rule = f"udp dport {TUNNEL_PORT} meta mark & 0xf00 != 0x400 drop"
    chain = f"chain output {{ type filter hook output priority 0; {rule}; }}"
    subprocess.run(["nft", f"table inet marks {{ {chain}; }}"], check=True)

    tunnel.pod_sends(V4.ip(src=V4.pod, dst=V4.remote_pod) / ASK)
    frame = tunnel.node.wire.receive(lambda found: VXLAN in found)

    subprocess.run(["nft", "delete table inet marks"], check=True)
    assert frame is not None


@INSIDE
@pytest.mark.parametrize("bound", ["", "node"], ids=["unbound", "bound to the InternalIP"])
def test_node_sends_to_a_pod_of_another_node(tunnel: Tunnel, inside: Family, bound: str) -> None:
    with (
        tunnel.told() as events,
        tunnel.counting(AttachPoint.FROM_HOST, FORWARDED),
        socket.socket(inside.socket_family, socket.SOCK_DGRAM) as opened,
    ):
        if bound:
            opened.bind((inside.node, 0))
        opened.sendto(b"ask", (inside.remote_pod, 53))
        frame = tunnel.in_tunnel(UDP)

    inner = frame[VXLAN][inside.ip]
    source = inside.node if bound else inside.router
    assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.REMOTE_NODE)
    assert (inner.src, inner.dst) == (source, inside.remote_pod)
    assert points(events, source) == [TracePoint.TRACE_FROM_HOST, TracePoint.TRACE_TO_OVERLAY]


def test_packet_with_options_goes_by_the_stack_with_the_pods_identity(tunnel: Tunnel) -> None:
    sent = IP(src=V4.pod, dst=V4.remote_pod, ttl=9, options=IPOption(b"\x01" * 4)) / ASK

    with tunnel.counting(AttachPoint.FROM_HOST, FORWARDED):
        tunnel.pod_sends(sent)
        frame = tunnel.in_tunnel(UDP)

    inner = frame[VXLAN][IP]
    assert tunnel.headers(frame) == tunnel.way_out(POD_IDENTITY)
    assert (inner.src, inner.dst, inner.ihl, inner.ttl) == (V4.pod, V4.remote_pod, 6, 8)
    assert sound(frame[VXLAN].payload)


@INSIDE
def test_pod_is_told_that_its_packet_has_no_hop_left(tunnel: Tunnel, inside: Family) -> None:
    tunnel.pod_sends(inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.hops(1)) / ASK)

    error = tunnel.at_pod(ICMP if inside is V4 else ICMPv6TimeExceeded)

    assert error[inside.ip].dst == inside.pod
    assert inside is V6 or error[ICMP].type == 11


def test_what_the_router_s_device_gets_for_no_tunnel_is_dropped(tunnel: Tunnel) -> None:
    node = tunnel.node.namespace
    node.ip(f"route add 10.244.9.0/24 via {V4.router} dev {ROUTER} src {V4.router}")
    node.ip(f"route add fd00:244:9::/64 dev {ROUTER} src {V6.router}")

    for inside, address in ((V4, "10.244.9.1"), (V6, "fd00:244:9::1")):
        with (
            tunnel.counting(AttachPoint.FROM_HOST, {DropReason.DROP_NO_TUNNEL_ENDPOINT: 1}),
            socket.socket(inside.socket_family, socket.SOCK_DGRAM) as opened,
        ):
            opened.sendto(b"ask", (address, 53))

    node.ip("route del 10.244.9.0/24", "route del fd00:244:9::/64")


@INSIDE
def test_packet_of_exactly_the_tunnel_s_mtu_passes(tunnel: Tunnel, inside: Family) -> None:
    sent = inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.whole()) / UDP(
        sport=1, dport=2
    )

    with tunnel.counting(AttachPoint.FROM_POD, FORWARDED):
        tunnel.pod_sends(sent / Raw(b"x" * (tunnel.mtu - inside.header_bytes - 8)))
        frame = tunnel.in_tunnel(UDP)

    assert len(frame) == 14 + 1500


@INSIDE
def test_pod_is_told_what_the_tunnel_s_mtu_is(tunnel: Tunnel, inside: Family) -> None:
    sent = inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.whole()) / UDP(
        sport=1, dport=2
    )

    tunnel.pod_sends(sent / Raw(b"x" * (tunnel.mtu - inside.header_bytes - 8 + 1)))

    if inside is V4:
        error = tunnel.at_pod(ICMP)[ICMP]
        assert (error.type, error.code, error.nexthopmtu) == (3, 4, tunnel.mtu)
    else:
        assert tunnel.at_pod(ICMPv6PacketTooBig)[ICMPv6PacketTooBig].mtu == tunnel.mtu
    assert tunnel.node.wire.lengths_received() == []


def test_what_may_be_cut_is_cut_by_the_stack(tunnel: Tunnel) -> None:
    body = bytes(range(256)) * 5 + bytes(192)
    sent = IP(src=V4.pod, dst=V4.remote_pod, id=77) / UDP(sport=1, dport=2) / Raw(body)

    with tunnel.counting(AttachPoint.FROM_HOST, {DropReason.FORWARDED: 2}):
        tunnel.pod_sends(sent)
        pieces = [tunnel.in_tunnel(IP) for _ in range(2)]

    assert {tunnel.headers(each) for each in pieces} == {tunnel.way_out(POD_IDENTITY)}
    inner = [each[VXLAN].payload.payload for each in pieces]
    assert b"".join(bytes(each.payload) for each in inner) == bytes(sent.payload)
    assert {(each.src, each.dst, each.id) for each in inner} == {(V4.pod, V4.remote_pod, 77)}


@INSIDE
def test_packet_whose_segments_fit_passes_at_once(tunnel: Tunnel, inside: Family) -> None:
    size = tunnel.mtu - inside.header_bytes - 20
    sent = inside.ip(src=inside.pod, dst=inside.remote_pod) / TCP(sport=1, dport=2, flags="A")

    with tunnel.counting(AttachPoint.FROM_POD, FORWARDED):
        tunnel.pod_sends_segments(sent / Raw(bytes(3 * size)), size)
        frames = [tunnel.in_tunnel(TCP) for _ in range(3)]

    assert {len(each) for each in frames} == {14 + 1500}
    assert {tunnel.headers(each) for each in frames} == {tunnel.way_out(POD_IDENTITY)}
    assert all(sound(Ether(bytes(each[VXLAN].payload))) for each in frames)


@INSIDE
def test_pod_is_told_to_cut_smaller(tunnel: Tunnel, inside: Family) -> None:
    size = tunnel.mtu - inside.header_bytes - 20 + 1
    sent = inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.whole()) / TCP(
        sport=1, dport=2
    )

    tunnel.pod_sends_segments(sent / Raw(bytes(3 * size)), size)

    if inside is V4:
        assert tunnel.at_pod(ICMP)[ICMP].nexthopmtu == tunnel.mtu
    else:
        assert tunnel.at_pod(ICMPv6PacketTooBig)[ICMPv6PacketTooBig].mtu == tunnel.mtu


# From other nodes.


@INSIDE
def test_pod_receives_from_a_pod_of_another_node(tunnel: Tunnel, inside: Family) -> None:
    packet = inside.ip(src=inside.remote_pod, dst=inside.pod, **inside.hops(9)) / ASK

    with tunnel.counting(AttachPoint.FROM_TUNNEL, FORWARDED), tunnel.told() as events:
        tunnel.other_sends(packet)
        frame = tunnel.at_pod(UDP)

    pod = tunnel.node.pod1
    assert (frame.src, frame.dst) == (pod.host_mac, pod.mac)
    assert hops_left(frame[inside.ip]) == 8
    assert sound(frame)
    assert bytes(frame[UDP]) == bytes(Ether(bytes(INNER / packet))[UDP])
    assert tunnel.node.connections() == []
    assert points(events, inside.remote_pod) == [
        TracePoint.TRACE_FROM_OVERLAY,
        TracePoint.TRACE_TO_ENDPOINT,
    ]


@INSIDE
@pytest.mark.parametrize("where", ["elsewhere", "world"])
def test_sender_is_whom_its_node_says(tunnel: Tunnel, inside: Family, where: str) -> None:
    """The cluster's map may not know a pod yet that sends."""
    source, vni = getattr(inside, where), 54_321
    with tunnel.told() as events:
        tunnel.other_sends(inside.ip(src=source, dst=inside.pod) / ASK, vni=vni)
        tunnel.at_pod(UDP)

    told = [each for each in events if str(from_octets(each.source)) == source]
    assert [each.about for each in told] == [
        TracePoint.TRACE_FROM_OVERLAY,
        TracePoint.TRACE_TO_ENDPOINT,
    ]
    assert {each.source_identity for each in told} == {vni}


@INSIDE
def test_node_and_router_of_another_node_reach_a_pod(tunnel: Tunnel, inside: Family) -> None:
    for source in (inside.other_node, inside.remote_router):
        tunnel.other_sends(inside.ip(src=source, dst=inside.pod) / ASK, vni=6)
        assert tunnel.at_pod(UDP)[inside.ip].src == source


@INSIDE
def test_pod_of_another_node_reaches_the_node(tunnel: Tunnel, inside: Family) -> None:
    for address in (inside.router, inside.node):
        with socket.socket(inside.socket_family, socket.SOCK_DGRAM) as opened:
            opened.bind((address, 53))
            opened.settimeout(3)
            tunnel.other_sends(inside.ip(src=inside.remote_pod, dst=address) / ASK)
            asked, client = opened.recvfrom(100)
            opened.sendto(b"answer", client)
        assert (asked, client[0]) == (b"ask", inside.remote_pod)
        frame = tunnel.in_tunnel(UDP)
        assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.REMOTE_NODE)
        assert frame[VXLAN][inside.ip].src == address


@INSIDE
def test_sender_to_an_address_that_no_pod_has_is_told(tunnel: Tunnel, inside: Family) -> None:
    tunnel.other_sends(inside.ip(src=inside.remote_pod, dst=inside.nobody) / ASK)

    frame = tunnel.in_tunnel(ICMP if inside is V4 else ICMPv6DestUnreach)

    inner = frame[VXLAN].payload.payload
    assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.REMOTE_NODE)
    assert inner.dst == inside.remote_pod
    assert inside is V6 or (inner[ICMP].type, inner[ICMP].code) == (3, 1)


@INSIDE
def test_sender_is_told_that_its_packet_has_no_hop_left(tunnel: Tunnel, inside: Family) -> None:
    tunnel.other_sends(inside.ip(src=inside.remote_pod, dst=inside.pod, **inside.hops(1)) / ASK)

    frame = tunnel.in_tunnel(ICMP if inside is V4 else ICMPv6TimeExceeded)
    inner = frame[VXLAN][inside.ip]
    assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.REMOTE_NODE)
    assert (inner.src, inner.dst) == (inside.router, inside.remote_pod)


@INSIDE
def test_pieces_of_a_datagram_arrive(tunnel: Tunnel, inside: Family) -> None:
    ends = {"src": inside.remote_pod, "dst": inside.pod}
    if inside is V4:
        pieces = [
            IP(**ends, id=9, flags="MF") / UDP(sport=1, dport=2, len=32) / Raw(b"x" * 8),
            IP(**ends, id=9, frag=2, proto=17) / Raw(b"y" * 16),
        ]
    else:
        pieces = [
            IPv6(**ends)
            / IPv6ExtHdrFragment(m=1, id=9)
            / UDP(sport=1, dport=2, len=32, chksum=1)
            / Raw(b"x" * 8),
            IPv6(**ends) / IPv6ExtHdrFragment(offset=2, id=9, nh=17) / Raw(b"y" * 16),
        ]

    with tunnel.counting(AttachPoint.FROM_TUNNEL, {DropReason.FORWARDED: 2}):
        for piece in pieces:
            tunnel.other_sends(piece)
        received = [tunnel.at_pod(inside.ip) for _ in pieces]

    for sent, got in zip(pieces, received, strict=True):
        assert bytes(got[inside.ip].payload) == bytes(sent.payload)


@pytest.fixture
def stack_routed(tunnel: Tunnel) -> Iterator[Tunnel]:
    """The node, with pod1 one whose packets the stack sends and delivers."""
    stack_route(tunnel, InterfaceFlag.INTERFACE_STACK_ROUTED, EndpointFlag.ENDPOINT_STACK_ROUTED)
    yield tunnel
    stack_route(tunnel, InterfaceFlag(0), EndpointFlag(0))


@INSIDE
def test_pod_of_the_stack_talks_to_a_pod_of_another_node(
    stack_routed: Tunnel, inside: Family
) -> None:
    tunnel = stack_routed
    with tunnel.counting(AttachPoint.FROM_HOST, FORWARDED):
        tunnel.pod_sends(inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.hops(9)) / ASK)
        frame = tunnel.in_tunnel(UDP)
    with tunnel.counting(AttachPoint.TO_POD, FORWARDED):
        tunnel.other_sends(
            inside.ip(src=inside.remote_pod, dst=inside.pod, **inside.hops(9)) / ASK
        )
        received = tunnel.at_pod(UDP)

    inner = frame[VXLAN][inside.ip]
    assert tunnel.headers(frame) == tunnel.way_out(POD_IDENTITY)
    assert (inner.src, inner.dst, hops_left(inner)) == (inside.pod, inside.remote_pod, 8)
    assert (received[inside.ip].src, hops_left(received[inside.ip])) == (inside.remote_pod, 8)


@INSIDE
def test_pod_reaches_the_router_of_another_node_in_the_tunnel(
    tunnel: Tunnel, inside: Family
) -> None:
    tunnel.pod_sends(inside.ip(src=inside.pod, dst=inside.remote_router) / ASK)

    frame = tunnel.in_tunnel(UDP)
    assert tunnel.headers(frame) == tunnel.way_out(POD_IDENTITY)
    assert frame[VXLAN][inside.ip].src == inside.pod


@INSIDE
def test_frame_without_a_sender_s_address_arrives(tunnel: Tunnel, inside: Family) -> None:
    """What a node had of a device without Ethernet headers."""
    frame = Ether(src="00:00:00:00:00:00", dst="00:00:00:00:00:00")
    packet = inside.ip(src=inside.remote_pod, dst=inside.pod) / ASK

    tunnel.node.wire.send(tunnel.around(frame / packet))

    assert tunnel.at_pod(UDP)[inside.ip].src == inside.remote_pod


@INSIDE
def test_pod_reaches_another_node_itself_behind_this_one(tunnel: Tunnel, inside: Family) -> None:
    tunnel.pod_sends(inside.ip(src=inside.pod, dst=inside.other_node) / ASK)

    frame = tunnel.on_wire(UDP)
    assert VXLAN not in frame
    assert (frame[inside.ip].src, frame[inside.ip].dst) == (inside.node, inside.other_node)
    tunnel.node.wire.send(
        IN
        / inside.ip(src=inside.other_node, dst=inside.node)
        / UDP(sport=53, dport=frame[UDP].sport)
    )
    assert tunnel.at_pod(UDP)[UDP].dport == 1000


# Other settings.


@pytest.fixture(scope="module")
def plain(build_tunnel: Build) -> Iterator[Tunnel]:
    """A node that masquerades nothing, whose programs are clsact filters of its devices."""
    settings = replace(SETTINGS, masquerade_v4=False, masquerade_v6=False)
    with build_tunnel(settings=settings, attach_mode=AttachMode.CLSACT) as built:
        yield built


@INSIDE
def test_without_masquerading_other_nodes_see_the_pod(plain: Tunnel, inside: Family) -> None:
    with plain.node.namespace.entered():
        plain.pod_sends(inside.ip(src=inside.pod, dst=inside.other_node) / ASK)
        natively = plain.on_wire(UDP)
        plain.pod_sends(inside.ip(src=inside.pod, dst=inside.remote_pod) / ASK)
        tunneled = plain.in_tunnel(UDP)

    assert VXLAN not in natively
    assert natively[inside.ip].src == inside.pod
    assert plain.headers(tunneled) == plain.way_out(POD_IDENTITY)


@INSIDE
def test_programs_of_both_roles_run_as_clsact_filters(plain: Tunnel, inside: Family) -> None:
    with plain.node.namespace.entered():
        with (
            plain.counting(AttachPoint.FROM_HOST, FORWARDED),
            socket.socket(inside.socket_family, socket.SOCK_DGRAM) as opened,
        ):
            opened.sendto(b"ask", (inside.remote_pod, 53))
            frame = plain.in_tunnel(UDP)
        with plain.counting(AttachPoint.FROM_TUNNEL, FORWARDED):
            plain.other_sends(inside.ip(src=inside.remote_pod, dst=inside.pod) / ASK)
            received = plain.at_pod(UDP)

    assert plain.headers(frame) == plain.way_out(ReservedIdentity.REMOTE_NODE)
    assert received[inside.ip].src == inside.remote_pod


def test_restarted_agent_takes_the_programs_over(tunnel: Tunnel) -> None:
    assert_taken_over(tunnel)


def test_restarted_agent_takes_clsact_filters_over(plain: Tunnel) -> None:
    with plain.node.namespace.entered():
        assert_taken_over(plain)


def assert_taken_over(tunnel: Tunnel) -> None:
    """Let another agent attach the programs: they are those of the first, on all devices."""
    node = tunnel.node

    def runs(datapath: Datapath) -> dict[str, tuple[DeviceRole, AttachMode, list[int]]]:
        """What devices run of a datapath's programs."""
        return {
            name: (found.runs.role, found.mode, sorted(found.runs.ids.values()))
            for name, found in datapath.attached().items()
            if found.current and found.runs is not None
        }

    before = runs(node.datapath)
    with Datapath.open(
        bpf_root=node.bpf_root,
        state_dir=tunnel.state_dir,
        settings=tunnel.settings,
        objects=tunnel.objects,
        attach_mode=node.datapath.attach_mode,
    ) as second:
        attach(tunnel, second)
        after = runs(second)

    roles = {TUNNEL: DeviceRole.TUNNEL, ROUTER: DeviceRole.ROUTER, "eth1": DeviceRole.UPLINK}
    assert after == before
    assert {name: role for name, (role, _, _) in after.items()} == roles
    assert {mode for _, mode, _ in after.values()} == {node.datapath.attach_mode}


@pytest.fixture(scope="module")
def native(build_tunnel: Build) -> Iterator[Tunnel]:
    """A node with native routing, whose map yet says that pods are reached by tunnels."""
    with build_tunnel(settings=replace(SETTINGS, tunnel_port=0)) as tunnel:
        yield tunnel


@INSIDE
def test_with_native_routing_nothing_goes_in_a_tunnel(native: Tunnel, inside: Family) -> None:
    with native.node.namespace.entered():
        native.node.forget_flows()
        native.pod_sends(inside.ip(src=inside.pod, dst=inside.remote_pod, **inside.hops(9)) / ASK)
        to_pod = native.on_wire(UDP)
        native.pod_sends(
            inside.ip(src=inside.pod, dst=inside.other_node) / UDP(sport=1000, dport=TUNNEL_PORT)
        )
        to_node = native.on_wire(UDP)

    assert VXLAN not in to_pod
    assert (to_pod[inside.ip].src, hops_left(to_pod[inside.ip])) == (inside.pod, 8)
    assert to_node[inside.ip].src == inside.pod  # Not masqueraded, and not refused.
