"""Section 3 of the walk-through: what each IPAM mode can do, and the user's migration, typed.

The migration's loop is the user's, and says more: what curl complains of is printed too, a call may
take 3 s, so that no lost question to the DNS hides (resolvers ask again after 5 s), and the pause is a
tenth of a second.
"""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from tests.lab.cluster import eventually
from tests.lab.traffic import Speaker, Traffic
from tests.lab.walkthrough.place import (
    CONTROL_PLANE,
    INTERNET_IP,
    NODE_IPS,
    ROUTER_IP,
    WORKER,
    Place,
    place,
    rows,
)

UPGRADE = (
    "ciliate lab upgrade --set ipam.mode=cluster-pool"
    ' --set ipam.operator.clusterPoolIPv4PodCIDRList={"172.20.0.0/16"}'
    " --set ipv4NativeRoutingCIDR=172.20.0.0/16"
)
RESTART_OPERATOR = "ciliate lab restart operator"
RESTART_AGENTS = "ciliate lab restart agent"

#: A webpod on each node, curl-pod, two name servers, the relay, the page.
PODS: Final = len(NODE_IPS) + 5


@pytest.fixture(scope="module")
def moving() -> Iterator[Place]:
    """A lab of its own: the tests below are the steps of one migration, in their order."""
    with place("ipam", "--nodes", "2") as found:
        yield found


@pytest.fixture(scope="module")
def traffic(moving: Place) -> Iterator[Traffic]:
    """What each pod of the application goes on saying to the others, nodes and the world."""
    pods = {"curl-pod": CONTROL_PLANE, **{moving.webpod(node): node for node in NODE_IPS}}
    talk = Traffic()
    try:
        for pod, node in pods.items():
            address = moving.pods[pod]["status"]["podIP"]
            folder = f"{node}/pods/default_{pod}"
            talk.speakers[pod] = Speaker(moving.lab, folder, pod, [address])
        for node, address in NODE_IPS.items():
            talk.speakers[node] = Speaker(moving.lab, node, node, [address])
        for pod, node in pods.items():
            for other in pods.keys() - {pod}:
                talk.pair(pod, other)
            talk.pair(pod, next(name for name in NODE_IPS if name != node))
            talk.to_server(pod, "internet", INTERNET_IP)
            talk.to_server(pod, "router", ROUTER_IP)
        yield talk
    finally:
        talk.close()


#: `while true; do curl -s webpod | grep Hostname; sleep 1; done`
LOOP: Final = (
    'while true; do curl -sS -m 3 webpod 2>&1 | grep -E "^(Hostname|curl):" || echo nothing;'
    " sleep 0.1; done"
)


class Loop:
    """The user's loop in curl-pod, and what it has printed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def read(self, lines: Iterable[str]) -> None:
        """Keep what the loop prints, until it ends."""
        self.seen += (line.strip() for line in lines)

    def goes_on(self, *replicas: str, rounds: int = 2) -> None:
        """Wait until each replica has answered so many times more; no call was in vain so far."""
        start = len(self.seen)
        expected = {f"Hostname: {name}" for name in replicas}

        def all_answered() -> bool:
            heard = Counter(self.seen[start:])
            return all(heard[line] >= rounds for line in expected)

        try:
            eventually(all_answered, within_s=20, what=f"answers of {replicas}")
        finally:
            in_vain = [line for line in self.seen if not line.startswith("Hostname: ")]
            assert not in_vain, f"of {len(self.seen)} calls: {in_vain}"


@contextmanager
def user_loop(moving: Place) -> Iterator[Loop]:
    """The loop, typed in curl-pod for as long as the block lasts."""
    line = f"exec kubectl exec curl-pod -- sh -c '{LOOP}'"
    loop = Loop()
    with subprocess.Popen(
        ["bash", "-c", line], stdout=subprocess.PIPE, text=True, env=moving.environment, bufsize=1
    ) as typed:
        assert typed.stdout is not None
        reader = threading.Thread(target=loop.read, args=(typed.stdout,))
        reader.start()
        try:
            yield loop
        finally:
            typed.terminate()
            reader.join()


@pytest.fixture(scope="module")
def loop(moving: Place) -> Iterator[Loop]:
    with user_loop(moving) as running:
        yield running


def replicas(lab: Place) -> list[str]:
    """The names of the two that answer."""
    return [lab.webpod(node) for node in NODE_IPS]


def node_cidrs(lab: Place) -> dict[str, list[str]]:
    """Every node's pod CIDRs as its CiliumNode says them."""
    items = json.loads(lab.typed("kubectl get ciliumnode -o json"))["items"]
    return {item["metadata"]["name"]: item["spec"]["ipam"].get("podCIDRs", []) for item in items}


def addresses(lab: Place) -> dict[str, str]:
    """Every endpoint's IPv4 address, as the user sees it."""
    header, *found = rows(lab.typed("kubectl get ciliumendpoints -A"))
    assert header[-2:] == ["IPV4", "IPV6"]
    return {row[1]: row[-1] for row in found}


# The migration.


