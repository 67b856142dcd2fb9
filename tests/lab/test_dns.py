"""The cluster's DNS in a lab: asked at its replicas' addresses, from pods and nodes."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.name_client import Told, ask

DNS: Final = ("-n", "kube-system")
SEARCH: Final = "search default.svc.cluster.local svc.cluster.local cluster.local\n"
ALL_SERVERS: Final = "nameserver 10.96.0.10\nnameserver 1.1.1.1\nnameserver 2.2.2.2\n"
SERVICE: Final = "10.96.0.10"
REPLICAS: Final = (*DNS, "-l", "k8s-app=kube-dns")

#: Asks, serves behind Services, and shows what the kubelet wrote.
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: asking}
spec:
  nodeName: k8s-ctr
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: nicolaka/netshoot}]
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec:
  nodeName: k8s-w1
  dnsPolicy: Default
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: traefik/whoami, ports: [{name: web, containerPort: 80}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: own-resolver}
spec:
  nodeName: k8s-w1
  dnsPolicy: None
  dnsConfig:
    nameservers: [9.9.9.9]
    searches: [example.org]
    options: [{name: ndots, value: "1"}, {name: edns0}]
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: nicolaka/netshoot}]
---
apiVersion: v1
kind: Pod
metadata: {name: many-servers}
spec:
  hostNetwork: true
  nodeName: k8s-w1
  dnsPolicy: ClusterFirstWithHostNet
  dnsConfig: {nameservers: [1.1.1.1, 2.2.2.2, 3.3.3.3]}
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: nicolaka/netshoot}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: web, port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  clusterIP: 10.96.7.7
  selector: {app: db}
  ports: [{name: web, port: 8000, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: web.example.net}
---
apiVersion: v1
kind: Service
metadata: {name: named}
spec: {clusterIP: None, ports: [{name: web, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: named-1, labels: {kubernetes.io/service-name: named}}
addressType: IPv4
ports: [{name: web, port: 80, protocol: TCP}]
endpoints: [{addresses: [198.51.100.7], hostname: first, conditions: {ready: true}}]
"""


@dataclass(frozen=True, slots=True)
class Site:
    """The shared lab with something in it that has names."""

    lab: Cluster
    servers: tuple[str, ...]

    def address(self, pod: str) -> str:
        return str(self.lab.object("pod", pod)["status"]["podIP"])

    def told(self, *questions: str, where: str = "asking", **how: Any) -> list[Told]:
        return ask(self.lab, where, self.servers[0], *questions, **how)


def replicas(lab: Cluster) -> list[Any]:
    found: list[Any] = lab.object("pods", *REPLICAS)["items"]
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def wait_for_dns(lab: Cluster) -> None:
    lab.kubectl(*DNS, "rollout", "status", "deployment/coredns", "--timeout=30s")


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[Site]:
    try:
        cluster.kubectl("apply", "-f", "-", text=PODS)
        cluster.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=30s")
        wait_for_dns(cluster)
        servers = tuple(pod["status"]["podIP"] for pod in replicas(cluster))
        found = Site(cluster, servers)
        eventually(
            lambda: all(
                ask(cluster, "asking", server, "db.default.svc.cluster.local/A")[0].records
                for server in servers
            ),
            what="endpoint of db in every replica",
        )
        yield found
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", text=PODS)


def test_replicas_are_pods_like_others_and_apart(site: Site) -> None:
    pods = replicas(site.lab)
    names = {pod["metadata"]["name"] for pod in pods}
    every = site.lab.object("ciliumendpoints", *DNS)["items"]
    endpoints = [each for each in every if each["metadata"]["name"] in names]

    assert {pod["spec"]["nodeName"] for pod in pods} == {"k8s-ctr", "k8s-w1"}
    assert not any(pod["spec"].get("hostNetwork") for pod in pods)
    assert len(endpoints) == 2
    assert len({each["status"]["identity"]["id"] for each in endpoints}) == 1


