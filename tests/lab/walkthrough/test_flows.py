"""Section 2 of the walk-through: `hubble observe` during one curl, `hubble status`."""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.deadlines import stretch
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode
from tests.lab.walkthrough.place import CONTROL_PLANE, NODE_IPS, ROUTER_IP, WORKER, Place

#: What a line of the compact form is made of.
LINE: Final = re.compile(
    r"(?P<time>\w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3}): (?P<left>\S+) \((?P<left_id>[^)]+)\)"
    r" (?P<arrow><>|->|<-) (?P<right>\S+) \((?P<right_id>[^)]+)\)"
    r" (?P<type>\S+) (?P<verdict>[A-Z]+) \((?P<summary>[^)]*)\)\n"
)


def lines_until(
    process: "subprocess.Popen[str]", condition: Callable[[list[re.Match[str]]], object]
) -> list[re.Match[str]]:
    """Lines that are printed, until they are such."""
    assert process.stdout is not None
    found: list[re.Match[str]] = []
    end_s = time.monotonic() + 20 * stretch()
    while not condition(found):
        assert time.monotonic() < end_s, found
        line = process.stdout.readline()
        match = LINE.fullmatch(line)
        assert match is not None, line
        found.append(match)
    return found


def latest_call(lines: list[re.Match[str]]) -> list[re.Match[str]]:
    """What belongs to the latest call of a Service."""
    begins = [at for at, line in enumerate(lines) if line["type"] == "pre-xlate-fwd"]
    return lines[begins[-1] :] if begins else []


def is_whole(lines: list[re.Match[str]]) -> bool:
    """Whether both sides have closed the latest call's connection."""
    ends = [each["arrow"] for each in latest_call(lines) if "FIN" in each["summary"]]
    return {"->", "<-"} <= set(ends)


def test_one_curl_shows_from_the_service_to_the_last_packet(walk: Place) -> None:
    words = ("hubble", "observe", "-f", "--protocol", "tcp", "--pod", "curl-pod")
    with walk.lab.background(CONTROL_PLANE, *words) as observing:
        try:
            eventually(lambda: followers(walk) > 0, what="a follower")
            walk.in_pod("curl -s -m 5 webpod")  # The stream may begin in the middle of it.
            walk.in_pod("curl -s -m 5 webpod")
            lines = latest_call(lines_until(observing, is_whole))
        finally:
            observing.kill()

    service = walk.lab.object("service", "webpod")["spec"]["clusterIP"]
    assert [line["type"] for line in lines[:2]] == ["pre-xlate-fwd", "post-xlate-fwd"]
    assert (lines[0]["left"], lines[0]["right"]) == ("default/curl-pod", f"{service}:80")
    assert (lines[0]["right_id"], lines[0]["verdict"]) == ("world", "TRACED")
    assert re.fullmatch(r"default/webpod-\S+:80", lines[1]["right"])
    assert (lines[1]["verdict"], lines[1]["summary"]) == ("TRANSLATED", "TCP")
    packets = [line for line in lines if line["arrow"] != "<>"]
    assert [(line["arrow"], line["summary"]) for line in packets[:4]] == [
        ("->", "TCP Flags: SYN"),
        ("<-", "TCP Flags: SYN, ACK"),
        ("->", "TCP Flags: ACK"),
        ("->", "TCP Flags: ACK, PSH"),
    ]
    assert {line["verdict"] for line in packets} == {"FORWARDED"}
    assert {line["left"].partition(":")[0] for line in packets} == {"default/curl-pod"}
    between = [line["type"] for line in lines[2:] if line["arrow"] == "<>"]
    assert set(between) == {"pre-xlate-rev", "post-xlate-rev"}
    identity = walk.lab.object("ciliumendpoint", "curl-pod")["status"]["identity"]["id"]
    assert {line["left_id"] for line in packets} == {f"ID:{identity}"}


def followers(walk: Place) -> int:
    """How many clients are connected to the flow server of the control plane."""
    listed = walk.on(CONTROL_PLANE, "ss -xnH src unix:/var/run/cilium/hubble.sock")
    return listed.count("ESTAB")


def test_status_says_how_many_flows_there_are(walk: Place) -> None:
    printed = walk.on(CONTROL_PLANE, "hubble status")

    assert re.fullmatch(
        r"Healthcheck \(via unix:///var/run/cilium/hubble\.sock\): Ok\n"
        r"Current/Max Flows: [\d,]+/4,095 \(\d+\.\d\d%\)\n"
        r"Flows/s: \d+\.\d\d\n",
        printed,
    )


def test_pod_that_is_gone_is_named_for_what_it_did(walk: Place) -> None:
    web = walk.webpod_ip(WORKER)
    walk.typed(
        "kubectl run visitor --image=nicolaka/netshoot --restart=Never"
        f' --overrides=\'{{"spec": {{"nodeName": "{WORKER}"}}}}\' -- curl -s -m 5 {web}'
    )
    walk.typed("kubectl wait pod/visitor --for=jsonpath={.status.phase}=Succeeded --timeout=30s")
    walk.typed("kubectl delete pod visitor --wait")

    printed = walk.on(WORKER, "hubble observe --pod visitor --last 100 -o json")

    flows = [json.loads(line)["flow"] for line in printed.splitlines()]
    assert {flow["source"].get("pod_name") for flow in flows} == {
        "visitor",
        walk.webpod(WORKER),
    }
    assert any("FIN" in flow["Summary"] for flow in flows)


#: The application's replicas by another name, at node port 30088.
FRONT: Final = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec:
  type: NodePort
  clusterIP: ADDRESS
  selector: {app: webpod}
  ports: [{port: 80, nodePort: 30088}]