def test_before_it_the_mode_is_kubernetes(moving: Place, loop: Loop) -> None:
    assert moving.typed("cilium config view | grep '^ipam '").split() == ["ipam", "kubernetes"]
    assert node_cidrs(moving) == {"k8s-ctr": ["10.244.0.0/24"], "k8s-w1": ["10.244.1.0/24"]}
    loop.goes_on(*replicas(moving))


def test_step_1_mode_changes_and_nothing_else_does(
    moving: Place, loop: Loop, traffic: Traffic
) -> None:
    assert traffic.speakers
    before = addresses(moving)

    moving.typed(UPGRADE)
    moving.typed(RESTART_OPERATOR)
    moving.typed(RESTART_AGENTS)

    assert moving.typed("cilium config view | grep '^ipam '").split() == ["ipam", "cluster-pool"]
    assert node_cidrs(moving) == {"k8s-ctr": ["10.244.0.0/24"], "k8s-w1": ["10.244.1.0/24"]}
    assert addresses(moving) == before
    loop.goes_on(*replicas(moving))


def test_step_2_deleted_cilium_node_comes_back_with_a_cidr_of_the_pool(
    moving: Place, loop: Loop, traffic: Traffic
) -> None:
    """The worker first, so it has the pool's first CIDR; then the control plane."""
    assert traffic.speakers
    for node, cidr in ((WORKER, "172.20.0.0/24"), (CONTROL_PLANE, "172.20.1.0/24")):
        moving.typed(f"kubectl delete ciliumnode {node}")
        moving.typed(RESTART_AGENTS)
        eventually(lambda n=node, c=cidr: node_cidrs(moving).get(n) == [c], what=f"{node}: {cidr}")  # type: ignore[misc]
        loop.goes_on(*replicas(moving))


def test_step_2_each_node_routes_to_the_others_new_and_former_cidr(moving: Place) -> None:
    expected = {
        CONTROL_PLANE: ("192.168.10.101", "172.20.0.0/24", "10.244.1.0/24"),
        WORKER: ("192.168.10.100", "172.20.1.0/24", "10.244.0.0/24"),
    }
    for node, (hop, *cidrs) in expected.items():

        def is_routed(node: str = node, hop: str = hop, cidrs: list[str] = cidrs) -> bool:
            lines = {line.strip() for line in moving.on(node, "ip -c route").split("\n")}
            return lines >= {f"{cidr} via {hop} dev eth1 proto kernel" for cidr in cidrs}

        eventually(is_routed, what=f"routes of {node}")


def test_step_2_masquerading_is_reported_with_the_new_range(moving: Place) -> None:
    shown = moving.on(CONTROL_PLANE, "cilium-dbg status")

    assert "172.20.0.0/16 [IPv4: Enabled, IPv6: Disabled]" in " ".join(shown.split())


def test_step_3_no_pod_lost_a_packet_or_a_connection(
    moving: Place, loop: Loop, traffic: Traffic
) -> None:
    """Better than upstream, where running pods lose their network."""
    loop.goes_on(*replicas(moving))

    problems = traffic.end(*traffic.speakers)

    assert not problems, "\n".join(problems)
    assert addresses(moving) == {
        name: pod["status"]["podIP"] for name, pod in moving.connected.items()
    }
    traffic.close()


def test_step_4_restarted_pods_have_new_addresses_and_the_loop_goes_on(
    moving: Place, loop: Loop
) -> None:
    """It ends with its own pod; until then neither names nor answers are missed."""
    moving.typed("kubectl rollout restart deployment/webpod")
    for name in ("coredns", "hubble-relay", "hubble-ui"):
        moving.typed(f"kubectl -n kube-system rollout restart deployment/{name}")
    moving.typed("kubectl rollout status deployment/webpod --timeout=30s")
    for name in ("coredns", "hubble-relay", "hubble-ui"):
        moving.typed(f"kubectl -n kube-system rollout status deployment/{name} --timeout=30s")
    eventually(lambda: len(addresses(moving)) == PODS, what="an endpoint of each pod")
    moved = Place(moving.lab)  # It has forgotten the former pods.
    loop.goes_on(*replicas(moved))

    moving.typed("kubectl get pod curl-pod -o json | kubectl replace --force -f -")
    moving.typed("kubectl wait pod --all --for=condition=Ready --timeout=30s")
    eventually(lambda: len(addresses(moved)) == PODS, what="an endpoint of each pod")
    found = addresses(moved)

    assert found["curl-pod"].startswith("172.20.1.")
    assert found[moved.webpod(WORKER)].startswith("172.20.0.")
    assert found[moved.webpod(CONTROL_PLANE)].startswith("172.20.1.")
    with user_loop(moved) as again:
        again.goes_on(*replicas(moved))


def test_afterwards_nothing_of_the_former_range_is_left(moving: Place) -> None:
    def is_clean() -> bool:
        shown = [moving.on(node, "ip route") for node in NODE_IPS]
        shown += [moving.on(node, "cilium-dbg bpf ipcache list") for node in NODE_IPS]
        shown.append(json.dumps(moving.lab.object("ciliumnodes")))
        return "10.244." not in "".join(shown)

    eventually(is_clean, within_s=20, what="10.244.x.y gone")