def test_service_is_the_one_that_kubeadm_makes(site: Site) -> None:
    service = site.lab.object("service", *DNS, "kube-dns")["spec"]
    (listed,) = site.lab.object(
        "endpointslices", *DNS, "-l", "kubernetes.io/service-name=kube-dns"
    )["items"]

    assert service["clusterIP"] == "10.96.0.10"
    assert {(p["name"], p["port"], p["protocol"]) for p in service["ports"]} == {
        ("dns", 53, "UDP"),
        ("dns-tcp", 53, "TCP"),
        ("metrics", 9153, "TCP"),
    }
    assert {a for e in listed["endpoints"] for a in e["addresses"]} == set(site.servers)


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
@pytest.mark.parametrize("where", ["asking", "k8s-w1"])
def test_every_replica_answers_pods_and_nodes(site: Site, where: str, protocol: str) -> None:
    for server in site.servers:
        (told,) = ask(
            site.lab, where, server, "front.default.svc.cluster.local/A", protocol=protocol
        )

        assert told == Told("NOERROR", "QR AA RD RA", ["A 10.96.7.7"])


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
@pytest.mark.parametrize("where", ["asking", "k8s-ctr", "k8s-w1"])
def test_service_is_asked_as_programs_do(site: Site, where: str, protocol: str) -> None:
    questions = ["front.default.svc.cluster.local/A"] * 8

    told = ask(site.lab, where, SERVICE, *questions, protocol=protocol)

    assert [each.records for each in told] == [["A 10.96.7.7"]] * 8


def test_names_are_those_of_the_specification(site: Site) -> None:
    db = site.address("db-0")
    domain = "default.svc.cluster.local"
    expected = {
        f"db.{domain}/A": [f"A {db}"],
        f"{db.replace('.', '-')}.db.{domain}/A": [f"A {db}"],
        f"_web._tcp.db.{domain}/SRV": [f"SRV 0 100 80 {db.replace('.', '-')}.db.{domain}."],
        f"first.named.{domain}/A": ["A 198.51.100.7"],
        f"_web._tcp.named.{domain}/SRV": [f"SRV 0 100 80 first.named.{domain}."],
        "7.100.51.198.in-addr.arpa/PTR": [f"PTR first.named.{domain}."],
        f"_web._tcp.front.{domain}/SRV": [f"SRV 0 100 8000 front.{domain}."],
        f"front.{domain}/AAAA": [],
        f"elsewhere.{domain}/A": [
            "CNAME web.example.net.",
            "CNAME www.example.com.",
            "A 203.0.113.10",
        ],
        f"{'.'.join(reversed(db.split('.')))}.in-addr.arpa/PTR": [
            f"PTR {db.replace('.', '-')}.db.{domain}."
        ],
        "10.0.96.10.in-addr.arpa/PTR": ["PTR kube-dns.kube-system.svc.cluster.local."],
    }

    told = site.told(*expected)

    assert [each.rcode for each in told] == ["NOERROR"] * len(expected)
    assert dict(zip(expected, (each.records for each in told), strict=True)) == expected


def test_names_follow_their_service(site: Site) -> None:
    name = "passing.default.svc.cluster.local/A"
    assert site.told(name)[0].rcode == "NXDOMAIN"

    site.lab.kubectl("create", "service", "clusterip", "passing", "--tcp=80")
    try:
        eventually(lambda: site.told(name)[0].rcode == "NOERROR", what="the name")
    finally:
        site.lab.kubectl("delete", "service", "passing")

    eventually(lambda: site.told(name)[0].rcode == "NXDOMAIN", what="no name")


def test_world_is_what_the_internet_machine_knows(site: Site) -> None:
    known, alias, many, unknown = site.told(
        "www.example.com/A", "web.example.net/A", "many.example.com/A", "www.debian.org/A"
    )

    assert (known.rcode, known.records) == ("NOERROR", ["A 203.0.113.10"])
    assert alias.records[-1] == "A 203.0.113.10"
    assert "TC" in many.flags.split()
    assert 60 < len(many.records) < 100
    assert unknown.rcode == "NXDOMAIN"
    (whole,) = site.told("many.example.com/A", protocol="tcp")
    assert len(whole.records) == 100


@pytest.mark.parametrize("where", ["k8s-ctr", "k8s-w1", "router", "internet", "db-0"])
def test_machines_and_pods_that_ask_as_they_do_know_the_world(site: Site, where: str) -> None:
    """By the resolver of their programs; a denial comes at once."""
    assert site.lab.exec(where, "getent", "hosts", "www.example.com").split()[0] == "203.0.113.10"
    assert site.lab.exec(where, "getent", "hosts", "www.debian.org", check=False) == ""


