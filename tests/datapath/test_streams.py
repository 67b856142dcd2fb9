"""Whole TCP connections of real stacks through the programs.

The packet tables send finished frames; here segments are larger than the MTU and have no checksum
yet (GSO, CHECKSUM_PARTIAL), as they do in a node.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import ip_address
from subprocess import run

import pytest
from tests.datapath.harness import Namespace
from tests.datapath.node_rig import (
    NODE_4,
    NODE_6,
    NODE_MAC,
    ROUTER_4,
    ROUTER_6,
    WORLD_4,
    WORLD_6,
    Node,
    Pod,
    silence,
)

from ciliate.config.datapath_defaults import SNAT_PORT_MIN
from ciliate.datapath.layout import DropReason
from ciliate.net.address import host_network
from ciliate.net.link import Route
from ciliate.routing.maps import ROUTE_MTUS
from ciliate.routing.route_mtus import route_mtu_entries

STREAM_BYTES = 4 << 20
ETHER_BYTES = 14
NARROW_BYTES = 1400
TIMEOUT_S = 10.0
PORT = 8080


@pytest.fixture(scope="module", autouse=True)
def living_node(node_of_module: Node) -> Node:
    """Give the pods IPv6 and routes, and the far end of the wire the world's addresses."""
    for pod in (node_of_module.pod1, node_of_module.pod2):
        silence(pod.namespace)
        pod.namespace.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0")
        pod.namespace.ip(
            "route add default dev eth0",
            f"address add {pod.ipv6}/128 dev eth0 nodad",
            f"neigh replace fe80::1 lladdr {pod.host_mac} dev eth0 nud permanent",
            "route add default via fe80::1 dev eth0",
        )
        node_of_module.namespace.ip(
            *(
                f"neigh replace {each} lladdr {pod.mac} dev {pod.host_device} nud permanent"
                for each in (pod.ipv4, pod.ipv6)
            )
        )
    world = node_of_module.far_end
    world.sysctl("net.ipv6.conf.wire.disable_ipv6", "0")
    world.ip(
        f"address add {WORLD_4}/32 dev wire",
        f"address add {WORLD_6}/128 dev wire nodad",
        # The world says that it takes 1500 octets, and sends 1400: eth1 is narrow in some tests.
        f"route add {NODE_4}/32 dev wire src {WORLD_4} mtu {NARROW_BYTES} advmss 1460",
        f"route add {NODE_6}/128 dev wire src {WORLD_6} mtu {NARROW_BYTES} advmss 1440",
        f"neigh replace {NODE_4} lladdr {NODE_MAC} dev wire nud permanent",
        f"neigh replace {NODE_6} lladdr {NODE_MAC} dev wire nud permanent",
    )
    return node_of_module


def _socket(namespace: Namespace, address: str) -> socket.socket:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with namespace.entered():
        made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(TIMEOUT_S)
    return made


@contextmanager
def echo_server(namespace: Namespace, address: str) -> Iterator[list[tuple[str, int]]]:
    """Serve one connection: read a stream, then send it back; yields the clients seen."""
    seen: list[tuple[str, int]] = []
    with _socket(namespace, address) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, PORT))
        listening.listen()

        def serve() -> None:
            connection, peer = listening.accept()
            with connection:
                seen.append(peer[:2])
                connection.settimeout(TIMEOUT_S)
                connection.sendall(_read(connection))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield seen
        finally:
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


def _read(connection: socket.socket) -> bytes:
    received = bytearray()
    while len(received) < STREAM_BYTES:
        chunk = connection.recv(1 << 16)
        assert chunk, f"the stream ended after {len(received)} bytes"
        received += chunk
    return bytes(received)


