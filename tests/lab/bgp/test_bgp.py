"""Nodes announce pod CIDRs and Services to FRR: what the router learns, and what a client then reaches.

The tests follow each other in one lab: the last one takes a node's power.
"""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.bgp.router import ADDRESS, NODE_ASN, ROUTER_ASN, Router
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip

from ciliate.lab.cgroup import LabCgroup

CTR, W1 = "192.168.10.100", "192.168.10.101"
BALANCER = "198.51.100.10"
EXTERNAL = "203.0.113.77"
HOLD_S = 6
SECRET = "router-password"


def objects() -> Iterator[dict[str, Any]]:
    """What an administrator applies: peers, how they are talked to, what is announced."""
    kinds = {"apiVersion": "cilium.io/v2"}
    peer = {
        "name": "router",
        "peerASN": ROUTER_ASN,
        "peerAddress": ADDRESS,
        "peerConfigRef": {"name": "router"},
    }
    instance = {"name": "nodes", "localASN": NODE_ASN, "peers": [peer]}
    yield {
        **kinds,
        "kind": "CiliumBGPClusterConfig",
        "metadata": {"name": "rack"},
        "spec": {"bgpInstances": [instance]},
    }
    yield {
        **kinds,
        "kind": "CiliumBGPPeerConfig",
        "metadata": {"name": "router"},
        "spec": {
            "timers": {"holdTimeSeconds": HOLD_S, "keepAliveTimeSeconds": HOLD_S // 3},
            "gracefulRestart": {"enabled": True, "restartTimeSeconds": 60},
            "families": [
                {
                    "afi": "ipv4",
                    "safi": "unicast",
                    "advertisements": {"matchLabels": {"advertise": "bgp"}},
                }
            ],
        },
    }
    service = {
        "advertisementType": "Service",
        "service": {"addresses": ["LoadBalancerIP", "ExternalIP"]},
        "selector": {"matchLabels": {"announced": "yes"}},
        "attributes": {"communities": {"standard": ["65000:100"]}},
    }
    yield {
        **kinds,
        "kind": "CiliumBGPAdvertisement",
        "metadata": {"name": "all", "labels": {"advertise": "bgp"}},
        "spec": {"advertisements": [{"advertisementType": "PodCIDR"}, service]},
    }
    yield {
        **kinds,
        "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": "pool"},
        "spec": {"blocks": [{"start": BALANCER, "stop": BALANCER}]},
    }


def apply(lab: Cluster, *found: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    lab.kubectl("apply", "-f", "-", text=text)


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("bgp", "--set", "bgpControlPlane.enabled=true") as started:
        Router(started).start()
        apply(started, *objects())
        apply_pod(started, "on-ctr", "k8s-ctr")
        apply_pod(started, "on-w1", "k8s-w1", app="on-w1", serves="web")
        yield started


@pytest.fixture
def router(lab: Cluster) -> Router:
    return Router(lab)


def cidr(lab: Cluster, node: str) -> str:
    found = lab.object("ciliumnode", node)["spec"]["ipam"]["podCIDRs"]
    return str(found[0])


def node_status(lab: Cluster, node: str) -> Any:
    return lab.object("ciliumbgpnodeconfig", node).get("status", {})


def condition(found: Any, kind: str) -> dict[str, str]:
    conditions = found.get("conditions", ())
    return next(
        (each for each in conditions if each["type"] == kind), {"status": "", "message": ""}
    )


def peering_states(lab: Cluster) -> set[str]:
    return {
        peer.get("peeringState", "")
        for node in ("k8s-ctr", "k8s-w1")
        for instance in node_status(lab, node).get("bgpInstances", ())
        for peer in instance.get("peers", ())
    }


def apply_service(lab: Cluster, policy: str) -> None:
    """A Service whose only endpoint is on k8s-w1."""
    spec = {
        "type": "LoadBalancer",
        "selector": {"serves": "web"},
        "ports": [{"port": 9100, "targetPort": 9100}],
        "externalIPs": [EXTERNAL],
        "externalTrafficPolicy": policy,
    }
    meta = {"name": "web", "labels": {"announced": "yes"}}
    apply(lab, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})


def test_router_learns_the_cidr_of_every_node_and_reaches_its_pods(
    lab: Cluster, router: Router
) -> None:
    router.has(cidr(lab, "k8s-ctr"), CTR)
    router.has(cidr(lab, "k8s-w1"), W1)

    for pod in ("on-ctr", "on-w1"):
        said = lab.exec("router", "ping", "-c", "3", "-i", "0.1", "-W", "2", pod_ip(lab, pod))
        assert " 0% packet loss" in said


