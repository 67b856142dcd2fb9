"""The walk-through's cluster with IPv6 beside IPv4: one flag, and both families work alike."""

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from tests.lab import name_client as names
from tests.lab.cluster import eventually
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, PYTHON, ask, echo
from tests.lab.walkthrough.place import ROUTER_IP, Place, rows

NODE_IP6S = {"k8s-ctr": "fd00:192:168:10::100", "k8s-w1": "fd00:192:168:10::101"}
POD_CIDR6S = {"k8s-ctr": "fd00:10:244::/64", "k8s-w1": "fd00:10:244:1::/64"}
POD_CIDR4S = {"k8s-ctr": "10.244.0.0/24", "k8s-w1": "10.244.1.0/24"}
ROUTER_IP6 = "fd00:192:168:10::200"
BEHIND_ROUTER6 = "fd00:10:10:1::200"
INTERNET_IP6 = "2001:db8:113::10"
UPLINK_IP6 = "fd00:10:0:2::15"

#: The client that each machine of the world sees when curl-pod asks it.
WORLD = (
    (ROUTER_IP6, NODE_IP6S["k8s-ctr"]),
    (BEHIND_ROUTER6, NODE_IP6S["k8s-ctr"]),
    (INTERNET_IP6, UPLINK_IP6),
)

#: Sends a datagram whose IPv6 header says a source of our choice (ipv6(7), IPV6_HDRINCL).
SPOOF = """
import socket, struct, sys
source, destination = (socket.inet_pton(socket.AF_INET6, a) for a in sys.argv[1:3])
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.setsockopt(socket.IPPROTO_IPV6, 36, 1)
udp = struct.pack(">HHHH", 7777, 9999, 8, 0xffff)
header = struct.pack(">IHBB16s16s", 6 << 28, 8, 17, 64, source, destination)
s.sendto(header + udp, (sys.argv[2], 0))
"""


def ip6(place: Place, pod: str) -> str:
    """A pod's IPv6 address."""
    (found,) = (a["ip"] for a in place.pods[pod]["status"]["podIPs"] if ":" in a["ip"])
    return str(found)


def webpod6(place: Place, node: str) -> str:
    """The IPv6 address of a node's replica."""
    return ip6(place, place.webpod(node))


def spoofed_drops(place: Place) -> int:
    """Packets that curl-pod's node dropped for their source address."""
    metrics = json.loads(
        place.inside("k8s-ctr", "cilium-dbg", "bpf", "metrics", "list", "-o", "json")
    )
    return sum(m["packets"] for m in metrics if m["reason"] == "Invalid source ip")


@pytest.fixture
def routed(dual: Place) -> Iterator[Place]:
    """The router has routes to the pod CIDRs of both families."""
    with dual.router_knows_pods():
        yield dual


def test_nodes_have_a_pod_cidr_of_each_family(dual: Place) -> None:
    nodes = dual.lab.object("node")["items"]
    agents = dual.lab.object("ciliumnode")["items"]

    expected = {name: [POD_CIDR4S[name], POD_CIDR6S[name]] for name in NODE_IP6S}
    assert {n["metadata"]["name"]: n["spec"]["podCIDRs"] for n in nodes} == expected
    assert {n["metadata"]["name"]: n["spec"]["ipam"]["podCIDRs"] for n in agents} == expected


def test_pods_have_an_address_of_each_family_and_ipv4_is_the_first(dual: Place) -> None:
    for pod in dual.pods.values():
        if pod["spec"].get("hostNetwork"):
            continue
        first, second = (a["ip"] for a in pod["status"]["podIPs"])
        node = pod["spec"]["nodeName"]
        assert pod["status"]["podIP"] == first
        assert IPv4Address(first) in IPv4Network(POD_CIDR4S[node])
        assert IPv6Address(second) in IPv6Network(POD_CIDR6S[node])


def test_ciliumendpoints_show_both_addresses(dual: Place) -> None:
    header, *endpoints = rows(dual.typed("kubectl get cep"))

    assert header[-2:] == ["IPV4", "IPV6"]
    assert {e[0]: e[3:5] for e in endpoints} == {
        name: [a["ip"] for a in pod["status"]["podIPs"]]
        for name, pod in dual.pods.items()
        if not pod["spec"].get("hostNetwork")
    }


