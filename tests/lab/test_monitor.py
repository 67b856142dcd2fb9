"""`cilium-dbg monitor`: what people see of a packet's way, in a cluster, and that nothing is missing."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from tests.deadlines import stretch
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip

NODES: Final = ("k8s-ctr", "k8s-w1")
WEB: Final = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: k8s-w1
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: traefik/whoami}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""

#: Sends as many datagrams from an address that is not the pod's.
FORGE: Final = """
import socket, struct, sys
target, count = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for port in range(1, count + 1):
    udp = struct.pack(">HHHH", port, 9999, 8, 0)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0,
                       socket.inet_aton("198.51.100.7"), socket.inet_aton(target))
    s.sendto(head + udp, (target, 0))
"""

Event = dict[str, Any]


class Monitor:
    """A monitor that prints objects, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def until(self, condition: Callable[[list[Event]], object]) -> list[Event]:
        """Read events until they are such; those that came."""
        assert self.process.stdout is not None
        found: list[Event] = []
        end_s = time.monotonic() + 20 * stretch()
        while not condition(found):
            assert time.monotonic() < end_s, found
            found.append(json.loads(self.process.stdout.readline()))
        return found


@contextlib.contextmanager
def monitoring(lab: Cluster, node: str, *words: str) -> Iterator[Monitor]:
    with lab.background(node, "cilium-dbg", "monitor", "-j", *words) as process:
        try:
            assert process.stderr is not None
            assert "Listening" in process.stderr.readline()
            yield Monitor(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("monitor", "--set", "hubble.enabled=false") as started:
        apply_pod(started, "client", "k8s-ctr")
        started.kubectl("apply", "-f", "-", text=WEB)
        started.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
        eventually(lambda: asked(started), what="an answer of the Service")
        yield started


def service_ip(lab: Cluster) -> str:
    return str(lab.object("service", "web")["spec"]["clusterIP"])


def asked(lab: Cluster) -> str:
    words = ("curl", "-s", "--max-time", "5", f"http://{service_ip(lab)}")
    return lab.exec("client", *words, check=False)


def shown(event: Event) -> tuple[str, str, str]:
    """Where it was seen, what it is to its flow, and what it is."""
    return event["observationPoint"], event.get("state", ""), event.get("summary", "")


def test_request_through_a_service_is_seen_whole_on_both_nodes(lab: Cluster) -> None:
    client, web, service = pod_ip(lab, "client"), pod_ip(lab, "web"), service_ip(lab)
    with monitoring(lab, "k8s-ctr") as sender, monitoring(lab, "k8s-w1") as receiver:
        assert "Hostname: web" in asked(lab)

        def of_client(events: list[Event]) -> list[Event]:
            ends = {client, web, service}
            return [
                each
                for each in events
                if {each.get(side, {}).get("ip") for side in ("source", "destination")} & ends
            ]

        def ended(events: list[Event]) -> bool:
            fins = [each for each in of_client(events) if "FIN" in each.get("summary", "")]
            return len({each["source"]["ip"] for each in fins}) == 2

        there, here = of_client(sender.until(ended)), of_client(receiver.until(ended))

    calls = [each for each in there if each["type"] == "trace-sock"]
    assert [each["observationPoint"] for each in calls[:2]] == ["pre-xlate-fwd", "post-xlate-fwd"]
    assert calls[0]["destination"] == {"ip": service, "port": 80}
    assert calls[1]["destination"] == {"ip": web, "port": 80}
    assert calls[0]["socketCookie"] == calls[1]["socketCookie"] > 0
    assert calls[0]["cgroupId"] > 0

    packets = [shown(each) for each in there if each["type"] == "trace"]
    assert packets[:3] == [
        ("to-network", "new", "tcp SYN"),
        ("to-endpoint", "reply", "tcp SYN, ACK"),
        ("to-network", "established", "tcp ACK"),
    ]
    arrived = [shown(each) for each in here if each["type"] == "trace"]
    assert arrived[:3] == [
        ("to-endpoint", "new", "tcp SYN"),
        ("to-network", "reply", "tcp SYN, ACK"),
        ("to-endpoint", "established", "tcp ACK"),
    ]
    syn = next(each for each in here if each["type"] == "trace")
    assert (syn["source"]["ip"], syn["destination"]["ip"]) == (client, web)
    identities = {
        str(each["metadata"]["name"]): each["status"]["identity"]["id"]
        for each in lab.object("ciliumendpoints")["items"]
    }
    assert syn["source"]["identity"] == identities["client"]
    assert syn["destination"]["identity"] == identities["web"]


def test_world_sees_another_source_and_the_monitor_shows_both(lab: Cluster) -> None:
    client = pod_ip(lab, "client")
    with monitoring(lab, "k8s-ctr", "-t", "trace") as monitor:
        lab.exec("client", "ping", "-c", "1", "-W", "2", "192.168.10.200")

        def of_ping(events: list[Event]) -> list[Event]:
            return [each for each in events if "Echo" in each["summary"]]

        request, reply = of_ping(monitor.until(lambda events: len(of_ping(events)) == 2))

    assert shown(request) == ("to-network", "new", "EchoRequest")
    assert request["source"]["ip"] == client
    assert request["seen"]["ip"] == "192.168.10.100"
    assert shown(reply) == ("to-endpoint", "reply", "EchoReply")
    assert reply["destination"]["ip"] == client


def test_every_drop_is_told_with_its_reason_and_place(lab: Cluster) -> None:
    def dropped() -> int:
        rows = json.loads(
            lab.exec("k8s-ctr", "cilium-dbg", "bpf", "metrics", "list", "-o", "json")
        )
        return sum(row["packets"] for row in rows if row["reason"] == "Invalid source ip")

    before, count = dropped(), 3000
    with monitoring(lab, "k8s-ctr", "--type", "drop") as monitor:
        lab.exec("client", "/usr/bin/python3", "-S", "-c", FORGE, "203.0.113.10", str(count))
        events = monitor.until(lambda events: len(events) == count)

    assert dropped() - before == count
    assert [each["source"]["port"] for each in events] == list(range(1, count + 1))
    (place,) = {(each["reasonText"], each["reason"], each["file"]) for each in events}
    assert place == ("Invalid source ip", 132, "from_pod.bpf.c")
    assert {each["source"]["ip"] for each in events} == {"198.51.100.7"}


def told(lab: Cluster) -> float:
    """How many events there were on the control plane."""
    words = ("cilium-dbg", "metrics", "list", "-p", "^ciliate_events_total$", "-o", "json")
    (sample,) = json.loads(lab.exec("k8s-ctr", *words))
    return float(sample["value"])


def test_killed_agent_ends_the_monitor_and_the_next_one_tells_nothing_unasked(
    lab: Cluster,
) -> None:
    node = FaultyNode(lab, "k8s-ctr")
    with monitoring(lab, "k8s-ctr") as monitor:
        pid = node.kill_agent()
        assert "Hostname: web" in asked(lab)  # Nobody reads what the programs tell.
        _, said = monitor.process.communicate(timeout=20 * stretch())
        assert monitor.process.returncode == 1
        assert "the agent ended" in said
    node.wait_agent(other_than=pid)

    before = told(lab)
    assert "Hostname: web" in asked(lab)
    assert told(lab) == before
    with monitoring(lab, "k8s-ctr", "-t", "trace-sock") as monitor:
        assert "Hostname: web" in asked(lab)
        (first,) = monitor.until(len)
        assert first["observationPoint"] == "pre-xlate-fwd"
    eventually(lambda: told(lab) > before, what="events are counted")
