"""Section 5 of the walk-through: what leaves the cluster carries the node's address."""

import json
import re
from collections.abc import Iterator

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, PYTHON, ask, echo
from tests.lab.walkthrough.place import (
    BEHIND_ROUTER,
    INTERNET_IP,
    NODE_IPS,
    ROUTER_IP,
    Place,
    ttl_of,
)

#: The address of every machine's eth0.
UPLINK_IP = "10.0.2.15"

#: The walk-through's table for curl-pod on k8s-ctr: the server, where it is, the client it sees. The
#: other node sees the pod's own address; test_routing.py shows it over TCP.
WORLD = (
    (ROUTER_IP, "router", "192.168.10.100"),
    *((address, "router", "192.168.10.100") for address in BEHIND_ROUTER),
    (INTERNET_IP, "internet", UPLINK_IP),
)

#: An echo id below the ports that masquerading takes, so that it must change.
ECHO_ID = 4242


#: Holds many connections open at once, and prints the client that the web server saw on each.
MANY = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    s = socket.create_connection((sys.argv[1], 80), 3)
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    held.append(s)
for s in held:
    data = b""
    while b"address=" not in data:
        data += s.recv(4096) or sys.exit("closed")
    print(data.split(b"client=")[1].split(b"\\n")[0].decode())
