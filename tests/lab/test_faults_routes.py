"""Routes follow the cluster, come back when removed by hand, and no pod can change them."""

import json
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import LONG, FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process
from tests.netlink.frames import (
    arp_claims,
    icmp_redirect,
    neighbour_discovery_claims,
    router_advertisement,
    send,
)

TO_W1 = "10.244.1.0/24"


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("routes") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        yield started


@pytest.fixture
def control(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-ctr")


def gateways(node: FaultyNode) -> dict[str, str]:
    """Our routes to other nodes: pod CIDR -> node."""
    return {
        route["dst"]: route["gateway"]
        for route in node.json("ip", "-j", "-4", "route", "show", "proto", "kernel")
        if "gateway" in route
    }


def touch_node(lab: Cluster) -> None:
    """A node changes: an event by which the others check their routes."""
    word = f"touched={time.monotonic_ns()}"
    lab.kubectl("annotate", "--overwrite", "ciliumnode", "k8s-w1", word)


def test_routes_follow_nodes_that_come_and_go(lab: Cluster, control: FaultyNode) -> None:
    before = gateways(control)
    lab.lab("add-node")
    added = FaultyNode(lab, "k8s-w2")
    eventually(lambda: "10.244.2.0/24" in gateways(control), what="route to the new node")
    eventually(lambda: len(gateways(added)) == 2, what="routes of the new node")
    during, of_added = gateways(control), gateways(added)
    apply_pod(lab, "third", "k8s-w2")
    reached = lab.exec("left", "ping", "-c1", "-W2", pod_ip(lab, "third"))

    lab.kubectl("delete", "pod", "third")
    lab.lab("remove-node", "k8s-w2")
    eventually(lambda: gateways(control) == before, what="route to the node that is gone")
    back = {"10.244.0.0/24": "192.168.10.100"}
    eventually(
        lambda: gateways(FaultyNode(lab, "k8s-w1")) == back,
        what="the other node's routes as before",
    )

    assert before == {TO_W1: "192.168.10.101"}
    assert during == {**before, "10.244.2.0/24": "192.168.10.102"}
    assert of_added == {"10.244.0.0/24": "192.168.10.100", TO_W1: "192.168.10.101"}
    assert "1 received" in reached


def test_route_deleted_by_hand_comes_back(lab: Cluster, control: FaultyNode) -> None:
    control.run("ip", "route", "del", TO_W1)
    if not LONG:  # Otherwise the next walk, within 75 s, finds it.
        touch_node(lab)

    eventually(
        lambda: gateways(control) == {TO_W1: "192.168.10.101"},
        within_s=65 if LONG else 5,
        what="the deleted route",
    )
    assert "1 received" in lab.exec("left", "ping", "-c1", "-W2", pod_ip(lab, "right"))


def conflicts(node: FaultyNode) -> dict[str, str]:
    """What the status says of destinations that have no route as they should."""
    answer = node.asked("healthz") or {"controllers": []}
    (sync,) = (each for each in answer["controllers"] if each["name"] == "sync-routes")
    return {key: each["msg"] for key, each in sync["status"].get("failing-keys", {}).items()}


def cilium_node(lab: Cluster, name: str, ip: str, *cidrs: str) -> None:
    """Somebody writes a CiliumNode; no agent is there."""
    spec = {"addresses": [{"type": "InternalIP", "ip": ip}], "ipam": {"podCIDRs": cidrs}}
    kind = {"apiVersion": "cilium.io/v2", "kind": "CiliumNode"}
    text = json.dumps({**kind, "metadata": {"name": name}, "spec": spec})
    lab.kubectl("apply", "-f", "-", text=text)


def test_metric_of_the_routes_changes_without_a_lost_packet(
    lab: Cluster, control: FaultyNode
) -> None:
    """The node's own packets need the route: one is there at every moment."""

    def metrics() -> list[int]:
        routes = control.json("ip", "-j", "-4", "route", "show", TO_W1)
        return [route.get("metric", 0) for route in routes]

    def has_only(metric: int) -> bool:
        return metrics() == [metric]

    seen = []
    endless = ("ping", "-i", "0.01", "-W", "2", "-c", "100000", pod_ip(lab, "right"))
    with lab.background("k8s-ctr", *endless) as pinging:
        for metric in (50, 0):
            lab.lab("upgrade", "--set", f"route-metric={metric}")
            lab.lab("restart", "agent", "k8s-ctr")
            eventually(partial(has_only, metric), what=f"metric {metric}")
            seen.append(metrics())
        pinging.send_signal(signal.SIGINT)
        said, _ = pinging.communicate(timeout=10.0)

    assert seen == [[50], [0]]
    assert " 0% packet loss" in said


def test_route_that_somebody_puts_in_place_of_ours_stays_and_is_told(
    lab: Cluster, control: FaultyNode
) -> None:
    wrong = ("via", "192.168.10.200", "dev", "eth1", "proto", "kernel")
    control.run("ip", "route", "replace", TO_W1, *wrong)
    eventually(lambda: TO_W1 in conflicts(control), what="the conflict in the status")
    during, said = gateways(control), conflicts(control)[TO_W1]

    control.run("ip", "route", "del", TO_W1)
    eventually(
        lambda: gateways(control) == {TO_W1: "192.168.10.101"}, within_s=5, what="the right route"
    )

    assert during == {TO_W1: "192.168.10.200"}
    assert f"{TO_W1} via 192.168.10.200 dev eth1 proto kernel: remove it" in said
    eventually(lambda: not conflicts(control), what="a status without conflicts")


def test_wrong_cilium_node_changes_no_route_of_any_node_and_is_told(
    lab: Cluster, control: FaultyNode
) -> None:
    """It took the default route, or the nodes' own network, away from every node for good."""
    nodes = (control, FaultyNode(lab, "k8s-w1"))
    routes = [node.run("ip", "route").stdout for node in nodes]
    wrong = ["0.0.0.0/0", "10.0.0.0/8", "192.168.10.0/24", "10.0.2.0/24", "169.254.169.254/32"]
    wrong += ["10.96.0.0/16", "10.96.0.10/32"]  # Of the Services' range.
    cilium_node(lab, "a-wrong-one", "192.168.10.77", *wrong, TO_W1, "10.244.0.0/24")
    try:
        for node in nodes:
            eventually(
                lambda node=node: conflicts(node).keys() == set(wrong),  # type: ignore[misc]
                what="the refusals in the status",
            )
        during = [node.run("ip", "route").stdout for node in nodes]
    finally:
        lab.kubectl("delete", "ciliumnode", "a-wrong-one")

    assert during == routes, "nor does it take the CIDRs of the nodes that were there before"
    for node in nodes:
        eventually(lambda node=node: not conflicts(node), what="no refusals")  # type: ignore[misc]
    assert [node.run("ip", "route").stdout for node in nodes] == routes


def test_cilium_node_with_the_address_of_another_is_told_and_takes_nothing_from_it(
    lab: Cluster, control: FaultyNode
) -> None:
    cilium_node(lab, "a-twin", "192.168.10.101", "10.66.0.0/24")
    try:
        eventually(lambda: "10.66.0.0/24" in gateways(control), what="the route to its own CIDR")
        during = gateways(control)
        reached = lab.exec("left", "ping", "-c1", "-W2", pod_ip(lab, "right"))
        agent = lab.kubectl("-n", "kube-system", "logs", "-l", "k8s-app=cilium", "--tail=-1")
    finally:
        lab.kubectl("delete", "ciliumnode", "a-twin")
    eventually(lambda: gateways(control) == {TO_W1: "192.168.10.101"}, what="no route to it")

    assert during == {TO_W1: "192.168.10.101", "10.66.0.0/24": "192.168.10.101"}
    assert "1 received" in reached
    said = "CiliumNode a-twin: InternalIP 192.168.10.101 is that of CiliumNode k8s-w1 too"
    assert said in agent


def test_claim_is_withdrawn_when_the_node_is_connected_there_later(
    lab: Cluster, control: FaultyNode
) -> None:
    cilium_node(lab, "far", "192.168.10.77", "10.66.0.0/24")
    try:
        eventually(lambda: "10.66.0.0/24" in gateways(control), what="the route")
        control.run("ip", "link", "add", "later0", "type", "veth", "peer", "later1")
        control.run("ip", "addr", "add", "10.66.0.129/25", "dev", "later0")
        control.run("ip", "link", "set", "later0", "up")
        control.run("ip", "link", "set", "later1", "up")
        eventually(lambda: "10.66.0.0/24" not in gateways(control), what="withdrawal")
        eventually(lambda: "10.66.0.0/24" in conflicts(control), what="the reason")
        control.run("ip", "link", "del", "later0")
        eventually(lambda: "10.66.0.0/24" in gateways(control), what="the route again")
    finally:
        control.run("ip", "link", "del", "later0", check=False)
        lab.kubectl("delete", "ciliumnode", "far")
    eventually(lambda: gateways(control) == {TO_W1: "192.168.10.101"}, what="no route to it")


def test_routes_of_a_time_before_are_removed_at_start_and_others_routes_stay(
    lab: Cluster, control: FaultyNode
) -> None:
    """Whose a route is, no number in it proves: one typed with `proto kernel` stays."""
    alike = ("10.244.77.0/24", "via", "192.168.10.101", "dev", "eth1", "proto", "kernel")
    foreign = ("198.51.100.0/24", "via", "192.168.10.200", "dev", "eth1", "proto", "static")
    before = control.run("ip", "route").stdout
    cilium_node(lab, "stale", "192.168.10.77", "10.66.0.0/24")
    eventually(lambda: "10.66.0.0/24" in gateways(control), what="the route to go stale")
    with frozen(process(lab, "kube")):
        killed = control.kill_agent()
        lab.kubectl("delete", "ciliumnode", "stale")
        control.run("ip", "route", "add", *alike)
        control.run("ip", "route", "add", *foreign)
        control.run("ip", "route", "del", TO_W1)

    control.wait_agent(other_than=killed)

    after = control.run("ip", "route").stdout
    control.run("ip", "route", "del", foreign[0])
    control.run("ip", "route", "del", alike[0])
    assert "10.66.0.0/24" not in after
    assert foreign[0] in after
    assert alike[0] in after
    assert gateways(control) == {TO_W1: "192.168.10.101"}
    assert control.run("ip", "route").stdout == before


def neighbourhood(node: FaultyNode) -> list[str]:
    """Neighbours with their addresses, routes, rules, addresses of the node."""
    script = (
        "ip -j -p neigh show nud all >/dev/null; ip neigh show nud all;"
        "ip -6 neigh show nud all; ip -4 route show table all; ip -6 route show table all;"
        "ip -4 route show cache; ip -6 route show cache; ip -br addr"
    )
    # States of neighbours age; multicast entries come from the node's own reports.
    ageing = {"REACHABLE", "STALE", "DELAY", "PROBE"}
    lines = node.run("sh", "-c", script).stdout.splitlines()
    return sorted(
        " ".join(word for word in line.split() if word not in ageing)
        for line in lines
        if "ff02:" not in line and "expires" not in line
    )


def test_no_frame_of_a_pod_changes_the_nodes_routes_or_neighbours(
    lab: Cluster, control: FaultyNode
) -> None:
    """On links as the agent makes them, with the programs in place."""
    address = pod_ip(lab, "left")
    netns = str(lab.folder / control.name / "pods" / "default_left" / "ns" / "net")
    router = next(ip for ip, owner in control.allocations().items() if owner == "router")
    link = next(iter(control.pod_links()))
    macs = {
        "to_mac": control.json("ip", "-j", "link", "show", link)[0]["address"],
        "from_mac": lab.exec("left", "cat", "/sys/class/net/eth0/address").strip(),
    }
    frames: list[bytes] = []
    for claimed in (address, router, "192.168.10.101", "192.168.10.200", "10.0.2.2"):
        frames += arp_claims(**macs, victim=claimed, node="192.168.10.100")
        frames.append(icmp_redirect(**macs, gateway=claimed, node="192.168.10.100", pod=address))
    for claimed in ("fd00:9::3", "fe80::1"):
        frames += neighbour_discovery_claims(
            **macs, victim=claimed, node="fd00:9::1", pod="fd00:9::2"
        )
    frames.append(router_advertisement(**macs))

    def received() -> int:
        return int(
            control.json("ip", "-s", "-j", "link", "show", link)[0]["stats64"]["rx"]["packets"]
        )

    lab.exec("left", "ping", "-c1", "-W2", "192.168.10.100")
    before, count = neighbourhood(control), received()

    send(netns, "eth0", frames)

    eventually(lambda: received() >= count + len(frames), what="the frames' arrival")
    assert neighbourhood(control) == before
    assert "1 received" in lab.exec("left", "ping", "-c1", "-W2", pod_ip(lab, "right"))