def test_commands_show_sessions_and_routes_in_ciliums_columns(lab: Cluster) -> None:
    eventually(lambda: peering_states(lab) == {"established"}, what="both sessions")

    peers = lab.exec("k8s-ctr", "cilium", "bgp", "peers").splitlines()
    routes = lab.exec("k8s-ctr", "cilium", "bgp", "routes", "available", "ipv4", "unicast")
    told = lab.exec("k8s-ctr", "cilium", "bgp", "routes", "advertised", "ipv4", "unicast")

    assert re.split(r"\s{2,}", peers[0].strip()) == [
        *("Node", "Local AS", "Peer AS", "Peer Address", "Session State", "Uptime", "Family"),
        *("Received", "Advertised"),
    ]
    row = peers[1].split()
    assert row[:5] == ["k8s-ctr", str(NODE_ASN), str(ROUTER_ASN), ADDRESS, "established"]
    assert row[6:] == ["ipv4/unicast", "0", "1"]
    assert f"{NODE_ASN}" in routes
    assert "[{Origin: i} {Nexthop: 0.0.0.0}]" in routes
    assert f"{{AsPath: {NODE_ASN}}} {{Nexthop: {W1}}}" in told


def test_a_services_addresses_come_from_every_node_and_by_its_policy_from_those_with_an_endpoint(
    lab: Cluster, router: Router
) -> None:
    apply_service(lab, "Cluster")
    for address in (BALANCER, EXTERNAL):
        router.has(f"{address}/32", CTR, W1)
    path = router.path(f"{BALANCER}/32")["paths"][0]
    assert path["community"]["string"] == "65000:100"

    apply_service(lab, "Local")
    for address in (BALANCER, EXTERNAL):
        router.has(f"{address}/32", W1)

    with lab.background("on-w1", "python3", "-m", "http.server", "9100") as server:
        eventually(
            lambda: "200" in fetched(lab, f"http://{BALANCER}:9100/"), what="the Service's answer"
        )
        server.kill()

    lab.kubectl("label", "service", "web", "announced-")
    router.has(f"{BALANCER}/32")


def fetched(lab: Cluster, url: str) -> str:
    """The status of an answer that the router gets, as its company's clients would."""
    words = ("curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}")
    return lab.exec("router", *words, "--interface", "10.10.1.200", url, check=False)


def test_no_packet_is_lost_while_an_agent_restarts(lab: Cluster, router: Router) -> None:
    node = FaultyNode(lab, "k8s-w1")
    prefix, address = cidr(lab, "k8s-w1"), pod_ip(lab, "on-w1")
    router.has(prefix, W1)
    script = f"echo $$; exec ping -q -i 0.02 -W 2 {address}"

    with lab.background("router", "sh", "-c", script) as pinging:
        assert pinging.stdout is not None
        pid = int(pinging.stdout.readline())
        killed = node.kill_agent()
        stale = "show bgp ipv4 unicast json"
        eventually(
            lambda: any(path.get("stale") for path in router.told(stale)["routes"][prefix]),
            what="the route that the router keeps",
        )
        node.wait_agent(other_than=killed)
        eventually(
            lambda: not any(path.get("stale") for path in router.told(stale)["routes"][prefix]),
            what="the route announced anew",
        )
        os.kill(pid, signal.SIGINT)
        said, _problems = pinging.communicate(timeout=20.0)

    assert " 0% packet loss" in said, said


def speakers(lab: Cluster, node: str) -> list[int]:
    """The processes of ExaBGP on a node: its sessions."""
    found = []
    pattern = f"{node}/kube-system_cilium-*/cilium-agent/cgroup.procs"
    for file in LabCgroup.of(lab.name).path.glob(pattern):
        for pid in file.read_text().split():
            title = Path("/proc", pid, "cmdline").read_bytes()
            if title.startswith(b"ciliate.bgp.speaker"):
                found.append(int(pid))
    return found


def test_a_speaker_that_dies_is_started_again(lab: Cluster, router: Router) -> None:
    eventually(lambda: peering_states(lab) == {"established"}, what="both sessions")
    dead = speakers(lab, "k8s-w1")
    for pid in dead:
        os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        living = speakers(lab, "k8s-w1")
        return bool(living) and not set(living) & set(dead)

    eventually(is_back, what="another speaker")
    session = router.told(f"show bgp neighbors {W1} json")[W1]
    eventually(
        lambda: router.told(f"show bgp neighbors {W1} json")[W1]["bgpState"] == "Established",
        what="a new session",
    )
    assert session["connectionsDropped"] >= 1
    router.has(cidr(lab, "k8s-w1"), W1)


