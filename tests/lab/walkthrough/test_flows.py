"""Section 2 of the walk-through: `hubble observe` during one curl, `hubble status`."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Final

from tests.deadlines import stretch
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode
from tests.lab.walkthrough.place import CONTROL_PLANE, WORKER, Place

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


def test_flow_server_that_is_killed_comes_back_and_pods_do_not_notice(walk: Place) -> None:
    node = FaultyNode(walk.lab, CONTROL_PLANE)
    agent = node.agent_pid

    node.run("pkill", "-9", "-f", "ciliate.flows.server")

    assert "Hostname" in walk.in_pod("curl -s -m 5 webpod")

    def answers() -> bool:
        return "Ok" in walk.on(CONTROL_PLANE, "hubble status", check=False)

    eventually(answers, within_s=20, what="the flow server's return")
    assert node.agent_pid == agent
