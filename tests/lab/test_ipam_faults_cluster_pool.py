"""Lists and CiliumNodes of cluster-pool mode edited wrongly: reported, and no address changes.

Two nodes have the two blocks there are; a third, of flesh or a mere CiliumNode, finds none.
"""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, frozen, pod_ip
from tests.lab.node_cidrs import (
    DRAINING,
    all_cidrs,
    apply_pool_pods,
    assert_mesh,
    audit,
    cidrs_of,
    delete_pods,
    edit_node,
    set_config,
    wait_error,
    wait_ready,
    wait_warning,
)
from tests.lab.streams import assert_unbroken, udp_stream

NODE, OTHER = "k8s-w1", "k8s-ctr"
RANGE = "10.81.0.0/23"
SETTINGS = (
    "--set", "ipam.mode=cluster-pool",
    "--set", f"ipam.operator.clusterPoolIPv4PodCIDRList={{{RANGE}}}",
    "--set", "ipam.operator.clusterPoolIPv4MaskSize=24",
)  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("lists", *SETTINGS) as started:
        apply_pod(started, "left", OTHER)
        apply_pod(started, "right", NODE)
        yield started


@pytest.fixture(autouse=True)
def unharmed(lab: Cluster) -> Iterator[None]:
    """Whatever a test does: its two pods keep their addresses, and lose no packet."""
    before = {name: pod_ip(lab, name) for name in ("left", "right")}
    with udp_stream(lab, "left", "right", before["right"]) as udp:
        yield
    assert_unbroken(udp)
    after = audit(lab)
    assert before.items() <= after.items()


@pytest.fixture
def ghost(lab: Cluster) -> Iterator[str]:
    """A node that asks for a CIDR and finds none."""
    item = {"apiVersion": "cilium.io/v2", "kind": "CiliumNode", "metadata": {"name": "ghost"}}
    lab.kubectl("create", "-f", "-", text=json.dumps({**item, "spec": {}}))
    wait_error(lab, "ghost", "allocator full: all 2 IPv4 blocks /24")
    yield "ghost"
    lab.kubectl("delete", "ciliumnode", "ghost")


#: A list as a user wrote it -> the Event's reason, and the reported text.
BAD_LISTS: Final = {
    f"{RANGE} 10.81.1.0/24": ("PoolListRefused", "collides with clusterCIDR: 10.81.0.0/23"),
    f"{RANGE} 10.96.4.0/22": ("PoolOverlapsReserved", "Services in 10.96.0.0/16"),
    f"{RANGE} 192.168.10.0/24": ("PoolOverlapsReserved", "of node k8s-"),
    f"{RANGE} 169.254.8.0/22": ("PoolListRefused", "169.254.0.0/16, which no pod can have"),
    f"{RANGE} 10.82.0.0/28": ("PoolListRefused", "the mask is shorter than the pool's"),
    f"{RANGE} fd00::/64": ("PoolListRefused", "CIDR is not v4 family: fd00::/64"),
    f"{RANGE} nonsense": ("PoolListRefused", "'nonsense' is no CIDR"),
    "10.82.0.0/23": ("PoolListRefused", "10.81.0.0/23 was taken out"),
    " ": ("PoolListRefused", "cluster-pool-ipv4-cidr must be provided"),
}


def test_lists_edited_wrongly_are_reported_and_change_nothing(lab: Cluster, ghost: str) -> None:
    before = cidrs_of(lab, NODE)

    for text, (reason, reported) in BAD_LISTS.items():
        set_config(lab, cluster_pool_ipv4_cidr=text)
        wait_warning(lab, "cilium-config", reason, reported)
        assert cidrs_of(lab, ghost).current == (), text
        assert cidrs_of(lab, NODE) == before, text
    set_config(lab, cluster_pool_ipv4_cidr=RANGE)


def test_node_without_a_block_says_so_everywhere_and_starts_when_a_range_is_appended(
    lab: Cluster,
) -> None:
    name = "k8s-w2"
    exhausted = 'ciliate_operator_ipam_pool_exhausted{family="ipv4",pool="default"}'

    where = lab.kubectl(
        "-n", "kube-system", "get", "pod", "-l", "io.cilium/app=operator",
        "-o", "jsonpath={.items[*].spec.nodeName}",
    )  # fmt: skip

    def reported(value: str) -> bool:
        return f"{exhausted} {value}" in lab.exec(where, "curl", "-s", "localhost:9963/metrics")

    def operator_logs() -> str:
        return lab.kubectl("-n", "kube-system", "logs", "deploy/cilium-operator")

    def agent_says() -> str:
        return lab.lab("exec", name, "--", "cilium-dbg", "status", check=False).stderr

    eventually(lambda: reported("0.0"), what="a metric of a pool with room")

    with ThreadPoolExecutor() as pool:
        adding = pool.submit(lab.lab, "add-node")
        eventually(lambda: "allocator full" in _error(lab, name), within_s=30, what="a status")
        wait_warning(lab, name, "CIDRPoolExhausted: allocator full", "add a CIDR to the pool")
        eventually(lambda: f"node {name}: allocator full" in operator_logs(), what="a log line")
        eventually(lambda: reported("1.0"), what="a metric of a full pool")
        eventually(
            lambda: "the operator says: allocator full" in agent_says(), what="the agent's status"
        )
        apply_pool_pods(lab, ["waits"], name)

        set_config(lab, cluster_pool_ipv4_cidr=f"{RANGE} 10.83.0.0/24")
        wait_ready(lab, "waits")
        assert adding.result().returncode == 0

    addresses = audit(lab)
    assert addresses["waits"].startswith("10.83.0.")
    eventually(lambda: reported("0.0"), what="the metric of a pool with room again")
    assert_mesh(lab, addresses)
    delete_pods(lab, "waits")
    lab.lab("remove-node", name)
    eventually(lambda: name not in all_cidrs(lab), what="its CiliumNode gone")
    set_config(lab, cluster_pool_ipv4_cidr=RANGE)