"""


#: Takes a port toward an address for each of many datagrams.
TAKE = """
import socket, sys
for port in range(int(sys.argv[2]), int(sys.argv[3])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        s.sendto(b"x", (sys.argv[1], 7))
"""


@pytest.fixture
def routed(walk: Place) -> Iterator[Place]:
    """The router has routes to the pod CIDRs."""
    with walk.router_knows_pods():
        yield walk


def echo_lines(lines: list[str]) -> list[tuple[str, str, str, int]]:
    """Source, destination, kind and id of the echo messages that tcpdump printed."""
    pattern = r"IP (\S+) > (\S+): ICMP echo (request|reply), id (\d+)"
    found = [re.search(pattern, line) for line in lines]
    return [(m[1], m[2], m[3], int(m[4])) for m in found if m]


@pytest.mark.parametrize(("address", "machine", "source"), WORLD)
def test_world_sees_the_nodes_address_and_another_id_of_a_ping(
    walk: Place, address: str, machine: str, source: str
) -> None:
    with Capture.on(walk, machine, "any", "icmp") as seen:
        printed = walk.in_pod(f"ping -c 1 -W 3 -e {ECHO_ID} {address}")
        request, *_, reply = echo_lines(seen.until("echo reply"))

    assert ttl_of(printed) == 63
    assert request[:3] == (source, address, "request")
    assert reply[:3] == (address, source, "reply")
    assert request[3] == reply[3] != ECHO_ID


def test_other_node_sees_the_pods_address_and_the_id_of_its_ping(walk: Place) -> None:
    with Capture.on(walk, "k8s-w1", "eth1", "icmp") as seen:
        walk.in_pod(f"ping -c 1 -W 3 -e {ECHO_ID} 192.168.10.101")
        request, reply = echo_lines(seen.until("echo reply"))

    assert request == (walk.curl_ip, "192.168.10.101", "request", ECHO_ID)
    assert reply == ("192.168.10.101", walk.curl_ip, "reply", ECHO_ID)


@pytest.mark.parametrize(("address", "machine", "source"), WORLD)
def test_web_servers_of_the_world_see_the_nodes_address(
    walk: Place, address: str, machine: str, source: str
) -> None:
    answer = walk.typed(f"kubectl exec curl-pod -- curl -s -m 3 {address}")

    assert re.search(rf"^client={re.escape(source)}:\d+$", answer, re.MULTILINE)
    assert f"server={machine}\n" in answer


def test_pods_of_the_other_node_have_that_nodes_address(walk: Place) -> None:
    pod = walk.webpod("k8s-w1")

    assert walk.client_of(ROUTER_IP, asks=pod) == "192.168.10.101"
    assert walk.client_of(INTERNET_IP, asks=pod) == UPLINK_IP


@pytest.mark.parametrize(("address", "machine", "source"), WORLD)
def test_world_sees_the_nodes_address_over_udp(
    walk: Place, address: str, machine: str, source: str
) -> None:
    def clients() -> dict[str, int]:
        shown: dict[str, int] = json.loads(
            walk.inside("k8s-ctr", "curl", "-s", f"http://{address}/udp?format=json")
        )
        return shown

    before = clients()
    assert ask(walk, "curl-pod", address, 7, size=100)["answer"] == 100
    after = clients()

    added = [client for client, count in after.items() if count != before.get(client, 0)]
    assert [client.rpartition(":")[0] for client in added] == [source]


@pytest.mark.parametrize("address", [ROUTER_IP, INTERNET_IP])
def test_fragments_of_a_ping_are_masqueraded_each(walk: Place, address: str) -> None:
    machine = "router" if address == ROUTER_IP else "internet"
    with Capture.on(walk, machine, "any", f"ip[6:2] & 0x3fff != 0 and dst host {address}") as seen:
        printed = walk.in_pod(f"ping -c 1 -W 3 -s 2000 {address}")
        seen.until("ICMP echo request")
        lines = seen.until("ip-proto-1") if "ip-proto-1" not in seen.seen[-1] else seen.seen

    assert "2008 bytes from" in printed
    source = "192.168.10.100" if address == ROUTER_IP else UPLINK_IP
    assert len(lines) == 2
    assert all(f"IP {source} > {address}: " in line for line in lines)


@pytest.mark.parametrize("address", [ROUTER_IP, INTERNET_IP])
def test_fragments_of_a_datagram_are_masqueraded_each(walk: Place, address: str) -> None:
    assert ask(walk, "curl-pod", address, 7, size=6000)["answer"] == 6000


@pytest.mark.parametrize("address", [ROUTER_IP, INTERNET_IP])
def test_bulk_data_comes_through_whole(walk: Place, address: str) -> None:
    size = 20_000_000

    printed = walk.in_pod(
        f"curl -s -m 20 -o /dev/null -w %{{size_download}} {address}/bytes/{size}"
    )

    assert int(printed) == size


def test_clients_with_one_port_get_answers_of_their_own(walk: Place) -> None:
    """Two pods and their node ask from the same port: three ports outside, no mix-up."""
    line = f"curl -s -m 3 --local-port 45454 {ROUTER_IP}"

    answers = [
        walk.in_pod(line),
        walk.in_pod(line, pod=walk.webpod("k8s-ctr")),
        walk.on("k8s-ctr", line),
    ]

    clients = [re.search(r"client=(\S+):(\d+)", answer) for answer in answers]
    assert [client and client[1] for client in clients] == ["192.168.10.100"] * 3
    assert len({client[2] for client in clients if client}) == 3


def test_nodes_own_connection_keeps_its_port(walk: Place) -> None:
    answer = walk.on("k8s-ctr", f"curl -s -m 3 --local-port 20202 {ROUTER_IP}")

    assert "client=192.168.10.100:20202\n" in answer


def test_many_connections_of_two_pods_have_each_a_port_of_their_own(walk: Place) -> None:
    pods = ("curl-pod", walk.webpod("k8s-ctr"))
    running = [walk.background(pod, *PYTHON, MANY, ROUTER_IP, "400") for pod in pods]
    printed = [process.communicate(timeout=20)[0].split() for process in running]

    assert [len(clients) for clients in printed] == [400, 400]
    assert len(set(printed[0]) | set(printed[1])) == 800


def test_nat_list_shows_both_directions_of_a_flow(walk: Place) -> None:
    walk.in_pod(f"curl -s -m 3 --local-port 46464 {BEHIND_ROUTER[0]}")
    printed = walk.on("k8s-ctr", "cilium-dbg bpf nat list")

    pod, server = re.escape(f"{walk.curl_ip}:46464"), re.escape(f"{BEHIND_ROUTER[0]}:80")
    out = re.search(
        rf"^TCP OUT {pod} -> {server} XLATE_SRC 192\.168\.10\.100:(\d+) Created=",
        printed,
        re.MULTILINE,
    )
    assert out
    assert re.search(
        rf"^TCP IN {server} -> 192\.168\.10\.100:{out[1]} XLATE_DST {pod} Created=",
        printed,
        re.MULTILINE,
    )


def test_the_port_book_names_destination_and_pod(walk: Place) -> None:
    walk.in_pod(f"curl -s -m 3 --local-port 46470 {BEHIND_ROUTER[1]}")

    answer = json.loads(walk.typed("ciliate masquerade ports --node k8s-ctr --all -o json"))
    shown = walk.on("k8s-ctr", "cilium-dbg masquerade ports --all")
    metrics = walk.on("k8s-ctr", "cilium-dbg metrics list -p ^ciliate_masquerade_pod_connections$")

    (row,) = [
        each
        for each in answer["k8s-ctr"]["destinations"]
        if each["destination"] == f"{BEHIND_ROUTER[1]}:80/TCP"
    ]
    held = {each["name"]: each["ports"] for each in row["holders"] if each["namespace"]}
    assert (row["source-address"], row["ports"], row["failed"]) == ("192.168.10.100", 32768, 0)
    assert 1 <= held["curl-pod"] <= row["used"]
    line = rf"^192\.168\.10\.100 +{re.escape(BEHIND_ROUTER[1])}:80/TCP .*default/curl-pod \d+"
    assert re.search(line, shown, re.MULTILINE)
    assert 'namespace="default" pod="curl-pod"' in metrics


def test_an_event_of_pod_and_node_tells_that_a_destinations_ports_run_out(walk: Place) -> None:
    try:
        walk.inside("curl-pod", *PYTHON, TAKE, INTERNET_IP, "32768", str(32768 + 26400))
        shown = walk.typed("ciliate masquerade ports --node k8s-ctr")
        again = walk.typed("ciliate masquerade ports --node k8s-ctr")
    finally:
        walk.on("k8s-ctr", f"cilium-dbg bpf nat flush --destination {INTERNET_IP}")

    # Some more than it took: other tests of this lab ask there as well.
    used = r"264\d\d +32768 +80\.\d%"
    row = rf"^k8s-ctr +{UPLINK_IP} +{INTERNET_IP}:7/UDP +{used} .* default/curl-pod"
    assert re.search(row, shown, re.MULTILINE), shown
    assert re.search(row, again, re.MULTILINE), again
    eventually(
        lambda: alarmed(walk) == [("Node", "k8s-ctr", 1), ("Pod", "curl-pod", 1)],
        what="one Event of each",
    )


def alarmed(walk: Place) -> list[tuple[str, str, int]]:
    """What the Events about ports toward the internet's echo service are about, and their counts."""
    items = walk.lab.object("events", "--field-selector", "reason=MasqueradePortsLow")["items"]
    return sorted(
        (each["involvedObject"]["kind"], each["involvedObject"]["name"], each["count"])
        for each in items
        if f" {INTERNET_IP}:7/UDP " in each["message"]
        # An agent that looks meanwhile tells as soon as 80 % are taken: 26,214.
        and re.search(r"26[2-4]\d\d of them", each["message"])
    )


@pytest.mark.parametrize("node", NODE_IPS)
def test_reply_of_an_inbound_connection_keeps_the_pods_address(routed: Place, node: str) -> None:
    """Row 3 of the decision table: the connection began outside."""
    address = routed.webpod_ip(node)
    with Capture.on(routed, "router", "eth1", "tcp port 80 and net 10.244.0.0/16") as seen:
        assert routed.client_of(address, asks="router") == ROUTER_IP
        (answer, *_) = [
            x for x in seen.until("HTTP/1.1 200") if x.startswith(f"IP {address}.80 >")
        ]

    assert f"> {ROUTER_IP}." in answer


def test_reply_of_an_inbound_ping_and_datagram_keeps_the_pods_address(routed: Place) -> None:
    for node in NODE_IPS:
        address = routed.webpod_ip(node)
        assert routed.ttl_from(address, asks="router") == 63
        with echo(routed, routed.webpod(node)) as clients:
            # A connected socket: an answer from another address would not be taken.
            assert ask(routed, "router", address, ECHO_PORT, size=5000)["answer"] == 5000
        assert clients == [ROUTER_IP]


def test_what_a_pod_begins_stays_masqueraded_when_the_router_knows_it(routed: Place) -> None:
    assert routed.client_of(ROUTER_IP) == "192.168.10.100"


def test_closed_port_of_a_pod_refuses_the_world(routed: Place) -> None:
    address = routed.webpod_ip("k8s-w1")

    answer = ask(routed, "router", address, 9)

    assert (answer["error"], answer["offender"]) == ("ECONNREFUSED", address)


@pytest.mark.parametrize("address", [ROUTER_IP, *BEHIND_ROUTER, INTERNET_IP])
def test_port_unreachable_of_the_world_comes_back_to_the_pod(walk: Place, address: str) -> None:
    answer = ask(walk, "curl-pod", address, 9)

    assert (answer["error"], answer["offender"]) == ("ECONNREFUSED", address)


@pytest.mark.parametrize("address", [ROUTER_IP, INTERNET_IP])
def test_refused_connection_comes_back_to_the_pod(walk: Place, address: str) -> None:
    printed = walk.in_pod(f"sh -c 'curl -s -m 3 {address}:81; echo $?'")

    assert printed == "7\n"


#: Routed by nodes to the router, and by it to the internet: the router is a hop on the way.
BEYOND = "10.10.77.1"


def test_router_shows_itself_as_a_hop_of_a_ping(walk: Place) -> None:
    printed = walk.in_pod(f"ping -c 1 -W 3 -t 2 {BEYOND}", check=False)

    assert f"From {ROUTER_IP} icmp_seq=1 Time to live exceeded" in printed


def test_router_shows_itself_as_a_hop_of_a_datagram(walk: Place) -> None:
    """What traceroute does."""
    answer = ask(walk, "curl-pod", BEYOND, 33434, ttl=2)

    assert (answer["error"], answer["offender"]) == ("EHOSTUNREACH", ROUTER_IP)


def test_node_itself_shows_as_the_first_hop_to_the_world(walk: Place) -> None:
    answer = ask(walk, "curl-pod", INTERNET_IP, 33434, ttl=1)

    assert answer["error"] == "EHOSTUNREACH"
    assert answer["offender"] in walk.inside("k8s-ctr", "hostname", "-I").split()


@pytest.fixture
def narrow(walk: Place) -> Iterator[str]:
    """An address behind a link of the router's that takes packets of 1000 bytes."""
    network = "10.10.88.0/24"
    walk.on("router", f"ip route replace {network} dev loop1 mtu lock 1000")
    yield "10.10.88.1"
    walk.on("router", f"ip route del {network}")
    walk.forget_routes("curl-pod")


def test_pod_learns_the_mtu_of_a_link_behind_the_router(walk: Place, narrow: str) -> None:
    answer = ask(walk, "curl-pod", narrow, 9, size=1200, whole=True)

    assert answer == {"error": "EMSGSIZE", "offender": ROUTER_IP, "info": 1000}
    assert "mtu 1000" in walk.in_pod(f"ip route get {narrow}")


def test_ping_learns_the_mtu_of_a_link_behind_the_router(walk: Place, narrow: str) -> None:
    printed = walk.in_pod(f"ping -c 1 -W 3 -M do -s 1200 {narrow}", check=False)

    assert f"From {ROUTER_IP} icmp_seq=1 Frag needed and DF set (mtu = 1000)" in printed
