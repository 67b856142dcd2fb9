"""The tunnel, packet by packet: Services whose clients or backends are behind it."""

import socket
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6PacketTooBig,
)
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from tests.datapath.harness import Tun
from tests.datapath.node_rig import IN, ROUTER_4, ROUTER_6, SHOT
from tests.datapath.soundness import sound
from tests.datapath.tunnel_families import V4, V6, Family
from tests.datapath.tunnel_rig import (
    POD_IDENTITY,
    TUNNEL_PORT,
    Tunnel,
)

from ciliate.datapath.device_programs import DeviceRole
from ciliate.datapath.layout import (
    AttachPoint,
    DropReason,
    FrontendType,
)
from ciliate.net.identity import ReservedIdentity

pytest_plugins = ("tests.datapath.tunnel_fixtures",)

ASK = UDP(sport=1000, dport=53) / Raw(b"ask")
NODE_PORT = 30080
WEB = {4: "10.96.0.20", 6: "fd00:96::20"}
ROUTERS = {4: ROUTER_4, 6: ROUTER_6}  # Of the network.
#: How long is waited for what does not come yet.
SOON_S = 0.5
INSIDE = pytest.mark.parametrize("inside", [V4, V6], ids=["v4 inside", "v6 inside"])


@INSIDE
@pytest.mark.parametrize("backend", ["other_node", "node"])
def test_service_does_not_lead_a_pod_to_the_tunnel(
    tunnel: Tunnel, inside: Family, backend: str
) -> None:
    web = WEB[inside.version]
    tunnel.serve(web, 80, (getattr(inside, backend), TUNNEL_PORT), protocol=17)
    packet = inside.ip(src=inside.pod, dst=web) / UDP(sport=1000, dport=80) / b"x"

    for _ in range(2):  # The second is of a flow that is known.
        with tunnel.counting(AttachPoint.FROM_POD, {DropReason.DROP_ENCAPSULATION_PROHIBITED: 1}):
            assert tunnel.from_pod(packet) == SHOT


@INSIDE
def test_service_does_not_lead_a_client_outside_to_the_tunnel(
    tunnel: Tunnel, inside: Family
) -> None:
    kind = FrontendType.FRONTEND_NODE_PORT
    backend = (inside.other_node, TUNNEL_PORT)
    tunnel.serve(inside.node, NODE_PORT, backend, protocol=17, kind=kind)
    asked = inside.ip(src=inside.world, dst=inside.node) / UDP(sport=1000, dport=NODE_PORT) / b"x"

    for _ in range(2):
        with tunnel.counting(
            AttachPoint.FROM_UPLINK, {DropReason.DROP_ENCAPSULATION_PROHIBITED: 1}
        ):
            assert tunnel.node.from_uplink(IN / asked).verdict == SHOT


@INSIDE
@pytest.mark.parametrize(
    "kind", [FrontendType.FRONTEND_HOST_PORT, FrontendType.FRONTEND_EXTERNAL_IP]
)
def test_service_on_the_tunnel_s_port_does_not_get_its_packets(
    tunnel: Tunnel, inside: Family, kind: FrontendType
) -> None:
    under = tunnel.underlay
    tunnel.serve(under.node, TUNNEL_PORT, (under.pod2, 53), protocol=17, kind=kind)

    tunnel.other_sends(inside.ip(src=inside.remote_pod, dst=inside.pod) / ASK)

    assert tunnel.at_pod(UDP)[inside.ip].src == inside.remote_pod
    assert tunnel.node.pod2.port.lengths_received() == []


@INSIDE
@pytest.mark.parametrize("l4", [TCP, UDP])
def test_client_outside_reaches_a_backend_of_another_node(
    tunnel: Tunnel, inside: Family, l4: Any
) -> None:
    tunnel.serve(
        inside.node,
        NODE_PORT,
        (inside.remote_pod, 8080),
        protocol=6 if l4 is TCP else 17,
        kind=FrontendType.FRONTEND_NODE_PORT,
    )
    asks = inside.ip(src=inside.world, dst=inside.node) / l4(sport=2000, dport=NODE_PORT)

    tunnel.node.wire.send(IN / asks)
    frame = tunnel.in_tunnel(l4)
    asked = Ether(bytes(frame[VXLAN].payload))
    answer = inside.ip(src=inside.remote_pod, dst=inside.router)
    tunnel.other_sends(answer / l4(sport=8080, dport=asked[l4].sport) / b"answer")
    answered = tunnel.node.wire.receive(lambda f: l4 in f and f[l4].sport == NODE_PORT)

    assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.WORLD)
    assert (asked[inside.ip].src, asked[inside.ip].dst) == (inside.router, inside.remote_pod)
    assert asked[l4].dport == 8080
    assert sound(asked)
    assert answered is not None
    assert (answered[inside.ip].src, answered[inside.ip].dst) == (inside.node, inside.world)
    assert answered[l4].dport == 2000
    assert sound(answered)