def test_a_wrong_password_keeps_sessions_down_and_is_told(lab: Cluster, router: Router) -> None:
    """Passwords are compared by the kernels: nobody gets an answer, nobody sees the other's."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": "kube-system"},
        "stringData": {"password": "wrong"},
    }
    signed = json.dumps({"spec": {"authSecretRef": SECRET}})
    router.configure("neighbor nodes password ri'ght")
    lab.kubectl("patch", "ciliumbgppeerconfig", "router", "--type=merge", "-p", signed)

    peer_config = ("ciliumbgppeerconfig", "router")
    eventually(
        lambda: (
            condition(lab.object(*peer_config).get("status", {}), "cilium.io/MissingAuthSecret")[
                "status"
            ]
            == "True"
        ),
        what="the condition of the peer configuration",
    )
    apply(lab, secret)
    eventually(
        lambda: "wrong password" in sessions_message(lab, "k8s-ctr"),
        what="why there is no session",
    )
    assert peering_states(lab) == {"active"}
    assert (
        "wrong password" in lab.lab("exec", "k8s-ctr", "--", "cilium-dbg", "bgp", "peers").stderr
    )

    secret["stringData"] = {"password": "ri'ght"}
    apply(lab, secret)
    eventually(
        lambda: peering_states(lab) == {"established"}, within_s=30.0, what="sessions, signed"
    )
    for node in ("k8s-ctr", "k8s-w1"):
        assert "ri'ght" not in lab.exec(
            node, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        )


def sessions_message(lab: Cluster, node: str) -> str:
    return condition(node_status(lab, node), "ciliate.io/SessionsEstablished")["message"]


def test_what_is_wrong_is_named_and_harms_no_other_peer(lab: Cluster) -> None:
    peers = [
        {"name": "router", "peerASN": ROUTER_ASN, "peerAddress": ADDRESS},
        {"name": "nobody", "peerASN": 1, "peerAddress": "999.1.1.1"},
        {
            "name": "lost",
            "peerASN": 1,
            "peerAddress": "192.168.10.9",
            "peerConfigRef": {"name": "x"},
        },
    ]
    before = lab.object("ciliumbgpnodeconfig", "k8s-ctr")["status"]["bgpInstances"][0]["peers"][0]
    peers[0]["peerConfigRef"] = {"name": "router"}
    spec = {"bgpInstances": [{"name": "nodes", "localASN": NODE_ASN, "peers": peers}]}
    lab.kubectl(
        *("patch", "ciliumbgpclusterconfig", "rack", "--type=merge", "-p"),
        json.dumps({"spec": spec}),
    )

    eventually(
        lambda: (
            "999.1.1.1"
            in condition(node_status(lab, "k8s-ctr"), "cilium.io/BGPReconcileError")["message"]
        ),
        what="the wrong address in the status",
    )
    eventually(
        lambda: (
            "[x]"
            in condition(
                lab.object("ciliumbgpclusterconfig", "rack").get("status", {}),
                "cilium.io/MissingPeerConfigs",
            )["message"]
        ),
        what="the missing peer configuration",
    )
    after = lab.object("ciliumbgpnodeconfig", "k8s-ctr")["status"]["bgpInstances"][0]["peers"][0]
    assert after["establishedTime"] == before["establishedTime"]


def test_what_is_deleted_is_withdrawn_at_once_though_a_router_keeps_what_ends(
    lab: Cluster, router: Router
) -> None:
    router.has(cidr(lab, "k8s-w1"), W1)

    lab.kubectl("delete", "ciliumbgpclusterconfig", "rack")
    router.has(cidr(lab, "k8s-w1"))

    assert lab.object("ciliumbgpnodeconfigs")["items"] == []
    eventually(lambda: speakers(lab, "k8s-w1") == [], what="the end of the speaker")
    apply(lab, *objects())
    signed = json.dumps({"spec": {"authSecretRef": SECRET}})
    lab.kubectl("patch", "ciliumbgppeerconfig", "router", "--type=merge", "-p", signed)
    router.has(cidr(lab, "k8s-w1"), W1)


def test_routes_of_a_dead_node_are_gone_within_the_hold_time_and_traffic_moves(
    lab: Cluster, router: Router
) -> None:
    lab.kubectl("label", "pod", "on-ctr", "serves=web")
    apply_service(lab, "Local")
    prefix = f"{BALANCER}/32"
    router.has(prefix, CTR, W1)

    with lab.background("on-ctr", "python3", "-m", "http.server", "9100") as server:
        died_s = time.monotonic()
        lab.exec("switch", "bridge", "link", "set", "dev", "k8s-w1", "state", "0")
        router.has(prefix, CTR, within_s=HOLD_S + 3.0)
        gone_s = time.monotonic() - died_s
        eventually(
            lambda: "200" in fetched(lab, f"http://{BALANCER}:9100/"),
            what="the other node's answer",
        )
        server.kill()

    assert gone_s > 1.0, "the node was not dead, but withdrew its routes"
    router.has(cidr(lab, "k8s-w1"))
