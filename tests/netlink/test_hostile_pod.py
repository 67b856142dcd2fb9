"""Nothing that a pod sends changes the node's routes or neighbours, nor the wire a pod's.

The programs of these links let everything pass: the kernel's settings alone must hold. They do,
but for one thing: IPv6 neighbour discovery makes neighbour entries on an interface that forwards.
from_pod drops all of it (tests/datapath); tests/lab/test_faults_routes.py sees both together.
"""

import asyncio
import os
import socket
import threading
from ipaddress import IPv4Address, IPv6Address

from tests.netlink.conftest import pod_link, until
from tests.netlink.frames import (
    arp_claims,
    icmp_redirect,
    neighbour_discovery_claims,
    received_packets,
    router_advertisement,
    send,
)
from tests.netlink.kernel import ip, run

from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.namespace import enter
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.router import RouterLink, ensure_router_link
from ciliate.netlink.sysctl import node_sysctls, write_sysctls


async def _make_router(node: str) -> None:
    with Rtnetlink.open(node) as rtnl:
        await rtnl.run(lambda _: write_sysctls(node_sysctls(ipv4=True, ipv6=True)))
        link = RouterLink(mtu=1500, addresses=(IPv4Address("10.9.0.1"), IPv6Address("fd00:9::1")))
        await ensure_router_link(rtnl, link)


def _state(netns: str) -> tuple[str, ...]:
    """Return the namespace's neighbours, routes, route caches, addresses as text."""
    shown = (
        ip(netns, "-4", "neigh", "show", "nud", "all"),
        ip(netns, "-6", "neigh", "show", "nud", "all"),
        ip(netns, "-4", "route", "show", "table", "all"),
        ip(netns, "-6", "route", "show", "table", "all"),
        ip(netns, "-4", "route", "show", "cache"),
        ip(netns, "-6", "route", "show", "cache"),
        ip(netns, "-6", "addr"),
    )
    # Multicast entries come from the node's own reports; hop limits are no address.
    return tuple(
        "\n".join(
            sorted(
                line
                for line in text.splitlines()
                if "ff02:" not in line and "valid_lft" not in line
            )
        )
        for text in shown
    )


async def test_pod_cannot_change_the_nodes_routes_or_neighbours(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    await _make_router(node)
    attacker = pod_link(pods[0], 2, accept, ipv6=True)
    victim = pod_link(pods[1], 3, accept, ipv6=True)
    await links.create(attacker)
    await links.create(victim)
    macs = {"to_mac": attacker.interface.host_mac, "from_mac": attacker.interface.pod_mac}
    frames: list[bytes] = []
    for claimed in ("10.9.0.3", "10.9.0.2", "10.9.0.1", "192.0.2.77"):
        frames += arp_claims(**macs, victim=claimed, node="10.9.0.1")
    for gateway in ("10.9.0.2", "10.9.0.3"):
        frames.append(icmp_redirect(**macs, gateway=gateway, node="10.9.0.1", pod="10.9.0.2"))
    before = _state(node)
    received = received_packets(node, attacker.interface.host_name)

    send(pods[0], "eth0", frames)

    async def arrived() -> bool:
        return received_packets(node, attacker.interface.host_name) >= received + len(frames)

    await until(arrived)
    assert _state(node) == before

    discovery = [router_advertisement(**macs)]
    for claimed in ("fd00:9::3", "fd00:9::2", "fd00:9::1", "fd00:77::7"):
        discovery += neighbour_discovery_claims(
            **macs, victim=claimed, node="fd00:9::1", pod="fd00:9::2"
        )
    frames += discovery
    send(pods[0], "eth0", discovery)
    await until(arrived)
    assert _state(node)[2:] == before[2:]
    # And the paths still work.
    run("nsenter", f"--net={pods[1]}", "ping", "-c1", "-W1", "10.9.0.1")
    run("nsenter", f"--net={pods[1]}", "ping", "-6", "-c1", "-W1", "fd00:9::1")


async def test_router_advertisement_does_not_change_a_pod(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    await _make_router(node)
    link = pod_link(pods[0], 2, accept, ipv6=True)
    await links.create(link)

    async def settled() -> bool:
        # The link-local address passes duplicate detection within 2 s; then state is still.
        return "tentative" not in ip(pods[0], "-6", "addr")

    await until(settled)
    before = _state(pods[0])[2:]  # All but the neighbours; see above.
    received = received_packets(pods[0], "eth0")
    advertisement = router_advertisement(
        to_mac=link.interface.pod_mac, from_mac=link.interface.host_mac
    )

    send(node, link.interface.host_name, [advertisement])

    async def arrived() -> bool:
        return received_packets(pods[0], "eth0") > received

    await until(arrived)
    assert _state(pods[0])[2:] == before


async def test_no_packet_passes_while_programs_are_replaced(
    links: PodLinks, node: str, pods: list[str], drop: int
) -> None:
    """Both programs drop everything: one datagram that arrives found neither."""
    await _make_router(node)
    with_drop = pod_link(pods[0], 2, drop)
    state = await links.create(with_drop)
    listener, sender, stop = _sockets(node, pods[0])
    thread = threading.Thread(target=_flood, args=(sender, stop))
    thread.start()
    try:
        for _ in range(500):
            await links.replace_programs([state.host_ifindex], from_pod_fd=drop, to_pod_fd=drop)
    finally:
        os.write(stop[1], b"x")
        await asyncio.to_thread(thread.join)
    sent = received_packets(node, with_drop.interface.host_name)
    listener.setblocking(False)
    arrived = 0
    while True:
        try:
            listener.recv(64)
        except BlockingIOError:
            break
        arrived += 1
    for each in (listener, sender):
        each.close()
    for descriptor in stop:
        os.close(descriptor)
    assert sent > 1000, "the flood reached the host side, where the program dropped it"
    assert arrived == 0


def _sockets(node: str, pod: str) -> tuple[socket.socket, socket.socket, tuple[int, int]]:
    listener = _udp_socket(node)
    listener.bind(("10.9.0.1", 9999))
    sender = _udp_socket(pod)
    sender.connect(("10.9.0.1", 9999))
    return listener, sender, os.pipe()


def _udp_socket(netns: str) -> socket.socket:
    """Open a socket in a namespace, from a thread that ends there."""
    made: list[socket.socket] = []

    def work() -> None:
        with open(netns, "rb") as file:
            enter(file.fileno(), subject=netns)
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


def _flood(sender: socket.socket, stop: tuple[int, int]) -> None:
    os.set_blocking(stop[0], False)
    while True:
        try:
            os.read(stop[0], 1)
        except BlockingIOError:
            sender.send(b"through?")
        else:
            return
