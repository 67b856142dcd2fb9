"""Section 4 of the walk-through: native routing between nodes, and what must hold beside it."""

import json

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, PYTHON, ask, echo
from tests.lab.walkthrough.place import NODE_IPS, ROUTER_IP, Place, ttl_of

#: Sends a datagram whose IPv4 header says a source of our choice (raw(7), IP_HDRINCL).
SPOOF = """
import socket, struct, sys
source, destination = map(socket.inet_aton, sys.argv[1:3])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack(">HHHH", 7777, 9999, 8, 0)
header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, source, destination)
s.sendto(header + udp, (sys.argv[2], 0))
"""


def spoofed_drops(walk: Place, node: str) -> int:
    """Packets that a node dropped for their source address."""
    metrics = json.loads(walk.inside(node, "cilium-dbg", "bpf", "metrics", "list", "-o", "json"))
    return sum(m["packets"] for m in metrics if m["reason"] == "Invalid source ip")


def test_pods_of_two_nodes_are_two_hops_apart(walk: Place) -> None:
    printed = walk.typed(f"kubectl exec curl-pod -- ping -c 1 {walk.webpod_ip('k8s-w1')}")

    assert " 0% packet loss" in printed
    assert ttl_of(printed) == 62


def test_pods_of_one_node_are_one_hop_apart(walk: Place) -> None:
    assert walk.ttl_from(walk.webpod_ip("k8s-ctr")) == 63


def test_another_node_is_one_hop_from_a_pod(walk: Place) -> None:
    assert walk.ttl_from("192.168.10.101") == 63


def test_its_own_node_is_next_to_a_pod(walk: Place) -> None:
    assert walk.ttl_from("192.168.10.100") == 64


def test_every_address_of_a_node_answers_a_pod(walk: Place) -> None:
    """Those of its router interface, and the one that all eth0 share."""
    for node, hops in (("k8s-ctr", 64), ("k8s-w1", 63)):
        spec = walk.lab.object("ciliumnode", node)["spec"]
        (router,) = (a["ip"] for a in spec["addresses"] if a["type"] == "CiliumInternalIP")
        assert walk.ttl_from(router) == hops
    assert walk.client_of("10.0.2.15") == walk.curl_ip


def test_both_nodes_route_the_others_pod_cidr_to_its_address(walk: Place) -> None:
    on_control_plane = walk.on("k8s-ctr", "ip -c route").split("\n")
    on_worker = walk.on("k8s-w1", "ip -c route").split("\n")

    assert "10.244.1.0/24 via 192.168.10.101 dev eth1 proto kernel" in map(
        str.strip, on_control_plane
    )
    assert "10.244.0.0/24 via 192.168.10.100 dev eth1 proto kernel" in map(str.strip, on_worker)


@pytest.mark.parametrize("node", NODE_IPS)
def test_between_nodes_packets_carry_the_pods_own_addresses(walk: Place, node: str) -> None:
    here, there = walk.curl_ip, walk.webpod_ip("k8s-w1")

    with Capture.on(walk, node, "eth1", "icmp or udp port 8472 or udp port 6081") as seen:
        walk.in_pod(f"ping -c 1 -W 3 -e 77 {there}")
        lines = seen.until("echo reply")

    assert [line.rpartition(",")[0] for line in lines] == [
        f"IP {here} > {there}: ICMP echo request, id 77, seq 1",
        f"IP {there} > {here}: ICMP echo reply, id 77, seq 1",
    ]


@pytest.mark.parametrize("node", NODE_IPS)
def test_pod_sees_another_pods_own_address_over_tcp(walk: Place, node: str) -> None:
    assert walk.client_of(walk.webpod_ip(node)) == walk.curl_ip


def test_connections_go_the_other_way_too(walk: Place) -> None:
    client = walk.webpod("k8s-w1")

    assert walk.client_of(walk.webpod_ip("k8s-ctr"), asks=client) == walk.webpod_ip("k8s-w1")


@pytest.mark.parametrize("node", NODE_IPS)
def test_pod_sees_another_pods_own_address_over_udp(walk: Place, node: str) -> None:
    with echo(walk, walk.webpod(node)) as clients:
        assert ask(walk, "curl-pod", walk.webpod_ip(node), ECHO_PORT, size=1000)["answer"] == 1000

    assert clients == [walk.curl_ip]


@pytest.mark.parametrize("node", NODE_IPS)
def test_fragments_between_pods_arrive(walk: Place, node: str) -> None:
    with echo(walk, walk.webpod(node)):
        assert ask(walk, "curl-pod", walk.webpod_ip(node), ECHO_PORT, size=9000)["answer"] == 9000


