"""A node's addresses change: pods of two nodes reach each other again, without a restart."""

import json
import os
import signal
from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, process

from ciliate.net.address import from_octets

V4, V6 = "192.168.10.101", "fd00:192:168:10::101"

#: The kubelet reads its node's addresses every 10 s where it is not told; the rest takes moments.
WITHIN_S = 25.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("addresses", "--dual-stack") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        for name in ("left", "right"):
            serve = "exec python3 -m http.server --bind :: 8080 >/dev/null 2>&1"
            started.exec(name, "sh", "-c", f"({serve}) </dev/null & sleep 0")
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    """The node whose addresses change; each test begins with those of the topology."""
    node = FaultyNode(lab, "k8s-w1")
    node.run("sh", "-c", "ip addr flush dev eth1 scope global")
    add(node, V4, V6)
    wait_followed(lab, node, V4, V6)
    return node


def add(node: FaultyNode, *addresses: str, device: str = "eth1") -> None:
    for address in addresses:
        length, words = ("64", ("nodad",)) if ":" in address else ("24", ())
        node.run("ip", "addr", "add", f"{address}/{length}", "dev", device, *words)


def remove(node: FaultyNode, *addresses: str) -> None:
    for address in addresses:
        length = "64" if ":" in address else "24"
        node.run("ip", "addr", "del", f"{address}/{length}", "dev", "eth1")


def pod_ips(lab: Cluster, name: str) -> list[str]:
    return [each["ip"] for each in lab.object("pod", name)["status"]["podIPs"]]


def internal_ips(lab: Cluster, kind: str) -> list[str]:
    """The InternalIPs of k8s-w1, as its Node or its CiliumNode has them."""
    found = lab.object(kind, "k8s-w1")
    if kind == "node":
        addresses = [(a["type"], a["address"]) for a in found["status"]["addresses"]]
    else:
        addresses = [(a["type"], a["ip"]) for a in found["spec"]["addresses"]]
    return [address for type_, address in addresses if type_ == "InternalIP"]


def routes(node: FaultyNode) -> dict[str, str]:
    """Routes by a gateway that are ours, of both families: destination -> gateway."""
    return {
        route["dst"]: route["gateway"]
        for family in ("-4", "-6")
        for route in node.json("ip", "-j", family, "route", "show", "proto", "kernel")
        if "gateway" in route
    }


def host_ips(node: FaultyNode) -> dict[str, str]:
    """The ipcache: the node of each prefix."""
    return {each["cidr"]: each.get("hostIP", "") for each in node.asked("ip")}


def reaches(lab: Cluster, source: str, address: str) -> bool:
    """Whether a pod gets an answer from the web server of another."""
    host = f"[{address}]" if ":" in address else address
    done = lab.lab("exec", source, "--", "curl", "-gsm2", f"http://{host}:8080/", check=False)
    return done.returncode == 0


def cidrs_of(lab: Cluster, name: str) -> list[str]:
    return list(lab.object("ciliumnode", name)["spec"]["ipam"]["podCIDRs"])


def masquerade_addresses(node: FaultyNode, version: int) -> set[str]:
    """What the agent has for the node's devices, which it learns of the kernel alone."""
    path = "/sys/fs/bpf/tc/globals/masquerade_addresses"
    entries = node.json("bpftool", "-j", "map", "dump", "pinned", path)
    values = (bytes(int(octet, 16) for octet in entry["value"]) for entry in entries)
    return {str(from_octets(each[:16] if version == 4 else each[16:])) for each in values}


def wait_followed(lab: Cluster, node: FaultyNode, *expected: str) -> None:
    """Wait until all that says where pods of the node are says `expected`."""
    wanted = list(expected)
    control = FaultyNode(lab, "k8s-ctr")
    cidrs = cidrs_of(lab, "k8s-w1")
    by_family = {":" in address: address for address in expected}
    hops = {cidr: by_family[":" in cidr] for cidr in cidrs if (":" in cidr) in by_family}
    # The kernel removes a device's routes of a family with the last address of it.
    back = {cidr for cidr in cidrs_of(lab, "k8s-ctr") if (":" in cidr) in by_family}

    def published() -> list[str]:
        cep = lab.object("ciliumendpoint", "right")["status"]["networking"]["node"]
        return [*internal_ips(lab, "ciliumnode"), cep]

    eventually(lambda: internal_ips(lab, "node") == wanted, within_s=WITHIN_S, what="the Node")
    eventually(lambda: published() == [*wanted, wanted[0]], what="CiliumNode and CiliumEndpoint")
    eventually(lambda: routes(control) == hops, what=f"routes {hops}, not {routes(control)}")
    eventually(lambda: routes(node).keys() == back, what=f"routes {back}, not {routes(node)}")

    def named() -> set[str]:
        """What the ipcaches of both nodes have for the pod's addresses."""
        keys = [f"{a}/{128 if ':' in a else 32}" for a in pod_ips(lab, "right")]
        return {host_ips(one).get(key, "") for one in (control, node) for key in keys}

    eventually(lambda: named() == {wanted[0]}, what="ipcache of both nodes")