@INSIDE
def test_client_whose_packet_is_too_long_for_the_tunnel_is_told(
    tunnel: Tunnel, inside: Family
) -> None:
    backend, kind = (inside.remote_pod, 8080), FrontendType.FRONTEND_NODE_PORT
    tunnel.serve(inside.node, NODE_PORT, backend, kind=kind)
    asks = inside.ip(src=inside.world, dst=inside.node, **inside.whole())

    tunnel.node.wire.send(IN / asks / TCP(sport=2000, dport=NODE_PORT) / Raw(bytes(1440)))

    if inside is V4:
        assert tunnel.on_wire(ICMP)[ICMP].nexthopmtu == tunnel.mtu
    else:
        assert tunnel.on_wire(ICMPv6PacketTooBig)[ICMPv6PacketTooBig].mtu == tunnel.mtu


@INSIDE
def test_client_behind_a_device_without_ethernet_reaches_the_tunnel(
    tunnel: Tunnel, inside: Family
) -> None:
    backend, kind = (inside.remote_pod, 8080), FrontendType.FRONTEND_NODE_PORT
    tunnel.serve(inside.node, NODE_PORT, backend, kind=kind)
    with Tun("tun0") as tun:
        tunnel.node.namespace.ip("link set tun0 up")
        ifindex = tunnel.node.namespace.ifindex("tun0")
        tunnel.node.datapath.attach(ifindex=ifindex, device="tun0", role=DeviceRole.BARE_UPLINK)
        tun.send(inside.ip(src=inside.world, dst=inside.node) / TCP(sport=2000, dport=NODE_PORT))
        frame = tunnel.in_tunnel(TCP)
        tunnel.node.datapath.detach("tun0")

    ethernet = frame[VXLAN].payload
    assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.WORLD)
    assert (ethernet[inside.ip].src, ethernet[inside.ip].dst) == (inside.router, inside.remote_pod)


def _opened(tunnel: Tunnel, inside: Family) -> Any:
    """Let a client outside ask a backend of the other node; return the packet that gets there."""
    backend, kind = (inside.remote_pod, 8080), FrontendType.FRONTEND_NODE_PORT
    tunnel.serve(inside.node, NODE_PORT, backend, kind=kind)
    asks = inside.ip(src=inside.world, dst=inside.node) / TCP(sport=2000, dport=NODE_PORT)
    tunnel.node.wire.send(IN / asks)
    return Ether(bytes(tunnel.in_tunnel(TCP)[VXLAN].payload))


def _too_big(inside: Family) -> Any:
    return ICMP(type=3, code=4, nexthopmtu=1280) if inside is V4 else ICMPv6PacketTooBig(mtu=1280)


@INSIDE
def test_path_mtu_behind_the_other_node_reaches_the_client(tunnel: Tunnel, inside: Family) -> None:
    asked = _opened(tunnel, inside)
    error = inside.ip(src=inside.remote_router, dst=inside.router) / _too_big(inside)

    tunnel.other_sends(error / Raw(bytes(asked[inside.ip])), vni=6)

    told = tunnel.node.wire.receive(
        lambda found: VXLAN not in found and (ICMP in found or ICMPv6PacketTooBig in found)
    )
    assert told is not None
    assert (told[inside.ip].src, told[inside.ip].dst) == (inside.node, inside.world)
    assert sound(told)


@INSIDE
def test_path_mtu_toward_the_client_reaches_the_backend(tunnel: Tunnel, inside: Family) -> None:
    asked = _opened(tunnel, inside)
    answer = inside.ip(src=inside.remote_pod, dst=inside.router)
    tunnel.other_sends(answer / TCP(sport=8080, dport=asked[TCP].sport, flags="SA"))
    answered = tunnel.node.wire.receive(lambda found: VXLAN not in found and TCP in found)
    error = inside.ip(src=ROUTERS[inside.version], dst=inside.node) / _too_big(inside)

    tunnel.node.wire.send(IN / error / Raw(bytes(answered[inside.ip])))

    frame = tunnel.in_tunnel(ICMP if inside is V4 else ICMPv6PacketTooBig)
    inner = Ether(bytes(frame[VXLAN].payload))
    assert tunnel.headers(frame) == tunnel.way_out(ReservedIdentity.WORLD)
    assert (inner[inside.ip].src, inner[inside.ip].dst) == (inside.router, inside.remote_pod)
    assert sound(inner)


@INSIDE
def test_answer_too_long_for_the_way_to_the_client_is_said_to_the_backend(
    tunnel: Tunnel, inside: Family
) -> None:
    asked = _opened(tunnel, inside)
    router = ROUTERS[inside.version]
    route = f"{inside.world} via {router} dev eth1"
    tunnel.node.namespace.ip(f"route add {route} mtu lock 1280")
    answer = inside.ip(src=inside.remote_pod, dst=inside.router, **inside.whole())
    tcp = TCP(sport=8080, dport=asked[TCP].sport, flags="A")

    tunnel.other_sends(answer / tcp / Raw(bytes(1300)))
    frame = tunnel.node.wire.receive(lambda found: VXLAN in found, deadline_s=SOON_S)

    tunnel.node.namespace.ip(f"route del {route}")
    assert frame is not None
    assert tunnel.headers(frame)[:3] == tunnel.way_out(0)[:3]
    assert frame[VXLAN][inside.ip].dst == inside.remote_pod