def test_whole_mtu_of_the_network_is_the_pods(walk: Place) -> None:
    """Native routing costs no bytes: 1472 of payload, 8 of ICMP, 20 of IPv4 are 1500."""
    address = walk.webpod_ip("k8s-w1")

    assert " 0% packet loss" in walk.in_pod(f"ping -c 1 -W 3 -M do -s 1472 {address}")
    assert " 0% packet loss" not in walk.in_pod(
        f"ping -c 1 -W 1 -M do -s 1473 {address}", check=False
    )


@pytest.mark.parametrize("pod_on", NODE_IPS)
@pytest.mark.parametrize("node", NODE_IPS)
def test_node_reaches_pods_and_they_see_the_node(walk: Place, node: str, pod_on: str) -> None:
    seen = walk.client_of(walk.webpod_ip(pod_on), asks=node)

    # On the same node it has no better source than any of its addresses.
    own = set(walk.inside(node, "hostname", "-I").split())
    assert seen in (own if node == pod_on else {NODE_IPS[node]})


@pytest.mark.parametrize("node", NODE_IPS)
def test_node_sees_a_pods_own_address(walk: Place, node: str) -> None:
    assert walk.client_of(NODE_IPS[node]) == walk.curl_ip


def test_node_and_pod_exchange_datagrams(walk: Place) -> None:
    pod = walk.webpod("k8s-w1")
    with echo(walk, pod) as clients:
        assert "answer" in ask(walk, "k8s-ctr", walk.webpod_ip("k8s-w1"), ECHO_PORT)
        assert "answer" in ask(walk, "k8s-w1", walk.webpod_ip("k8s-w1"), ECHO_PORT)

    assert clients[0] == NODE_IPS["k8s-ctr"]


@pytest.mark.parametrize("node", NODE_IPS)
def test_closed_port_of_a_pod_refuses(walk: Place, node: str) -> None:
    address = walk.webpod_ip(node)

    answer = ask(walk, "curl-pod", address, 9)

    assert (answer["error"], answer["offender"]) == ("ECONNREFUSED", address)
    assert walk.in_pod(f"sh -c 'curl -sS -m 3 http://{address}:81 2>&1; echo $?'").endswith("7\n")


def test_each_node_on_the_way_is_a_hop_that_shows(walk: Place) -> None:
    address = walk.webpod_ip("k8s-w1")

    first = ask(walk, "curl-pod", address, 9, ttl=1)
    second = ask(walk, "curl-pod", address, 9, ttl=2)

    assert first["error"] == second["error"] == "EHOSTUNREACH"
    assert first["offender"] in walk.inside("k8s-ctr", "hostname", "-I").split()
    assert second["offender"] == NODE_IPS["k8s-w1"]


@pytest.mark.parametrize("source", ["10.244.0.250", "webpod", "192.168.10.100", "203.0.113.77"])
def test_spoofed_source_is_dropped_and_counted(walk: Place, source: str) -> None:
    """Another pod's address, the node's, a stranger's: none but the pod's own leaves it."""
    claimed = walk.webpod_ip("k8s-ctr") if source == "webpod" else source
    if claimed == walk.curl_ip:  # By chance: addresses of pods are.
        claimed = "10.244.0.249"
    before = spoofed_drops(walk, "k8s-ctr")

    with Capture.on(walk, "router", "eth1", "udp port 9999 or icmp") as seen:
        walk.inside("curl-pod", *PYTHON, SPOOF, claimed, ROUTER_IP)
        # What was sent later and has arrived shows that the former will not.
        walk.inside("curl-pod", "ping", "-c", "1", "-W", "3", ROUTER_IP)
        lines = seen.until("echo reply")

    assert not [line for line in lines if ".9999:" in line]
    eventually(lambda: spoofed_drops(walk, "k8s-ctr") == before + 1, what="a drop counted")


def test_own_source_through_the_same_raw_socket_leaves(walk: Place) -> None:
    """The test above would pass if raw sockets sent nothing."""
    with Capture.on(walk, "router", "eth1", "udp port 9999") as seen:
        walk.inside("curl-pod", *PYTHON, SPOOF, walk.curl_ip, ROUTER_IP)
        (line,) = seen.until(".9999:")

    assert line.startswith("IP 192.168.10.100.")


def test_spoofed_source_does_not_reach_a_pod_of_the_same_node(walk: Place) -> None:
    target = walk.webpod_ip("k8s-ctr")
    before = spoofed_drops(walk, "k8s-ctr")

    with Capture.on(walk, walk.webpod("k8s-ctr"), "eth0", "udp port 9999 or icmp") as seen:
        walk.inside("curl-pod", *PYTHON, SPOOF, walk.webpod_ip("k8s-w1"), target)
        walk.inside("curl-pod", "ping", "-c", "1", "-W", "3", target)
        lines = seen.until("echo reply")

    assert not [line for line in lines if ".9999:" in line]
    eventually(lambda: spoofed_drops(walk, "k8s-ctr") == before + 1, what="a drop counted")