def assert_reachable(lab: Cluster, *versions: int) -> None:
    """Pods of the two nodes reach each other, both ways; connections, and echo requests."""
    for source, target in (("left", "right"), ("right", "left")):
        for address in pod_ips(lab, target):
            if (6 if ":" in address else 4) in versions:
                said = lab.exec(source, "ping", "-c1", "-W2", address, check=False)
                assert "1 received" in said, f"{source} to {address}: {said}"
                assert reaches(lab, source, address), f"{source} to {address}: no HTTP"


def client_seen(lab: Cluster, address: str) -> str:
    """The address that the internet's web server saw of the pod `right`."""
    said = lab.exec("right", "curl", "-gsm3", f"http://{address}/", check=False)
    return said.partition("client=")[2].partition("\n")[0].rpartition(":")[0]


def controllers_failing(node: FaultyNode) -> list[str]:
    found = node.asked("healthz")["controllers"]
    return [each["name"] for each in found if each["status"].get("consecutive-failure-count")]


@pytest.mark.parametrize(
    ("former", "latter"),
    [
        ((V4,), ("192.168.10.151",)),
        ((V6,), ("fd00:192:168:10::151",)),
        ((V4, V6), ("192.168.10.152", "fd00:192:168:10::152")),
    ],
    ids=["IPv4", "IPv6", "both"],
)
def test_pods_are_reached_after_the_nodes_address_changed(
    lab: Cluster, node: FaultyNode, former: tuple[str, ...], latter: tuple[str, ...]
) -> None:
    """It leaves the device before the Node object says so."""
    agent = node.agent_pid
    changed = {":" in address: address for address in latter}

    with frozen(process(lab, "kube")):
        remove(node, *former)
        add(node, *latter)
        for address in latter:
            version = 6 if ":" in address else 4
            eventually(
                lambda address=address, version=version: (  # type: ignore[misc]
                    address in masquerade_addresses(node, version)
                ),
                what="the device's address first",
            )
        assert set(former) <= set(internal_ips(lab, "node"))
    wait_followed(lab, node, changed.get(False, V4), changed.get(True, V6))

    assert_reachable(lab, 4, 6)
    assert node.agent_pid == agent, "no restart"
    eventually(lambda: controllers_failing(node) == [], what="the end of what failed in between")
    assert client_seen(lab, "203.0.113.10") == "10.0.2.15"
    assert client_seen(lab, "[2001:db8:113::10]") == "[fd00:10:0:2::15]"


def test_pods_are_reached_when_the_node_object_says_it_before_the_device_has_the_address(
    lab: Cluster, node: FaultyNode
) -> None:
    later = "192.168.10.153"
    addresses = [("InternalIP", later), ("InternalIP", V6), ("Hostname", "k8s-w1")]
    listed = [{"type": type_, "address": address} for type_, address in addresses]
    with frozen(process(lab, "kube")):
        patch = json.dumps({"status": {"addresses": listed}})
        lab.kubectl("patch", "node", "k8s-w1", "--subresource=status", "--type=merge", "-p", patch)
        eventually(
            lambda: internal_ips(lab, "ciliumnode") == [later, V6], what="the CiliumNode first"
        )
        remove(node, V4)
        add(node, later)

    wait_followed(lab, node, later, V6)
    assert_reachable(lab, 4, 6)
    # Its kubelet has read the devices by itself once it reports what nobody else wrote.
    remove(node, V6)
    wait_followed(lab, node, later)


def test_a_family_that_goes_and_comes_back_takes_its_routes_along(
    lab: Cluster, node: FaultyNode
) -> None:
    remove(node, V6)
    wait_followed(lab, node, V4)
    assert_reachable(lab, 4)

    add(node, V6)
    wait_followed(lab, node, V4, V6)
    assert_reachable(lab, 4, 6)


