"""The place of the walk-through's section 0: machines, addresses, what they reach."""

import json

import pytest
from tests.lab.cluster import Cluster


def addresses(cluster: Cluster, machine: str) -> dict[str, list[str]]:
    """Device -> its IPv4 addresses."""
    found = json.loads(cluster.exec(machine, "ip", "-4", "-j", "address"))
    return {
        link["ifname"]: [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]]
        for link in found
    }


@pytest.mark.parametrize(
    ("machine", "eth1"),
    [
        ("k8s-ctr", "192.168.10.100/24"),
        ("k8s-w1", "192.168.10.101/24"),
        ("router", "192.168.10.200/24"),
    ],
)
def test_machine_has_its_name_and_addresses(cluster: Cluster, machine: str, eth1: str) -> None:
    assert cluster.exec(machine, "hostname") == f"{machine}\n"
    found = addresses(cluster, machine)
    assert found["eth0"] == ["10.0.2.15/24"]
    assert found["eth1"] == [eth1]


def test_nodes_have_the_default_route_and_the_static_one(cluster: Cluster) -> None:
    routes = cluster.exec("k8s-w1", "ip", "route")

    assert "default via 10.0.2.2 dev eth0 proto dhcp src 10.0.2.15 metric 100" in routes
    assert "10.10.0.0/16 via 192.168.10.200 dev eth1 proto static" in routes


def test_router_knows_its_loops_and_no_pod(cluster: Cluster) -> None:
    found = addresses(cluster, "router")
    routes = cluster.exec("router", "ip", "route")

    assert found["loop1"] == ["10.10.1.200/24"]
    assert found["loop2"] == ["10.10.2.200/24"]
    assert "10.244." not in routes
    assert cluster.exec("router", "cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"


@pytest.mark.parametrize(
    "target", ["192.168.10.101", "192.168.10.200", "10.10.1.200", "10.10.2.200"]
)
def test_web_servers_of_the_company_see_the_nodes_eth1(cluster: Cluster, target: str) -> None:
    if target == "192.168.10.101":
        assert "1 received" in cluster.exec("k8s-ctr", "ping", "-c", "1", "-W", "2", target)
        return

    answer = json.loads(cluster.exec("k8s-ctr", "curl", "-s", f"http://{target}/?format=json"))

    assert answer["client"].startswith("192.168.10.100:")
    assert answer["server"] == "router"


@pytest.mark.parametrize("machine", ["k8s-ctr", "k8s-w1", "router"])
def test_internet_answers_every_machine_though_all_have_one_address(
    cluster: Cluster, machine: str
) -> None:
    # The same source port from each machine: the same four-tuple, three times at once.
    answer = cluster.exec(
        machine, "curl", "-s", "--local-port", "41000", "-m", "5", "http://203.0.113.10/"
    )

    assert "client=10.0.2.15:41000\n" in answer
    assert "1 received" in cluster.exec(machine, "ping", "-c", "1", "-W", "2", "203.0.113.10")


def test_equal_connections_of_two_machines_live_side_by_side(cluster: Cluster) -> None:
    slow = "http://203.0.113.10/slow?count=30&interval=0.02"
    words = ("curl", "-s", "-m", "10", "--local-port", "41001", slow)

    with cluster.background("k8s-ctr", *words) as one, cluster.background("k8s-w1", *words) as two:
        first, second = one.communicate()[0], two.communicate()[0]

    for text in (first, second):
        lines = text.splitlines()
        assert len(lines) == 30
        assert {line.split()[1] for line in lines} == {"client=10.0.2.15:41001"}


def test_refused_connection_is_refused_by_the_link_it_came_on(cluster: Cluster) -> None:
    """A reset has no socket: it finds its way by the reflected mark."""
    for machine in ("k8s-ctr", "k8s-w1"):
        done = cluster.lab(
            "exec", machine, "--", "curl", "-s", "-m", "5", "http://203.0.113.10:81/", check=False
        )
        assert done.returncode == 7, "curl's code for a refused connection"


def test_udp_echo_counts_datagrams_by_client(cluster: Cluster) -> None:
    program = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)\n"
        "s.bind(('', 41002)); s.connect(('203.0.113.10', 7))\n"
        "for n in range(5): s.send(b'%d' % n); assert s.recv(99) == b'%d' % n"
    )

    cluster.exec("k8s-w1", "python3", "-c", program)

    counts = json.loads(
        cluster.exec("k8s-w1", "curl", "-s", "http://203.0.113.10/udp?format=json")
    )
    assert counts["10.0.2.15:41002"] == 5


def test_bytes_are_served_in_the_asked_number(cluster: Cluster) -> None:
    words = ("curl", "-s", "-o", "/dev/null", "-w", "%{size_download}")

    assert cluster.exec("k8s-ctr", *words, "http://10.10.1.200/bytes/1000001") == "1000001"


def test_what_a_machine_writes_stays_in_the_machine(cluster: Cluster) -> None:
    cluster.exec("k8s-ctr", "sh", "-c", "echo x > /etc/only-here; echo x > /run/only-here")

    assert "only-here" in cluster.exec("k8s-ctr", "ls", "/etc")
    for path in ("/etc/only-here", "/run/only-here"):
        done = cluster.lab("exec", "k8s-w1", "--", "test", "-e", path, check=False)
        assert done.returncode == 1


def test_machine_sees_its_own_devices_and_its_own_bpf_file_system(cluster: Cluster) -> None:
    assert set(cluster.exec("router", "ls", "/sys/class/net").split()) == {
        "eth0",
        "eth1",
        "lo",
        "loop1",
        "loop2",
    }
    assert "bpf on /sys/fs/bpf" in cluster.exec("router", "mount")
    inodes = {
        cluster.exec(machine, "stat", "-c", "%d", "/sys/fs/bpf")
        for machine in ("router", "k8s-w1")
    }
    assert len(inodes) == 2, "two file systems"


def test_lab_has_no_way_to_the_machines_own_network(cluster: Cluster) -> None:
    """Links of the lab's namespaces end in the lab's namespaces."""
    inodes = {
        (cluster.folder / machine / "ns" / "net").stat().st_ino
        for machine in ("k8s-ctr", "k8s-w1", "router", "internet", "switch")
    }
    done = cluster.lab(
        "exec", "internet", "--", "ping", "-c", "1", "-W", "1", "192.0.2.1", check=False
    )

    assert len(inodes) == 5
    assert done.returncode != 0
