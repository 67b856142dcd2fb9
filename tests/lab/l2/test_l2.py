"""Nodes announce Services on their LAN: who answers a client there, and what a client then reaches.

The tests follow each other in one lab; the router is the client.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen

NODES = ("k8s-ctr", "k8s-w1")
LB4, LB6 = "192.168.10.240", "fd00:192:168:10::240"
LEASE = "cilium-l2announce-default-web"
POLICY = "ciliuml2announcementpolicy/lan"
LEASE_S = 6


def apply(lab: Cluster, kind: str, name: str, spec: dict[str, Any], version: str) -> None:
    document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    lab.kubectl("apply", "-f", "-", text=json.dumps(document))


def apply_policy(lab: Cluster, **spec: Any) -> None:
    wanted = {"loadBalancerIPs": True, "interfaces": ["^eth[0-9]+$"], **spec}
    apply(lab, "CiliumL2AnnouncementPolicy", "lan", wanted, "cilium.io/v2alpha1")


def apply_service(lab: Cluster, policy: str) -> None:
    """A Service whose only endpoint is on k8s-w1."""
    spec = {
        "type": "LoadBalancer",
        "selector": {"serves": "web"},
        "ports": [{"port": 9100, "targetPort": 9100}],
        "externalTrafficPolicy": policy,
        "ipFamilyPolicy": "RequireDualStack",
    }
    apply(lab, "Service", "web", spec, "v1")


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    words = [
        "--dual-stack",
        *("--set", "l2announcements.enabled=true"),
        *("--set", f"l2announcements.leaseDuration={LEASE_S}s"),
        *("--set", "l2announcements.renewDeadline=3s"),
        *("--set", "l2announcements.retryPeriod=1s"),
    ]
    with fault_lab("l2", *words) as started:
        blocks = [{"start": each, "stop": each} for each in (LB4, LB6)]
        apply(started, "CiliumLoadBalancerIPPool", "pool", {"blocks": blocks}, "cilium.io/v2")
        apply_pod(started, "web", "k8s-w1", serves="web")
        apply_service(started, "Cluster")
        apply_policy(started)
        with serving(started, "web"):
            yield started


@contextmanager
def serving(lab: Cluster, pod: str) -> Iterator[None]:
    words = ("python3", "-m", "http.server", "9100", "--bind", "::")
    with lab.background(pod, *words) as server:
        try:
            yield
        finally:
            server.kill()


def holder(lab: Cluster) -> str:
    found = json.loads(
        lab.kubectl("-n", "kube-system", "get", "lease", LEASE, "-o", "json", check=False) or "{}"
    )
    return str(found.get("spec", {}).get("holderIdentity", ""))


def macs(lab: Cluster, node: str) -> str:
    links = json.loads(lab.exec(node, "ip", "-j", "link", "show", "eth1"))
    return str(links[0]["address"])


def neighbour(lab: Cluster, address: str) -> str:
    """Ask anew for an address as a client does; return whose MAC answered, or nothing."""
    lab.exec("router", "ip", "neigh", "flush", "to", address, check=False)
    lab.exec("router", "ping", "-c", "1", "-W", "1", address, check=False)
    found = json.loads(lab.exec("router", "ip", "-j", "neigh", "show", "to", address) or "[]")
    return next((str(each["lladdr"]) for each in found if "lladdr" in each), "")


def answers(lab: Cluster, address: str, node: str) -> bool:
    return neighbour(lab, address) == macs(lab, node)


def reaches(lab: Cluster, address: str) -> bool:
    host = f"[{address}]" if ":" in address else address
    words = ("curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}")
    return lab.exec("router", *words, f"http://{host}:9100/", check=False).strip() not in {
        "",
        "000",
    }


def announced(lab: Cluster, node: str) -> list[str]:
    said = lab.exec(node, "cilium-dbg", "statedb", "l2-announce", "-o", "json")
    return sorted(each["ip"] for each in json.loads(said) if each["networkInterface"] == "eth1")


def test_one_node_answers_for_both_families_and_serves(lab: Cluster) -> None:
    eventually(lambda: holder(lab) in NODES, what="a holder", within_s=20)
    node = holder(lab)
    eventually(lambda: announced(lab, node) == sorted((LB4, LB6)), what="both addresses")

    for address in (LB4, LB6):
        eventually(partial(answers, lab, address, node), what=address)
        eventually(partial(reaches, lab, address), what=f"{address} served")
    other = next(each for each in NODES if each != node)
    assert announced(lab, other) == []


def test_node_whose_agent_stands_still_falls_silent_and_another_takes_over(lab: Cluster) -> None:
    """It cannot take anything back: its programs know by themselves when to be silent."""
    node = holder(lab)
    other = next(each for each in NODES if each != node)

    with frozen(FaultyNode(lab, node).agent_pid):
        eventually(lambda: holder(lab) == other, what="the other node", within_s=LEASE_S + 10)
        for address in (LB4, LB6):
            eventually(partial(answers, lab, address, other), what=address)
            eventually(partial(reaches, lab, address), what=f"{address} served")

    eventually(lambda: announced(lab, node) == [], what="the former holder's silence")
    assert holder(lab) == other
    for address in (LB4, LB6):
        assert answers(lab, address, other)


def test_node_whose_agent_is_killed_is_answered_for_again(lab: Cluster) -> None:
    node = FaultyNode(lab, holder(lab))
    node.wait_agent(other_than=node.kill_agent())

    eventually(lambda: holder(lab) in NODES, what="a holder", within_s=LEASE_S + 10)
    for address in (LB4, LB6):
        eventually(partial(reaches, lab, address), what=f"{address} served", within_s=LEASE_S + 10)
        assert answers(lab, address, holder(lab))


def test_local_services_are_announced_where_their_endpoint_is(lab: Cluster) -> None:
    apply_service(lab, "Local")
    eventually(lambda: holder(lab) == "k8s-w1", what="the endpoint's node", within_s=20)
    eventually(lambda: neighbour(lab, LB4) == macs(lab, "k8s-w1"), what=LB4)

    lab.kubectl("delete", "pod", "web", "--wait=false")
    apply_pod(lab, "web-2", "k8s-ctr", serves="web")
    eventually(lambda: holder(lab) == "k8s-ctr", what="the new endpoint's node", within_s=20)
    eventually(lambda: neighbour(lab, LB4) == macs(lab, "k8s-ctr"), what=LB4)
    with serving(lab, "web-2"):
        eventually(lambda: reaches(lab, LB4), what="the new endpoint")


def test_a_wrong_policy_says_so_and_announces_nothing(lab: Cluster) -> None:
    apply_policy(lab, interfaces=["eth("])
    where = 'jsonpath={.status.conditions[?(@.type=="cilium.io/PolicyConflict")].message}'

    def said() -> str:
        return lab.kubectl("get", POLICY, "-o", where)

    eventually(lambda: "spec.interfaces[0]: 'eth('" in said(), what="the condition")
    eventually(lambda: neighbour(lab, LB4) == "", what="silence", within_s=20)


def test_without_a_policy_nobody_answers_and_no_lease_stays(lab: Cluster) -> None:
    apply_policy(lab)
    eventually(lambda: neighbour(lab, LB4) != "", what="an answer", within_s=20)

    lab.kubectl("delete", POLICY)

    eventually(lambda: neighbour(lab, LB4) == "", what="silence", within_s=20)
    eventually(lambda: holder(lab) == "", what="no Lease", within_s=20)
