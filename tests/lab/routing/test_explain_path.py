"""`ciliate explain path` says the way that packets are seen to take, and finds what is wrong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from tests.lab.cluster import eventually
from tests.lab.routing.facts import identity, node_facts, other
from tests.lab.routing.far import FAR, far_ips, service_ips
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.place import CONTROL_PLANE, INTERNET_IP, WORKER, Place

FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
EXPLAIN: Final = "ciliate explain path"


def explained(place: Place, words: str) -> Any:
    return json.loads(place.typed(f"{EXPLAIN} {words} -o json", check=False))


def places(journey: Any) -> list[tuple[str, str]]:
    return [(step.get("node", ""), step["at"]) for step in journey["steps"]]


@contextmanager
def route_missing(place: Place, node: str, destination: str) -> Iterator[None]:
    """Meanwhile the node's route to a destination says "unreachable"."""
    place.on(node, f"ip route add unreachable {destination}")
    try:
        yield
    finally:
        place.on(node, f"ip route del unreachable {destination}")


@FAMILIES
def test_way_between_pods_is_the_one_that_is_seen_on_the_wire(tunnel: Place, family: int) -> None:
    here, there = node_facts(tunnel, CONTROL_PLANE), node_facts(tunnel, WORKER)
    report = explained(tunnel, f"curl-pod {far_ips(tunnel)[family]}")
    with Capture.on(tunnel, CONTROL_PLANE, "eth1", "udp port 8472") as seen:
        tunnel.in_pod(f"ping -c 1 -W 3 {far_ips(tunnel)[family]}")
        wire = "\n".join(seen.until("echo request"))

    path, said = places(report["there"]), str(report["there"]["steps"])
    assert [at for node, at in path if node == CONTROL_PLANE and "lxc" not in at] == [
        "in the pod",
        "ipcache",
        "masquerade",
        "cilium_vxlan",
        "route",
        "neighbour",
        "eth1",
    ]
    assert [at for node, at in path if node == WORKER][:3] == ["eth1", "cilium_vxlan", "endpoints"]
    assert f"VNI {identity(tunnel, 'curl-pod')}" in said
    assert f"VXLAN to {there.ips[0]}" in said
    assert f"sent by {here.ips[0]}" in said
    assert f"{here.ips[0]}." in wire
    assert f"> {there.ips[0]}.8472" in wire
    assert f"instance {identity(tunnel, 'curl-pod')}" in wire
    assert (report["there"]["mtu"], report["back"]["mtu"]) == (1450, 1450)
    assert "findings" not in report


def test_service_is_followed_to_each_of_its_endpoints(tunnel: Place) -> None:
    by_name = tunnel.typed(f"{EXPLAIN} curl-pod svc/{FAR}")
    by_address = tunnel.typed(f"{EXPLAIN} curl-pod {service_ips(tunnel)[0]}:80")

    for shown in (by_name, by_address):
        assert f"default/{FAR}" in shown.splitlines()[0]
        assert f"is answered by {far_ips(tunnel)[0]}:80/tcp" in shown
        assert "Both ways by VXLAN: packets of up to 1450 bytes." in shown


def test_way_out_of_the_cluster_ends_where_nobody_can_be_asked(tunnel: Place) -> None:
    shown = tunnel.typed(f"{EXPLAIN} curl-pod {INTERNET_IP}:80/tcp")

    assert "leaves the cluster" in shown
    assert "source 10.0.2.15, of eth0" in shown
    assert shown.endswith("Behind eth0 nobody of the cluster can be asked.\n")


def test_every_pair_is_symmetric_in_both_families(tunnel: Place) -> None:
    report = explained(tunnel, "--all")

    found = [(each["nodes"], each["family"], each["kind"]) for each in report["pairs"]]
    pair = sorted([CONTROL_PLANE, WORKER])
    assert found == [(pair, 4, "VXLAN"), (pair, 6, "VXLAN")]
    assert all("findings" not in each and each["mtu"] == 1450 for each in report["pairs"])


def test_route_that_one_node_lacks_is_found_with_the_node(tunnel: Place) -> None:
    there = node_facts(tunnel, WORKER).ips[0]
    with route_missing(tunnel, CONTROL_PLANE, f"{there}/32"):
        report = explained(tunnel, f"curl-pod {FAR}")
        pairs = explained(tunnel, "--all")

    problem = f"no route to {there}: the sender is told so by ICMP"
    assert report["there"]["problem"] == problem
    assert problem in pairs["pairs"][0]["findings"][0]["problem"]
    assert pairs["pairs"][0]["findings"][0]["problem"].startswith(CONTROL_PLANE)


def test_smaller_mtu_of_one_node_is_found_in_both_commands(tunnel: Place) -> None:
    try:
        tunnel.on(WORKER, "ip link set eth1 mtu 1400")
        eventually(lambda: "findings" in explained(tunnel, "--all")["pairs"][0], what="the MTU")
        report = explained(tunnel, f"curl-pod {FAR}")
    finally:
        tunnel.on(WORKER, "ip link set eth1 mtu 1500")
        eventually(
            lambda: "findings" not in explained(tunnel, "--all")["pairs"][0], what="the MTU"
        )

    (found,) = report["findings"]
    said = f"packets of up to 1450 bytes go from {report['pod']}, of up to 1350 come back"
    assert found["problem"] == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("curl-pod nobody", "pod default/nobody does not exist"),
        ("nobody 10.0.0.1", "pod default/nobody does not exist"),
        ("curl-pod svc/nobody", "Service default/nobody does not exist"),
        ("curl-pod 10.244.0", "is no IP address"),
        ("curl-pod", "give POD and DESTINATION"),
        ("--all curl-pod", "or --all"),
    ],
)
def test_wrong_words_are_refused_by_name(tunnel: Place, words: str, said: str) -> None:
    done = tunnel.typed(f"{EXPLAIN} {words} 2>&1; echo exit $?")

    assert said in done
    assert "exit 0" not in done


def test_address_of_no_pod_does_not_arrive(tunnel: Place) -> None:
    prefix = node_facts(tunnel, other(CONTROL_PLANE)).cidrs[0].rpartition(".")[0]
    taken = {each["status"].get("podIP") for each in tunnel.pods.values()}
    free = next(f"{prefix}.{n}" for n in range(254, 1, -1) if f"{prefix}.{n}" not in taken)

    shown = tunnel.typed(f"{EXPLAIN} curl-pod {free}", check=False)

    assert "does not arrive" in shown
    assert f"! no pod has {free}: node {WORKER} says so by ICMP" in shown