def there_and_back(pod: Pod, address: str) -> None:
    """Send a stream from a pod to `address` and get it back."""
    sent = bytes(range(256)) * (STREAM_BYTES // 256)
    with _socket(pod.namespace, address) as client:
        client.connect((address, PORT))
        client.sendall(sent)
        assert _read(client) == sent


@pytest.mark.parametrize(
    ("address", "seen_as"), [(WORLD_4, NODE_4), (WORLD_6, NODE_6)], ids=["v4", "v6"]
)
def test_a_masqueraded_stream_comes_back_whole(node: Node, address: str, seen_as: str) -> None:
    with node.counted() as counted, echo_server(node.far_end, address) as seen:
        there_and_back(node.pod1, address)

    ((host, port),) = seen
    assert (host, port >= SNAT_PORT_MIN) == (seen_as, True)
    assert {reason for reason, _ in counted} == {DropReason.FORWARDED}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_stream_between_pods_of_a_node_comes_back_whole(node: Node, family: str) -> None:
    address = getattr(node.pod2, family)
    with echo_server(node.pod2.namespace, address) as seen:
        there_and_back(node.pod1, address)

    assert seen[0][0] == getattr(node.pod1, family)


@contextmanager
def narrow_device(node: Node, address: str) -> Iterator[None]:
    """Let eth1 carry 1400 octets, though pods and the world take 1500."""
    node.namespace.ip(f"link set eth1 mtu {NARROW_BYTES}")
    yield
    node.namespace.ip("link set eth1 mtu 1500")


@contextmanager
def narrow_route(node: Node, address: str) -> Iterator[None]:
    """Let the node's route to `address` carry 1400 octets, and the agent have seen it."""
    host = host_network(ip_address(address))
    router = ROUTER_4 if host.version == 4 else ROUTER_6
    node.namespace.ip(f"route add {host} via {router} mtu {NARROW_BYTES}")
    entries = route_mtu_entries([Route(host, mtu=NARROW_BYTES)])
    with node.datapath.opened(ROUTE_MTUS) as mtus:
        mtus.put_many(entries)
        yield
        mtus.remove_many(entries)
    node.namespace.ip(f"route del {host}")


@pytest.mark.parametrize("narrow", [narrow_device, narrow_route])
@pytest.mark.parametrize("address", [WORLD_4, WORLD_6], ids=["v4", "v6"])
def test_segments_fit_the_next_hop(
    node: Node,
    address: str,
    narrow: Callable[[Node, str], AbstractContextManager[None]],
) -> None:
    """A pod sends 64 KiB at once, to be cut into 1448 octets: it is told to cut smaller."""
    node.namespace.ip("link set eth1 gso_max_segs 1")  # What leaves is cut before the wire.
    with narrow(node, address), echo_server(node.far_end, address):
        capture = node.far_end.port("wire")
        there_and_back(node.pod1, address)
        lengths = capture.lengths_received()
        capture.close()
    node.namespace.ip("link set eth1 gso_max_segs 65535")
    with node.pod1.namespace.entered():
        run(["ip", "route", "flush", "cache"], check=True)
        run(["ip", "-6", "route", "flush", "cache"], check=True)

    assert max(lengths) == ETHER_BYTES + NARROW_BYTES


def test_two_pods_with_one_port_talk_to_one_server_at_once(node: Node) -> None:
    """The same source port toward the same remote: each gets its own answers."""
    with _socket(node.far_end, WORLD_4) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((WORLD_4, PORT))
        listening.listen()
        clients = []
        for pod in (node.pod1, node.pod2):
            client = _socket(pod.namespace, WORLD_4)
            client.bind((pod.ipv4, 45678))
            client.connect((WORLD_4, PORT))
            clients.append(client)
        peers = {}
        for _ in clients:
            connection, peer = listening.accept()
            with connection:
                connection.sendall(f"{peer[1]}".encode())
                peers[peer[1]] = peer[0]

        answers = {client.recv(16) for client in clients}
        for client in clients:
            client.close()

    assert set(peers.values()) == {NODE_4}
    assert answers == {str(port).encode() for port in peers}
    assert len(answers) == 2