@pytest.mark.parametrize(
    ("pod", "file"),
    [
        (
            "asking",
            f"{SEARCH}nameserver 10.96.0.10\noptions ndots:5\n",
        ),
        ("db-0", "nameserver 10.0.2.2\n"),
        ("own-resolver", "search example.org\nnameserver 9.9.9.9\noptions ndots:1 edns0\n"),
        (
            "many-servers",
            f"{SEARCH}{ALL_SERVERS}options ndots:5\n",
        ),
    ],
)
def test_resolver_of_a_pod_is_what_its_policy_says(site: Site, pod: str, file: str) -> None:
    assert site.lab.exec(pod, "cat", "/etc/resolv.conf") == file


def test_name_server_that_is_left_out_is_told(site: Site) -> None:
    def told() -> list[str]:
        events = site.lab.object("events", "--field-selector=reason=DNSConfigForming")["items"]
        return [event["message"] for event in events]

    eventually(lambda: told() and told()[0].endswith("10.96.0.10 1.1.1.1 2.2.2.2"), what="event")


#: Sends what no client sends, by UDP and TCP, to argv[1], and prints how it went on.
_HOSTILE: Final = """
import os, random, socket, sys
server = sys.argv[1]
random.seed(7)
header = b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0"
odd = [b"", b"\\0", header, header + b"\\xc0\\x0c\\0\\1\\0\\1", header + b"\\x3f" * 300,
       header[:2] + b"\\x80" + header[3:] + b"\\0\\0\\1\\0\\1", b"\\xff" * 1400]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    for _ in range(300):
        udp.sendto(random.choice(odd), (server, 53))
        udp.sendto(random.randbytes(random.randrange(600)), (server, 53))
held = []
for data in [b"", b"\\0", b"\\xff\\xff", b"\\xff\\xff" + b"\\0" * 65535, b"\\0\\0", b"GET / HTTP/1.0"] * 20:
    stream = socket.create_connection((server, 53), timeout=5)
    stream.sendall(data)
    held.append(stream)
print("sent")
"""


def test_hostile_octets_kill_nobody_and_hold_up_nobody(site: Site) -> None:
    before = {pod["metadata"]["name"]: pod["status"] for pod in replicas(site.lab)}

    sent = site.lab.exec("asking", sys.executable, "-c", _HOSTILE, site.servers[0])

    assert sent == "sent\n"
    for protocol in ("udp", "tcp"):
        (told,) = site.told("front.default.svc.cluster.local/A", protocol=protocol)
        assert told.records == ["A 10.96.7.7"]
    for pod in replicas(site.lab):
        (status,) = pod["status"]["containerStatuses"]
        assert status == before[pod["metadata"]["name"]]["containerStatuses"][0]


def test_replica_says_how_it_is(site: Site) -> None:
    server = site.servers[0]

    def got(port: int, path: str) -> str:
        return site.lab.exec("k8s-w1", "curl", "-s", "-m", "5", f"http://{server}:{port}{path}")

    assert got(8080, "/health") == got(8181, "/ready") == "OK"
    site.told("front.default.svc.cluster.local/A")
    metrics = got(9153, "/metrics")
    line = (
        'coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",zone="."}'
    )
    assert line in metrics
    assert 'coredns_dns_responses_total{rcode="NOERROR"' in metrics
    assert "coredns_process_resident_memory_bytes" in metrics


def test_pods_without_servers_are_refused(site: Site) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lost"},
        "spec": {"dnsPolicy": "None", "containers": [{"name": "c", "image": "pause"}]},
    }

    assert site.lab.kubectl("apply", "-f", "-", text=json.dumps(pod), check=False) == ""


def test_replicas_that_are_all_deleted_are_replaced_and_answer(site: Site) -> None:
    """The last of this file: the replicas have other addresses behind it."""
    before = {pod["metadata"]["name"] for pod in replicas(site.lab)}

    site.lab.kubectl("delete", "pod", *REPLICAS, "--wait=false")
    eventually(
        lambda: not before & {pod["metadata"]["name"] for pod in replicas(site.lab)},
        what="other pods",
    )
    wait_for_dns(site.lab)

    for pod in replicas(site.lab):
        (told,) = ask(
            *(site.lab, "asking", pod["status"]["podIP"]), "front.default.svc.cluster.local/A"
        )
        assert told.records == ["A 10.96.7.7"]