def _error(lab: Cluster, node: str) -> str:
    found = all_cidrs(lab).get(node)
    return found.error if found else ""


@contextlib.contextmanager
def edited(lab: Cluster, cidr: str) -> Iterator[None]:
    """The node's podCIDRs edited by hand; put back afterwards."""
    before = cidrs_of(lab, NODE)
    edit_node(lab, NODE, spec={"ipam": {"podCIDRs": [cidr]}})
    try:
        yield
    finally:
        edit_node(lab, NODE, spec={"ipam": {"podCIDRs": list(before.current)}})
    wait_error(lab, NODE, "")
    eventually(lambda: not cidrs_of(lab, NODE).draining, what="the CIDR is current again")


def test_second_of_two_nodes_with_one_cidr_yields(lab: Cluster) -> None:
    (mine,), (theirs,) = cidrs_of(lab, NODE).current, cidrs_of(lab, OTHER).current

    with edited(lab, theirs):
        wait_error(lab, NODE, f"({theirs}) is already allocated to node {OTHER}")
        wait_warning(lab, NODE, f"requested CIDR ({theirs}) is already allocated")
        eventually(lambda: cidrs_of(lab, NODE).draining == (mine,), what="draining")
        apply_pool_pods(lab, ["late"], NODE)
        apply_pool_pods(lab, ["there"], OTHER)
        wait_ready(lab, "there")
        assert FaultyNode(lab, NODE).wait_settled(endpoints=1), "no pod has an address of theirs"

    wait_ready(lab, "late")
    assert audit(lab).keys() == {"left", "right", "late", "there"}
    delete_pods(lab, "late", "there")


def test_cidr_edited_by_hand_serves_new_pods_and_the_former_drains(lab: Cluster) -> None:
    (mine,) = cidrs_of(lab, NODE).current

    with edited(lab, "10.84.0.0/24"):
        wait_error(lab, NODE, "allocator not configured for the requested CIDR 10.84.0.0/24")
        eventually(lambda: cidrs_of(lab, NODE).draining == (mine,), what="draining")
        apply_pool_pods(lab, ["new"], NODE)
        wait_ready(lab, "new")
        addresses = audit(lab)
        assert addresses["new"].startswith("10.84.0.")
        assert_mesh(lab, addresses)
        delete_pods(lab, "new")
        FaultyNode(lab, NODE).wait_settled(endpoints=1)


def test_garbage_in_a_cilium_node_is_reported_and_not_used(lab: Cluster) -> None:
    """Also not by an agent elsewhere that starts while it stands there."""
    (mine,) = cidrs_of(lab, NODE).current
    other = FaultyNode(lab, OTHER)

    with edited(lab, "nonsense"):
        edit_node(lab, NODE, metadata={"annotations": {DRAINING: "rubbish,10.81.0.0/16"}})
        wait_error(lab, NODE, "'nonsense' is no CIDR: correct or remove it")
        wait_warning(lab, NODE, "'nonsense' is no CIDR")
        eventually(lambda: cidrs_of(lab, NODE).draining == (mine,), what="the annotation righted")
        pid = other.agent_pid
        other.replace_agent()
        other.wait_agent(other_than=pid)
        assert_mesh(lab, audit(lab))


def test_cidr_of_a_deleted_cilium_node_goes_to_no_other_node_while_its_agent_is_dead(
    lab: Cluster, ghost: str
) -> None:
    node = FaultyNode(lab, NODE)
    before, addresses = cidrs_of(lab, NODE).current, audit(lab)
    pid = node.agent_pid
    with frozen(pid):
        lab.kubectl("delete", "ciliumnode", NODE)
        lab.kubectl("-n", "kube-system", "rollout", "restart", "deployment/cilium-operator")
        lab.kubectl("-n", "kube-system", "rollout", "status", "deployment/cilium-operator")
        wait_error(lab, ghost, "allocator full: all 2 IPv4 blocks /24", within_s=20)
        assert cidrs_of(lab, ghost).current == ()
        assert_mesh(lab, addresses)
        os.kill(pid, signal.SIGKILL)
    node.replace_agent()
    node.wait_agent(other_than=pid)

    eventually(lambda: cidrs_of(lab, NODE).current == before, what="its own CIDR")
    assert cidrs_of(lab, ghost).current == ()
    assert audit(lab) == addresses


def test_two_labs_of_the_same_addresses_know_nothing_of_each_other(
    lab: Cluster, new_cluster: Callable[..., Cluster]
) -> None:
    """And a node whose Kubernetes gave it no CIDR of a family says so, and serves its pods."""
    second = new_cluster()  # Host scope; its nodes have the addresses of ours.
    apply_pod(second, "left", OTHER)
    apply_pod(second, "right", NODE)
    node = FaultyNode(second, NODE)
    addresses = audit(second)
    pid = node.agent_pid

    set_config(second, enable_ipv6="true", ipv6_native_routing_cidr="fd00:10::/48")
    node.replace_agent()
    said = "required IPv6 PodCIDR not available"
    eventually(lambda: said in _status(node), within_s=20, what="what is waited for")

    assert_mesh(second, addresses)
    assert_mesh(lab, audit(lab))
    set_config(second, enable_ipv6="false")
    node.replace_agent()
    node.wait_agent(other_than=pid)
    assert audit(second) == addresses


def _status(node: FaultyNode) -> str:
    done = node.lab.lab("exec", node.name, "--", "cilium-dbg", "status", check=False)
    return done.stdout + done.stderr
