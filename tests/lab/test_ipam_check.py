"""`ciliate ipam status`, `check` and `repair` in a lab: each kind of disagreement, made for real."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.cluster import Cluster, Done, ciliate, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, pod_ip, process

NODES = ("k8s-ctr", "k8s-w1")
RECORDS = "/var/run/cilium/state/ipam-repairs.jsonl"


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    settings = ("--set", "ipam=cluster-pool", "--set", "cluster-pool-ipv4-cidr=10.244.0.0/16")
    with fault_lab("ipam", *settings) as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        yield started


@pytest.fixture
def node(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-w1")


def ipam(lab: Cluster, *words: str) -> Done:
    kubeconfig = str(lab.folder / "kubeconfig")
    return ciliate("ipam", *words, "--kubeconfig", kubeconfig, check=False)


def check(lab: Cluster, *words: str) -> dict[str, dict[str, Any]]:
    """The findings by kind, of which each test makes one of a kind."""
    done = ipam(lab, "check", "--grace", "1s", "-o", "json", *words)
    findings = json.loads(done.stdout)["findings"]
    asks = any(each["severity"] != "info" for each in findings)
    assert done.returncode == (1 if asks else 0), done.stderr
    return {each["kind"]: each for each in findings}


def assert_clean(lab: Cluster) -> None:
    last: list[Done] = []

    def is_clean() -> bool:
        last[:] = [ipam(lab, "check", "--grace", "1s")]
        return last[0].returncode == 0

    try:
        eventually(is_clean, within_s=30)
    except AssertionError as error:
        raise AssertionError(last[0].stdout) from error


def status(lab: Cluster, *words: str) -> Any:
    return json.loads(ipam(lab, "status", "-o", "json", *words).stdout)


def test_status_counts_blocks_addresses_and_pods(lab: Cluster) -> None:
    found = status(lab)

    (pool,) = found["pools"]
    assert (pool["pool"], pool["family"], pool["cidrs"]) == (
        "default",
        "ipv4",
        ["10.244.0.0/16"],
    )
    assert (pool["blocks"], pool["blocks_left"], pool["used"]) == (256, 254, 4)
    assert [each["node"] for each in found["nodes"]] == list(NODES)
    for each in found["nodes"]:
        (cidr,) = each["cidrs"]
        assert (cidr["state"], cidr["used"], cidr["usable"], cidr["pods"]) == (
            "current",
            2,
            254,
            1,
        )


def test_api_alone_reports_nearly_the_same(lab: Cluster) -> None:
    found = status(lab, "--no-agents")

    assert found["agents_asked"] == 0
    assert [(p["blocks_left"], p["used"]) for p in found["pools"]] == [(254, 2)]
    assert [[c["pods"] for c in each["cidrs"]] for each in found["nodes"]] == [[1], [1]]


def test_one_node_or_pool_can_be_asked_for(lab: Cluster) -> None:
    assert [each["node"] for each in status(lab, "--node", "k8s-w1")["nodes"]] == ["k8s-w1"]
    assert "k8s-ctr, k8s-w1" in ipam(lab, "status", "--node", "nowhere").stderr
    assert "default" in ipam(lab, "status", "--pool", "nothing").stderr


def test_fifty_pods_that_come_and_go_are_no_findings(lab: Cluster) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "churn"},
        "spec": {
            "replicas": 25,
            "selector": {"matchLabels": {"app": "churn"}},
            "template": {
                "metadata": {"labels": {"app": "churn"}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "c", "image": "nicolaka/netshoot"}],
                },
            },
        },
    }
    lab.kubectl("apply", "-f", "-", text=json.dumps(deployment))
    during = ipam(lab, "check")
    lab.kubectl("rollout", "status", "deploy/churn", "--timeout=60s")
    lab.kubectl("rollout", "restart", "deploy/churn")
    lab.kubectl("rollout", "status", "deploy/churn", "--timeout=60s")
    after = ipam(lab, "check")
    lab.kubectl("delete", "deploy/churn")
    gone = ipam(lab, "check")

    assert [done.returncode for done in (during, after, gone)] == [0, 0, 0], (
        during.stdout + after.stdout + gone.stdout
    )
    assert "agree" in gone.stdout


def test_interface_removed_by_hand_is_found_until_the_pod_is_replaced(
    lab: Cluster, node: FaultyNode
) -> None:
    before = node.pod_links()
    apply_pod(lab, "cut", "k8s-w1")
    (link,) = node.pod_links() - before
    node.run("ip", "link", "del", link)

    found = check(lab)

    finding = found["endpoint-without-interface"]
    assert (finding["node"], finding["severity"]) == ("k8s-w1", "error")
    assert "default/cut" in finding["object"]
    assert {each["source"] for each in finding["evidence"]} == {"agent", "kernel"}
    lab.kubectl("delete", "pod", "cut")
    assert_clean(lab)


def test_address_taken_away_inside_the_pod_is_found(lab: Cluster) -> None:
    apply_pod(lab, "flushed", "k8s-w1")
    lab.exec("flushed", "ip", "address", "flush", "dev", "eth0", "scope", "global")

    found = check(lab)

    assert "default/flushed" in found["pod-side-differs"]["object"]
    assert pod_ip(lab, "flushed") in found["pod-side-differs"]["evidence"][1]["says"]
    lab.kubectl("delete", "pod", "flushed")
    assert_clean(lab)


def test_pod_deleted_while_the_kubelet_stands_still_is_an_endpoint_without_pod(
    lab: Cluster,
) -> None:
    apply_pod(lab, "orphan", "k8s-w1")
    with frozen(process(lab, "kube")):
        # Exec needs the kubelets: what an agent says by itself is asked on its node.
        lab.kubectl("delete", "pod", "orphan", "--force", "--grace-period=0", "--wait=false")
        done = FaultyNode(lab, "k8s-w1").run(
            "cilium-dbg", "ipam", "check", "--grace", "1s", "-o", "json", check=False
        )
    kinds = {each["kind"] for each in json.loads(done.stdout)["findings"]}

    assert "endpoint-without-pod" in kinds
    assert_clean(lab)


def test_router_address_removed_by_hand_is_put_back(lab: Cluster, node: FaultyNode) -> None:
    (address,) = [a for a, owner in node.allocations().items() if owner == "router"]
    node.run("ip", "address", "del", f"{address}/32", "dev", "cilium_host")

    def is_back() -> bool:
        return address in node.run("ip", "-4", "address", "show", "dev", "cilium_host").stdout

    eventually(is_back, within_s=10)
    assert_clean(lab)


def cilium_endpoint(name: str, address: str, node_ip: str) -> str:
    return json.dumps(
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumEndpoint",
            "metadata": {"name": name},
            "status": {
                "id": 77,
                "identity": {"id": 5000},
                "networking": {"node": node_ip, "addressing": [{"ipv4": address}]},
            },
        }
    )


def test_cilium_endpoint_with_another_pods_address_is_found(lab: Cluster) -> None:
    """On a node that does not exist: an agent would remove a stale one of its node."""
    address = pod_ip(lab, "right")
    lab.kubectl("apply", "-f", "-", text=cilium_endpoint("stale", address, "192.168.10.77"))

    found = check(lab)

    assert found["address-used-twice"]["object"] == address
    said = found["address-used-twice"]["evidence"][0]["says"]
    assert "default/right" in said
    assert "default/stale" in said
    assert "delete ciliumendpoint stale" in found["address-used-twice"]["remedy"]
    assert {"published-on-unknown-node", "published-without-pod"} <= found.keys()
    lab.kubectl("delete", "ciliumendpoint", "stale")
    assert_clean(lab)


def test_two_cilium_nodes_with_one_cidr_are_found(lab: Cluster) -> None:
    cidr = lab.object("ciliumnode", "k8s-w1")["spec"]["ipam"]["podCIDRs"][0]
    ghost = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNode",
        "metadata": {"name": "ghost"},
        "spec": {
            "addresses": [{"type": "InternalIP", "ip": "192.168.10.222"}],
            "ipam": {"podCIDRs": [cidr, "10.99.0.0/24"]},
        },
    }
    lab.kubectl("apply", "-f", "-", text=json.dumps(ghost))

    found = check(lab, "--no-agents")

    assert found["cidr-claimed-twice"]["object"] == cidr
    assert found["cidr-claimed-twice"]["node"] == "ghost"
    assert found["cidr-outside-pools"]["object"] == "10.99.0.0/24"
    assert found["cilium-node-without-node"]["node"] == "ghost"
    lab.kubectl("delete", "ciliumnode", "ghost")
    assert_clean(lab)


def test_node_that_does_not_answer_is_shown_and_stops_no_other(lab: Cluster) -> None:
    with frozen(*FaultyNode(lab, "k8s-ctr").agent_pids):
        done = ipam(lab, "check", "--grace", "1s", "-o", "json")
        shown = ipam(lab, "status")
    answer = json.loads(done.stdout)

    assert done.returncode == 1
    assert list(answer["unanswered"]) == ["k8s-ctr"]
    assert answer["endpoints"] == 1  # The other node's.
    assert shown.returncode == 1
    assert "k8s-ctr: its agent does not answer" in shown.stdout
    assert_clean(lab)


def leak(lab: Cluster, node: FaultyNode, address: str, owner: str) -> str:
    """Allocate an address without a pod, by undoing an old repair."""
    number = secrets.token_hex(4)
    record = {
        "id": number,
        "time": "2025-01-01T00:00:00Z",
        "address": address,
        "owner": owner,
        "pool": "default",
        "cidr": lab.object("ciliumnode", node.name)["spec"]["ipam"]["podCIDRs"][0],
        "since": "2025-01-01T00:00:00Z",
    }
    node.run("sh", "-c", f"cat >> {RECORDS}", text=json.dumps(record) + "\n")
    done = ipam(lab, "repair", "--undo", number, "--yes")
    assert done.returncode == 0, done.stderr
    assert node.allocations()[address] == owner
    return number


def free_address(lab: Cluster, node: FaultyNode) -> str:
    """An address in no use that is not the next one: agents begin anywhere and go on from there."""
    prefix = str(lab.object("ciliumnode", node.name)["spec"]["ipam"]["podCIDRs"][0]).rpartition(
        "."
    )
    used = {int(address.rpartition(".")[2]) for address in node.allocations()}
    behind = {n: min((n - other) % 256 for other in used) for n in range(1, 255)}
    return f"{prefix[0]}.{max(behind, key=behind.__getitem__)}"


def test_leaked_address_is_found_freed_and_can_be_taken_back(
    lab: Cluster, node: FaultyNode
) -> None:
    address = free_address(lab, node)
    leak(lab, node, address, "default/vanished")
    held = node.allocations()

    found = check(lab)
    assert found.keys() == {"leaked-address"}
    assert found["leaked-address"]["object"] == address
    said = {each["source"]: each["says"] for each in found["leaked-address"]["evidence"]}
    assert "default/vanished" in said["allocator"]
    assert said.keys() == {"allocator", "kernel", "api"}

    early = ipam(lab, "repair", "--yes")
    assert "the grace time is 60 s" in early.stdout
    planned = ipam(lab, "repair", "--grace", "1s", "--dry-run")
    assert f"{address} of default/vanished (pool default) would be freed" in planned.stdout
    assert node.allocations() == held

    done = json.loads(ipam(lab, "repair", "--grace", "1s", "--yes", "-o", "json").stdout)
    (freed,) = [record for report in done for record in report["freed"]]
    assert node.allocations() == {a: o for a, o in held.items() if a != address}
    assert_clean(lab)
    assert freed["id"] in ipam(lab, "repair", "--list").stdout

    back = ipam(lab, "repair", "--undo", freed["id"], "--yes")
    assert f"{address} was given to default/vanished again" in back.stdout
    assert node.allocations() == held
    again = ipam(lab, "repair", "--undo", freed["id"], "--yes")
    assert "already" in again.stdout

    eventually(lambda: "leaked-address" in check(lab))
    ipam(lab, "repair", "--grace", "1s", "--yes")
    assert_clean(lab)


def test_repair_leaves_alone_what_anybody_else_knows(lab: Cluster, node: FaultyNode) -> None:
    """Its owner is a Pod of this node, though with another address: it may be in use."""
    address = free_address(lab, node)
    leak(lab, node, address, "default/right")

    found = check(lab)
    done = ipam(lab, "repair", "--grace", "1s", "--yes")

    assert found.keys() == {"held-without-endpoint"}
    assert "nothing to repair" in done.stdout
    assert node.allocations()[address] == "default/right"
    node.replace_agent()  # As the remedy says.
    node.wait_agent()
    assert address not in node.allocations()
    assert_clean(lab)


def test_repair_without_a_terminal_asks_for_yes(lab: Cluster) -> None:
    done = ipam(lab, "repair")

    assert done.returncode == 1
    assert "--yes" in done.stderr


def test_undo_of_an_unknown_repair_is_refused(lab: Cluster) -> None:
    done = ipam(lab, "repair", "--undo", "00000000", "--yes")

    assert done.returncode == 1
    assert "00000000" in done.stderr


def test_endpoints_file_of_a_vanished_interface_costs_no_address(
    lab: Cluster, node: FaultyNode
) -> None:
    """Agent killed, interface removed meanwhile, pod deleted: the next agent forgets all of it."""
    before = node.pod_links()
    apply_pod(lab, "lost", "k8s-w1")
    address = pod_ip(lab, "lost")
    (link,) = node.pod_links() - before
    with frozen(process(lab, "kube")):
        killed = node.kill_agent()
        node.run("ip", "link", "del", link)
        lab.kubectl("delete", "pod", "lost", "--force", "--grace-period=0", "--wait=false")
    node.wait_agent(other_than=killed)

    assert_clean(lab)
    assert address not in node.allocations()


def test_draining_cidr_shows_its_pods_and_is_no_finding(lab: Cluster) -> None:
    """A CiliumNode edited by hand to another CIDR: pods keep their addresses, new ones come there.

    The last test of this lab: the node keeps its new CIDR.
    """
    former = pod_ip(lab, "right")
    body = json.dumps({"spec": {"ipam": {"podCIDRs": ["10.244.77.0/24"]}}})
    lab.kubectl("patch", "ciliumnode", "k8s-w1", "--type=merge", "-p", body)

    def draining() -> list[dict[str, Any]]:
        cidrs = status(lab, "--node", "k8s-w1")["nodes"][0]["cidrs"]
        return [each for each in cidrs if each["state"] == "draining"]

    eventually(lambda: [each["pods"] for each in draining()] == [1], within_s=20)
    assert_clean(lab)
    lab.kubectl("delete", "pod", "right")
    apply_pod(lab, "right", "k8s-w1")

    assert former != pod_ip(lab, "right")
    assert pod_ip(lab, "right").startswith("10.244.77.")
    eventually(lambda: not draining(), within_s=20)
    assert_clean(lab)


@pytest.fixture(scope="module")
def pools() -> Iterator[Cluster]:
    pool = "auto-create-cilium-pod-ip-pools=default=ipv4-cidrs:10.244.0.0/16;ipv4-mask-size:27"
    with fault_lab("pools", "--set", "ipam=multi-pool", "--set", pool) as started:
        apply_pod(started, "left", "k8s-ctr")
        yield started


def test_multi_pool_is_clean_and_counts_each_pool(pools: Cluster) -> None:
    assert_clean(pools)
    (pool,) = status(pools, "--pool", "default")["pools"]
    assert (pool["blocks"], pool["blocks_left"], pool["block_length"]) == (2048, 2046, 27)


def test_pools_over_services_nodes_and_each_other_are_found(pools: Cluster) -> None:
    bad = {"services": "10.96.0.0/20", "nodes": "192.168.10.0/24", "default2": "10.244.0.0/20"}
    for name, cidr in bad.items():
        pool = {
            "apiVersion": "cilium.io/v2alpha1",
            "kind": "CiliumPodIPPool",
            "metadata": {"name": name},
            "spec": {"ipv4": {"cidrs": [cidr], "maskSize": 27}},
        }
        pools.kubectl("apply", "-f", "-", text=json.dumps(pool))

    found = check(pools, "--no-agents")

    assert found["pool-overlaps-services"]["object"] == bad["services"]
    assert found["pool-overlaps-nodes"]["object"] == bad["nodes"]
    assert found["pools-overlap"]["object"] in (bad["default2"], "10.244.0.0/16")
    pools.kubectl("delete", "ciliumpodippool", *bad)
    assert_clean(pools)


def test_pool_deleted_while_pods_live_in_it_is_a_note_until_the_last_is_gone(
    pools: Cluster,
) -> None:
    """The node drains its CIDRs of that pool: nothing is wrong there, and nothing is to be done."""
    mars = {
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumPodIPPool",
        "metadata": {"name": "mars"},
        "spec": {"ipv4": {"cidrs": ["10.77.0.0/20"], "maskSize": 28}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "martian", "annotations": {"ipam.cilium.io/ip-pool": "mars"}},
        "spec": {
            "nodeName": "k8s-w1",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "tools", "image": "nicolaka/netshoot"}],
        },
    }
    pools.kubectl("apply", "-f", "-", text=json.dumps(mars))
    pools.kubectl("apply", "-f", "-", text=json.dumps(pod))
    pools.kubectl("wait", "pod/martian", "--for=condition=Ready", "--timeout=30s")

    def severities() -> dict[str, str]:
        return {kind: each["severity"] for kind, each in check(pools).items()}

    pools.kubectl("delete", "ciliumpodippool", "mars")
    eventually(
        lambda: severities() == {"cidr-outside-pools": "info"}, within_s=30, what="one note"
    )
    reached = pools.exec("left", "ping", "-c1", "-W2", pod_ip(pools, "martian"))
    pools.kubectl("delete", "pod", "martian")
    eventually(lambda: severities() == {}, within_s=30, what="nothing to note")

    assert "1 received" in reached