"""
NODE_PORT: Final = 30088


@contextlib.contextmanager
def front(walk: Place, name: str, address: str = "") -> Iterator[str]:
    """A Service that is served on all nodes, until the end of the block; its address."""
    text = FRONT.replace("NAME", name).replace("ADDRESS", address or '""')
    walk.lab.kubectl("apply", "-f", "-", text=text)
    try:
        at = str(walk.lab.object("service", name)["spec"]["clusterIP"])
        for node in NODE_IPS:
            where = f"{NODE_IPS[node]}:{NODE_PORT}"
            eventually(
                lambda where=where, node=node: (
                    "Hostname"  # type: ignore[misc]
                    in walk.on(node, f"curl -s -m 2 {where}", check=False)
                ),
                what=f"an answer at {where}",
            )
        yield at
    finally:
        walk.lab.kubectl("delete", "service", name)


def observed(walk: Place, node: str, words: str) -> list[Any]:
    """The latest flows of a node that are asked for."""
    printed = walk.on(node, f"hubble observe --last 100 {words} -o json")
    return [json.loads(line)["flow"] for line in printed.splitlines()]


def test_call_of_a_service_has_its_name_beside_the_address_that_was_asked_for(
    walk: Place,
) -> None:
    walk.in_pod("curl -s -m 5 webpod")
    service = walk.lab.object("service", "webpod")["spec"]["clusterIP"]

    flow = observed(walk, CONTROL_PLANE, "--from-pod curl-pod --to-service default/webpod")[-1]
    line = walk.on(CONTROL_PLANE, "hubble observe --to-service default/webpod --last 1")

    assert flow["destination_service"] == {"name": "webpod", "namespace": "default"}
    assert flow["IP"]["destination"] == service
    assert flow["sock_xlate_point"] == "SOCK_XLATE_POINT_PRE_DIRECTION_FWD"
    assert "source_service" not in flow
    assert f"> {service}:80 (world) pre-xlate-fwd TRACED" in line
    names = observed(walk, CONTROL_PLANE, "--from-pod curl-pod --to-service kube-system/kube-dns")
    assert names, "the pod asked for the Service's name"


def test_packets_between_pods_have_no_service(walk: Place) -> None:
    walk.in_pod("curl -s -m 5 webpod")

    flows = observed(walk, CONTROL_PLANE, "--pod curl-pod --to-port 80 --type trace")

    assert flows
    assert not any({"source_service", "destination_service"} & flow.keys() for flow in flows)


def test_node_port_is_its_service_s_at_every_node(walk: Place) -> None:
    with front(walk, "front"):
        for node in NODE_IPS:
            walk.in_pod(f"curl -s -m 5 {NODE_IPS[node]}:{NODE_PORT}")
        calls = observed(walk, CONTROL_PLANE, "--from-pod curl-pod --to-service default/front")

        def passed_on() -> list[Any]:
            """Answers of a node to the router that come from another node's replica."""
            for node in NODE_IPS:
                walk.on("router", f"curl -s -m 5 {NODE_IPS[node]}:{NODE_PORT}")
            return [
                flow
                for node in NODE_IPS
                for flow in observed(walk, node, f"--service front --to-ip {ROUTER_IP}")
            ]

        eventually(passed_on, what="a request that a node passes on to another")
        answers = passed_on()

    assert {flow["IP"]["destination"] for flow in calls} == set(NODE_IPS.values())
    assert {flow["l4"]["TCP"]["destination_port"] for flow in calls} == {NODE_PORT}
    assert {flow["IP"]["source"] for flow in answers} <= set(NODE_IPS.values())
    assert {flow["source_service"]["name"] for flow in answers} == {"front"}


def test_address_of_a_service_that_is_gone_is_named_for_its_time_alone(walk: Place) -> None:
    with front(walk, "first") as address:
        walk.in_pod(f"curl -s -m 5 {address}")

    def is_asked_in_vain() -> bool:
        return "Hostname" not in walk.in_pod(f"curl -s -m 2 {address}", check=False)

    eventually(is_asked_in_vain, what="the end of the Service")
    with front(walk, "second", address):
        walk.in_pod(f"curl -s -m 5 {address}")

    to_address = observed(walk, CONTROL_PLANE, f"--from-pod curl-pod --to-ip {address}")
    called = [flow.get("destination_service", {}).get("name") for flow in to_address]

    assert [called[0], called[-1]] == ["first", "second"]
    assert None in called[1:-1], "nobody's meanwhile"
    for name in ("first", "second"):
        found = observed(walk, CONTROL_PLANE, f"--to-service {name} --from-pod curl-pod")
        assert [flow["destination_service"]["name"] for flow in found] == [name]


#: Who the flow server is a child of.
_PARENT: Final = "ps -o args= --pid $(ps -o ppid= --pid $(pgrep -of ^ciliate.flows.server))"


def test_flow_server_that_is_killed_comes_back_and_pods_do_not_notice(walk: Place) -> None:
    node = FaultyNode(walk.lab, CONTROL_PLANE)
    agent = node.agent_pid

    assert node.run("sh", "-c", _PARENT).stdout.startswith("ciliate fork server")

    node.run("pkill", "-9", "-f", "ciliate.flows.server")

    assert "Hostname" in walk.in_pod("curl -s -m 5 webpod")

    def answers() -> bool:
        return "Ok" in walk.on(CONTROL_PLANE, "hubble status", check=False)

    eventually(answers, within_s=20, what="the flow server's return")
    assert node.agent_pid == agent

    def names_services() -> list[Any]:
        """Calls after its return, by names that it was told again."""
        walk.in_pod("curl -s -m 5 webpod")
        return observed(walk, CONTROL_PLANE, "--to-service default/webpod")

    eventually(names_services, within_s=20, what="a Service's name")