def test_two_changes_in_a_row_of_which_the_second_goes_back(
    lab: Cluster, node: FaultyNode
) -> None:
    other = "192.168.10.154"
    remove(node, V4)
    add(node, other)
    eventually(
        lambda: internal_ips(lab, "node") == [other, V6], within_s=WITHIN_S, what="the Node"
    )
    remove(node, other)  # At once: not all have followed yet.
    add(node, V4)

    wait_followed(lab, node, V4, V6)
    assert_reachable(lab, 4, 6)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_agent_that_was_killed_publishes_the_nodes_present_address(
    lab: Cluster, node: FaultyNode, when: str
) -> None:
    later = "192.168.10.155" if when == "before" else "192.168.10.156"
    if when == "before":
        node.kill_agent()
        remove(node, V4)
        add(node, later)
    else:
        os.kill(node.agent_pid, signal.SIGSTOP)  # It has not heard of the change yet.
        remove(node, V4)
        add(node, later)
        eventually(
            lambda: internal_ips(lab, "node") == [later, V6], within_s=WITHIN_S, what="the Node"
        )
        node.kill_agent()

    node.replace_agent()  # Another pod's agent begins without a pause between restarts.
    node.wait_agent()
    wait_followed(lab, node, later, V6)
    assert_reachable(lab, 4, 6)


def test_addresses_that_move_to_another_device_are_routed_there(
    lab: Cluster, node: FaultyNode
) -> None:
    node.run("ip", "link", "add", "moved", "link", "eth1", "type", "macvlan", "mode", "bridge")
    try:
        remove(node, V4, V6)
        node.run("ip", "link", "set", "moved", "up")
        add(node, V4, V6, device="moved")
        eventually(
            lambda: (
                [
                    route.get("dev")
                    for route in node.json("ip", "-j", "route", "show", "proto", "kernel")
                    if "gateway" in route
                ]
                == ["moved"]
            ),
            what="the route by the other device",
        )
        wait_followed(lab, node, V4, V6)
        assert_reachable(lab, 4, 6)
    finally:
        node.run("ip", "link", "del", "moved")


def test_device_without_an_address_masquerades_by_the_nodes_present_one(
    lab: Cluster, node: FaultyNode
) -> None:
    uplink, later = "fd00:10:0:2::15/64", "fd00:192:168:10::157"

    node.run("ip", "addr", "del", uplink, "dev", "eth0")
    try:
        eventually(lambda: masquerade_addresses(node, 6) == {V6}, what="the node's own")
        remove(node, V6)
        add(node, later)
        wait_followed(lab, node, V4, later)
        eventually(lambda: masquerade_addresses(node, 6) == {later}, what="the node's present one")
    finally:
        node.run("ip", "addr", "add", uplink, "dev", "eth0", "metric", "100", "nodad")
        way = ("via", "fd00:10:0:2::2", "dev", "eth0", "proto", "dhcp", "metric", "100")
        node.run("ip", "route", "replace", "default", *way, "src", "fd00:10:0:2::15")


def test_pods_are_masqueraded_by_the_devices_present_address(
    lab: Cluster, node: FaultyNode
) -> None:
    def uplink(address: str) -> None:
        node.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        gateways = {"24": "10.0.2.2", "64": "fd00:10:0:2::2"}
        for length, host in (("24", f"10.0.2.{address}"), ("64", f"fd00:10:0:2::{address}")):
            words = ("nodad",) if length == "64" else ()
            node.run("ip", "addr", "add", f"{host}/{length}", "dev", "eth0", *words)
            way = ("via", gateways[length], "dev", "eth0", "proto", "dhcp", "metric", "100")
            node.run("ip", "route", "replace", "default", *way, "src", host)

    before = client_seen(lab, "203.0.113.10")
    uplink("16")
    try:
        eventually(lambda: client_seen(lab, "203.0.113.10") == "10.0.2.16", what="IPv4")
        eventually(
            lambda: client_seen(lab, "[2001:db8:113::10]") == "[fd00:10:0:2::16]", what="IPv6"
        )
    finally:
        uplink("15")
    assert before == "10.0.2.15"
    eventually(lambda: client_seen(lab, "203.0.113.10") == "10.0.2.15", what="as before")
