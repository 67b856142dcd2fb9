"""Sections 1 and 2 of the walk-through: Hubble's relay, as its user types it."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.deadlines import Deadline
from tests.lab.cluster import eventually
from tests.lab.walkthrough.place import CONTROL_PLANE, NODE_IPS, WORKER, Place
from tests.lab.walkthrough.test_flows import is_whole, latest_call, lines_until


@pytest.fixture
def forwarded(walk: Place) -> Iterator[Place]:
    """The place while `cilium hubble port-forward` runs in another shell."""
    walk.typed("kubectl -n kube-system rollout status deployment/hubble-relay --timeout=30s")
    forwarding = forward(walk)
    try:
        wait_connected(walk, "hubble status")
        yield walk
    finally:
        forwarding.terminate()
        forwarding.wait()


def wait_connected(walk: Place, line: str) -> None:
    """Return when a line says that the relay reaches both nodes."""
    eventually(
        lambda: "Connected Nodes: 2/2" in walk.typed(line, check=False),
        within_s=30,
        what="a relay with two nodes",
    )


def forward(walk: Place) -> "subprocess.Popen[str]":
    """Forward port 4245, as soon as no other test has it and the relay is ready.

    It is not for some seconds when the agent that tells it of nodes was restarted.
    """
    deadline = Deadline(60)
    while True:
        process = subprocess.Popen(
            ["cilium", "hubble", "port-forward"],
            env=walk.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        if "4245" in process.stdout.readline():
            return process
        _, said = process.communicate()
        assert "has no ready pod" in said or "4245 of this machine is in use" in said, said
        assert not deadline.passed, said


def test_status_counts_flows_and_nodes_of_the_cluster(forwarded: Place) -> None:
    printed = forwarded.typed("hubble status")

    assert re.fullmatch(
        r"Healthcheck \(via localhost:4245\): Ok\n"
        r"Current/Max Flows: [\d,]+/8,190 \(\d+\.\d\d%\)\n"
        r"Flows/s: \d+\.\d\d\n"
        r"Connected Nodes: 2/2\n",
        printed,
    )


def test_one_curl_is_followed_through_the_relay(forwarded: Place) -> None:
    words = ["hubble", "observe", "-f", "--protocol", "tcp", "--pod", "curl-pod"]
    with subprocess.Popen(
        words, env=forwarded.environment, stdout=subprocess.PIPE, text=True
    ) as observing:
        try:
            eventually(lambda: askers(forwarded) >= 1, what="a follower of the relay")
            forwarded.in_pod("curl -s -m 5 webpod")  # The stream may begin in the middle of it.
            forwarded.in_pod("curl -s -m 5 webpod")
            lines = latest_call(lines_until(observing, is_whole))
        finally:
            observing.kill()

    assert [line["type"] for line in lines[:2]] == ["pre-xlate-fwd", "post-xlate-fwd"]
    packets = [(line["arrow"], line["summary"]) for line in lines if line["arrow"] != "<>"]
    assert ("->", "TCP Flags: SYN") in packets
    assert ("<-", "TCP Flags: SYN, ACK") in packets
    times = [line["time"] for line in lines]
    assert times == sorted(times)


def askers(walk: Place) -> int:
    """How many clients are connected to the relay."""
    (pod,) = (name for name in walk.connected if name.startswith("hubble-relay-"))
    words = f"kubectl -n kube-system exec {pod} -- ss -tnH state established sport = :4245"
    return len(walk.typed(words).splitlines())


def test_nodes_are_listed_with_their_addresses_and_tls(walk: Place) -> None:
    walk.typed("kubectl -n kube-system rollout status deployment/hubble-relay --timeout=30s")

    wait_connected(walk, "hubble -P status")
    nodes = json.loads(walk.typed("hubble -P list nodes -o json"))

    assert {node["name"]: node["address"] for node in nodes} == {
        name: f"{address}:4244" for name, address in NODE_IPS.items()
    }
    assert {node["state"] for node in nodes} == {"NODE_CONNECTED"}
    assert [node["tls"]["server_name"] for node in nodes] == [
        f"{name}.default.hubble-grpc.cilium.io" for name in (CONTROL_PLANE, WORKER)
    ]
    assert "Hubble Relay:       OK" in walk.typed("cilium status")


def test_nobody_is_answered_without_a_certificate_of_the_cluster(walk: Place) -> None:
    """From the router, which is an outsider, and from a pod."""
    for where in ("router", "curl-pod"):
        for address in NODE_IPS.values():
            words = f"timeout 20 openssl s_client -ign_eof -alpn h2 -connect {address}:4244"
            said = walk.inside(where, "sh", "-c", f"{words} </dev/null 2>&1 || true")

            assert "New, TLSv1.3" in said, said
            assert "unexpected eof while reading" in said, said  # It ends the connection.


def test_relay_that_is_killed_comes_back_and_certificates_are_made_anew(walk: Place) -> None:
    def secret(name: str) -> Any:
        return json.loads(walk.typed(f"kubectl -n kube-system get secret {name} -o json"))

    before = secret("hubble-relay-client-certs")["data"]["tls.crt"]
    walk.typed("kubectl -n kube-system delete secret hubble-relay-client-certs")
    walk.typed("kubectl -n kube-system rollout restart deployment/cilium-operator")
    walk.typed("kubectl -n kube-system rollout status deployment/cilium-operator --timeout=40s")
    eventually(
        lambda: (
            "hubble-relay-client-certs" in walk.typed("kubectl -n kube-system get secrets -o name")
        ),
        within_s=30,
        what="a new certificate",
    )
    walk.typed("kubectl -n kube-system delete pod -l k8s-app=hubble-relay --wait=false")
    walk.typed("kubectl -n kube-system rollout status deployment/hubble-relay --timeout=40s")

    assert secret("hubble-relay-client-certs")["data"]["tls.crt"] != before
    wait_connected(walk, "hubble -P status")