def test_cluster_dns_is_asked_and_answers_in_both_families(dual: Place) -> None:
    service = dual.lab.object("service", "-n", "kube-system", "kube-dns")["spec"]
    pods = dual.lab.object("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
    name = "kube-dns.kube-system.svc.cluster.local"

    assert service["clusterIPs"] == ["10.96.0.10", "fd00:10:96::a"]
    for pod in pods:
        for server in (each["ip"] for each in pod["status"]["podIPs"]):
            asked = names.ask(
                *(dual.lab, "curl-pod", server),
                *(f"{name}/A", f"{name}/AAAA", "www.example.com/AAAA"),
            )
            assert [each.records for each in asked] == [
                ["A 10.96.0.10"],
                ["AAAA fd00:10:96::a"],
                ["AAAA 2001:db8:113::10"],
            ]


def test_machines_ask_the_gateway_in_both_families(dual: Place) -> None:
    assert dual.on("k8s-w1", "cat /etc/resolv.conf") == (
        "nameserver 10.0.2.2\nnameserver fd00:10:0:2::2\n"
    )
    (told,) = names.ask(dual.lab, "k8s-w1", "fd00:10:0:2::2", "www.example.com/A")
    assert told.records == ["A 203.0.113.10"]


def test_endpoint_list_shows_both_addresses(dual: Place) -> None:
    printed = dual.on("k8s-ctr", "cilium-dbg endpoint list")

    columns = rf"k8s:app=curl\s+{ip6(dual, 'curl-pod')}\s+{re.escape(dual.curl_ip)}\s+ready"
    assert re.search(columns, printed)


def test_status_shows_both_pools_and_both_kinds_of_masquerading(dual: Place) -> None:
    printed = dual.on("k8s-ctr", "cilium-dbg status")

    assert re.search(r"IPAM:\s+IPv4: \d+/254 allocated from 10\.244\.0\.0/24, IPv6: \d+/", printed)
    assert "10.244.0.0/16 fd00:10:244::/56 [IPv4: Enabled, IPv6: Enabled]" in printed


def test_kernel_routes_of_ipv6_are_those_of_ipv4(dual: Place) -> None:
    routes = dual.on("k8s-ctr", "ip -6 route")

    assert "fd00:10:244:1::/64 via fd00:192:168:10::101 dev eth1 proto kernel" in routes
    for pod in ("curl-pod", dual.webpod("k8s-ctr")):
        assert re.search(rf"^{ip6(dual, pod)} dev lxc\w+ proto kernel", routes, re.MULTILINE)


@pytest.mark.parametrize(("node", "hops"), [("k8s-ctr", 63), ("k8s-w1", 62)])
def test_pods_reach_each_other_by_ipv6(dual: Place, node: str, hops: int) -> None:
    address = webpod6(dual, node)

    assert dual.ttl_from(address) == hops
    assert dual.client_of(address) == ip6(dual, "curl-pod")
    with echo(dual, dual.webpod(node)) as clients:
        assert ask(dual, "curl-pod", address, ECHO_PORT, size=5000)["answer"] == 5000
    assert clients == [ip6(dual, "curl-pod")]


def test_between_nodes_packets_carry_the_pods_own_ipv6_addresses(dual: Place) -> None:
    here, there = ip6(dual, "curl-pod"), webpod6(dual, "k8s-w1")
    messages = "icmp6 and (ip6[40] == 128 or ip6[40] == 129)"

    with Capture.on(dual, "k8s-ctr", "eth1", f"({messages}) or udp port 8472") as seen:
        dual.in_pod(f"ping -c 1 -W 3 -e 77 {there}")
        lines = seen.until("echo reply")

    assert [line.rpartition(",")[0] for line in lines] == [
        f"IP6 {here} > {there}: ICMP6, echo request, id 77, seq 1",
        f"IP6 {there} > {here}: ICMP6, echo reply, id 77, seq 1",
    ]


@pytest.mark.parametrize(("node", "hops"), [("k8s-ctr", 64), ("k8s-w1", 63)])
def test_pod_reaches_nodes_by_ipv6_with_its_own_address(dual: Place, node: str, hops: int) -> None:
    assert dual.ttl_from(NODE_IP6S[node]) == hops
    assert dual.client_of(NODE_IP6S[node]) == ip6(dual, "curl-pod")


@pytest.mark.parametrize("pod_on", NODE_IP6S)
@pytest.mark.parametrize("node", NODE_IP6S)
def test_node_reaches_pods_by_ipv6(dual: Place, node: str, pod_on: str) -> None:
    seen = dual.client_of(webpod6(dual, pod_on), asks=node)

    assert seen in dual.inside(node, "hostname", "-I").split()


@pytest.mark.parametrize(("address", "source"), WORLD)
def test_world_sees_the_nodes_ipv6_address(dual: Place, address: str, source: str) -> None:
    assert dual.ttl_from(address) == 63
    assert dual.client_of(address) == source
    assert ask(dual, "curl-pod", address, 7, size=5000)["answer"] == 5000


@pytest.mark.parametrize(("address", "source"), WORLD)
def test_port_unreachable_of_the_ipv6_world_comes_back(
    dual: Place, address: str, source: str
) -> None:
    answer = ask(dual, "curl-pod", address, 9)

    assert (answer["error"], answer["offender"]) == ("ECONNREFUSED", address)


@pytest.mark.parametrize("node", NODE_IP6S)
def test_router_with_a_route_reaches_pods_by_their_own_addresses(routed: Place, node: str) -> None:
    """Native routing: the answers of connections that began outside are not masqueraded."""
    address = webpod6(routed, node)

    assert routed.ttl_from(address, asks="router") == 63
    with Capture.on(routed, "router", "eth1", "tcp port 80 and net fd00:10:244::/56") as seen:
        assert routed.client_of(address, asks="router") == ROUTER_IP6
        lines = seen.until("HTTP/1.1 200")
    assert any(line.startswith(f"IP6 {address}.80 > {ROUTER_IP6}.") for line in lines)
    with echo(routed, routed.webpod(node)) as clients:
        assert "answer" in ask(routed, "router", address, ECHO_PORT)
    assert clients == [ROUTER_IP6]


def test_ipv4_is_masqueraded_as_ever(dual: Place) -> None:
    assert dual.client_of(ROUTER_IP) == "192.168.10.100"
    assert dual.client_of("203.0.113.10") == "10.0.2.15"
    assert dual.client_of("192.168.10.101") == dual.curl_ip


def test_router_shows_itself_as_an_ipv6_hop(dual: Place) -> None:
    answer = ask(dual, "curl-pod", "fd00:10:10:77::1", 33434, ttl=2)

    assert (answer["error"], answer["offender"]) == ("EHOSTUNREACH", ROUTER_IP6)


def test_pod_learns_the_mtu_of_an_ipv6_link_behind_the_router(dual: Place) -> None:
    dual.on("router", "ip -6 route replace fd00:10:10:88::/64 dev loop1 mtu lock 1300")
    try:
        answer = ask(dual, "curl-pod", "fd00:10:10:88::1", 9, size=1400, whole=True)
    finally:
        dual.on("router", "ip -6 route del fd00:10:10:88::/64")

    assert answer == {"error": "EMSGSIZE", "offender": ROUTER_IP6, "info": 1300}


@pytest.mark.parametrize("source", ["fd00:10:244::bad", "webpod", NODE_IP6S["k8s-ctr"]])
def test_spoofed_ipv6_source_is_dropped_and_counted(dual: Place, source: str) -> None:
    claimed = webpod6(dual, "k8s-ctr") if source == "webpod" else source
    before = spoofed_drops(dual)

    with Capture.on(dual, "router", "eth1", "udp port 9999 or icmp6") as seen:
        dual.inside("curl-pod", *PYTHON, SPOOF, claimed, ROUTER_IP6)
        # What was sent later and has arrived shows that the former will not.
        dual.inside("curl-pod", "ping", "-c", "1", "-W", "3", ROUTER_IP6)
        lines = seen.until("echo reply")

    assert not [line for line in lines if ".9999:" in line]
    eventually(lambda: spoofed_drops(dual) == before + 1, what="a drop counted")


def test_own_ipv6_source_through_the_same_raw_socket_leaves(dual: Place) -> None:
    """The test above would pass if raw sockets sent nothing."""
    with Capture.on(dual, "router", "eth1", "udp port 9999") as seen:
        dual.inside("curl-pod", *PYTHON, SPOOF, ip6(dual, "curl-pod"), ROUTER_IP6)
        (line,) = seen.until(".9999:")

    assert line.startswith(f"IP6 {NODE_IP6S['k8s-ctr']}.")


#: An address of each node's CIDRs, by family, that no pod and no router is given so early.
NOBODY = (("4", "10.244.0.253", "icmp"), ("6", "fd00:10:244::fffd", "icmp6"))


@pytest.mark.parametrize(("family", "address", "protocol"), NOBODY, ids=["IPv4", "IPv6"])
def test_packet_to_an_address_that_no_pod_has_is_answered_and_leaves_the_node_nowhere(
    dual: Place, family: str, address: str, protocol: str
) -> None:
    """It went to the router and back until its TTL was over, or out with the pod's own address."""
    cidr = POD_CIDR6S["k8s-ctr"] if family == "6" else POD_CIDR4S["k8s-ctr"]
    via = NODE_IP6S["k8s-ctr"] if family == "6" else "192.168.10.100"
    route = (cidr, "via", via)
    before = dual.lab.exec("router", "ip", f"-{family}", "route", "show", cidr)
    dual.lab.exec("router", "ip", f"-{family}", "route", "replace", *route)
    senders = ("curl-pod", dual.webpod("k8s-w1"), "router")
    try:
        with Capture.on(dual, "k8s-ctr", "any", protocol, "and", "host", address) as seen:
            said = [
                dual.lab.exec(sender, "ping", "-c1", "-W3", address, check=False)
                for sender in senders
            ]
            for _ in senders:
                passed = seen.until("In", f"> {address}: ", "echo request")
    finally:
        if not before:
            dual.lab.exec("router", "ip", f"-{family}", "route", "del", *route)
    own = dual.lab.exec("k8s-ctr", "ping", "-c1", "-W3", address, check=False)

    assert all("nreachable" in each and "+1 errors" in each for each in said), said
    assert "bytes from" not in own
    assert not [line for line in passed if "Out" in line and "echo request" in line]
    shown = dual.lab.exec("k8s-ctr", "ip", f"-{family}", "route")
    assert f"unreachable {cidr} " in shown