def test_client_s_packet_that_may_be_cut_reaches_the_backend(tunnel: Tunnel) -> None:
    """Its path is wider than the tunnel, so it has no reason to send less.

    The kernel cuts what it puts into a tunnel by IPv4. By IPv6 it does not: the client is told.
    """
    backend, kind = (V4.remote_pod, 8080), FrontendType.FRONTEND_NODE_PORT
    tunnel.serve(V4.node, NODE_PORT, backend, protocol=17, kind=kind)
    asks = IP(src=V4.world, dst=V4.node) / UDP(sport=2000, dport=NODE_PORT) / Raw(bytes(1450))

    tunnel.node.wire.send(IN / asks)

    if tunnel.underlay is V4:
        left = tunnel.node.wire.receive(
            lambda found: IP in found and found[IP].dst == V4.other_node, deadline_s=SOON_S
        )
        assert left is not None
        assert left[IP].flags == "MF"
    else:
        told = tunnel.node.wire.receive(
            lambda found: ICMP in found and found[IP].dst == V4.world, deadline_s=SOON_S
        )
        assert told is not None
        assert (told[ICMP].type, told[ICMP].code) == (3, 4)


@INSIDE
def test_node_s_own_flow_to_a_backend_does_not_meet_a_client_s(
    tunnel: Tunnel, inside: Family
) -> None:
    """The kernel gives a process a port without asking the book of ports."""
    backend, kind = (inside.remote_pod, 8080), FrontendType.FRONTEND_NODE_PORT
    tunnel.serve(inside.node, NODE_PORT, backend, protocol=17, kind=kind)
    asks = inside.ip(src=inside.world, dst=inside.node) / UDP(sport=2000, dport=NODE_PORT)
    tunnel.node.wire.send(IN / asks)
    taken = tunnel.in_tunnel(UDP)[VXLAN][UDP].sport

    with socket.socket(inside.socket_family, socket.SOCK_DGRAM) as opened:
        opened.bind((inside.router, taken))
        opened.settimeout(3)
        opened.sendto(b"own", backend)
        seen = tunnel.in_tunnel(UDP)[VXLAN][UDP].sport
        answer = inside.ip(src=inside.remote_pod, dst=inside.router)
        tunnel.other_sends(answer / UDP(sport=8080, dport=seen) / b"answer")
        received = opened.recv(100)

    assert seen != taken
    assert received == b"answer"


@INSIDE
def test_pod_asks_a_service_whose_backend_is_on_another_node(
    tunnel: Tunnel, inside: Family
) -> None:
    web = WEB[inside.version]
    tunnel.serve(web, 80, (inside.remote_pod, 8080))
    asks = inside.ip(src=inside.pod, dst=web, **inside.whole())

    tunnel.pod_sends(asks / TCP(sport=2000, dport=80))
    frame = tunnel.in_tunnel(TCP)
    answer = inside.ip(src=inside.remote_pod, dst=inside.pod)
    tunnel.other_sends(answer / TCP(sport=8080, dport=2000, flags="SA"))
    answered = tunnel.at_pod(TCP)
    tunnel.pod_sends(asks / TCP(sport=2000, dport=80, flags="A") / Raw(bytes(1440)))
    error = tunnel.at_pod(ICMP if inside is V4 else ICMPv6PacketTooBig)

    inner = Ether(bytes(frame[VXLAN].payload))
    assert tunnel.headers(frame) == tunnel.way_out(POD_IDENTITY)
    assert (inner[inside.ip].src, inner[inside.ip].dst) == (inside.pod, inside.remote_pod)
    assert inner[TCP].dport == 8080
    assert sound(inner)
    assert (answered[inside.ip].src, answered[TCP].sport) == (web, 80)
    assert sound(answered)
    told = error[ICMP].nexthopmtu if inside is V4 else error[ICMPv6PacketTooBig].mtu
    assert told == tunnel.mtu


@INSIDE
def test_pod_of_another_node_asks_a_service_at_the_router(tunnel: Tunnel, inside: Family) -> None:
    kind = FrontendType.FRONTEND_NODE_PORT
    tunnel.serve(inside.router, NODE_PORT, (inside.pod, 8080), kind=kind)
    asks = inside.ip(src=inside.remote_pod, dst=inside.router)

    tunnel.other_sends(asks / TCP(sport=2000, dport=NODE_PORT))
    asked = tunnel.at_pod(TCP)
    answer = inside.ip(src=inside.pod, dst=inside.remote_pod)
    tunnel.pod_sends(answer / TCP(sport=8080, dport=2000, flags="SA"))
    frame = tunnel.in_tunnel(TCP)

    inner = Ether(bytes(frame[VXLAN].payload))
    assert (asked[inside.ip].src, asked[TCP].dport) == (inside.remote_pod, 8080)
    assert tunnel.headers(frame) == tunnel.way_out(POD_IDENTITY)
    assert (inner[inside.ip].src, inner[TCP].sport) == (inside.router, NODE_PORT)
    assert sound(inner)
