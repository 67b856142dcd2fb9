"""CiliumPodIPPools that cannot be, that end, shrink or go while in use, and pods that name none.

Each fault is reported where users look, the rest of the cluster goes on, no address is double or
lost.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, fault_lab, frozen
from tests.lab.node_cidrs import (
    all_cidrs,
    apply_pool,
    apply_pool_pods,
    assert_mesh,
    audit,
    cidrs_of,
    delete_pods,
    operators,
    wait_error,
    wait_ready,
    wait_warning,
    warnings_of,
)
from tests.lab.plugin_calls import make_sandboxes, remove_sandboxes

NODE, OTHER = "k8s-w1", "k8s-ctr"
DEFAULT = "ipam.operator.autoCreateCiliumPodIPPools.default.ipv4"


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab(
        "pools",
        "--set", "ipam.mode=multi-pool",
        "--set", "ipam.ciliumNodeUpdateRate=1s",
        "--set", f"{DEFAULT}.cidrs={{10.50.0.0/16}}",
        "--set", f"{DEFAULT}.maskSize=28",
    ) as started:  # fmt: skip
        apply_pool_pods(started, ["lasting-a"], NODE)
        apply_pool_pods(started, ["lasting-b"], OTHER)
        wait_ready(started, "lasting-a", "lasting-b")
        yield started


@pytest.fixture(autouse=True)
def clean(lab: Cluster) -> Iterator[None]:
    """A test leaves no pool and no pod of its own, and all that it held is given back."""
    yield
    pods = [name.partition("/")[2] for name in lab.kubectl("get", "pods", "-o", "name").split()]
    delete_pods(lab, *(name for name in pods if "lasting" not in name))
    pools = lab.kubectl("get", "ciliumpodippools", "-o", "name").split()
    for pool in pools:
        if not pool.endswith("/default"):
            lab.kubectl("delete", pool)

    def is_clean() -> bool:
        nodes = all_cidrs(lab).values()
        return all(
            not n.draining and not n.error and n.requested.keys() == {"default"} for n in nodes
        )

    eventually(is_clean, within_s=30, what="everything given back")
    assert audit(lab).keys() == {"lasting-a", "lasting-b"}


#: Name of a pool that cannot be -> its range, mask size, family, and the text reported about it.
BAD_POOLS: Final = {
    "overlaps": ("10.50.4.0/22", 28, "ipv4", "collides with clusterCIDR: 10.50.0.0/16"),
    "mask": ("10.61.0.0/28", 24, "ipv4", "the mask is shorter than the pool's"),
    "special": ("169.254.8.0/24", 28, "ipv4", "169.254.0.0/16, which no pod can have"),
    "v6-in-v4": ("fd00:1::/64", 32, "ipv4", "CIDR is not v4 family: fd00:1::/64"),
    "v4-in-v6": ("10.61.0.0/24", 120, "ipv6", "CIDR is not v6 family: 10.61.0.0/24"),
}


def test_pools_that_cannot_be_are_reported_and_give_nothing(lab: Cluster) -> None:
    for name, (cidr, mask, family, _reported) in BAD_POOLS.items():
        assert apply_pool(lab, name, cidr, mask=mask, family=family).returncode == 0
        apply_pool_pods(lab, [f"wants-{name}"], NODE, name)

    for name, (_cidr, _mask, family, reported) in BAD_POOLS.items():
        wait_warning(lab, name, f"PoolRangeRefused: pool {name}: ", reported)
        if family == "ipv4":
            wait_error(lab, NODE, f"in pool {name}")
        else:
            wait_warning(lab, f"wants-{name}", name, "IPv4")
    assert all(c.startswith("10.50.0.") for n in all_cidrs(lab).values() for c in n.current)
    assert "CIDRPoolExhausted" not in warnings_of(lab, NODE), "it is no lack of blocks"
    assert audit(lab).keys() == {"lasting-a", "lasting-b"}


def test_pools_over_services_or_nodes_are_reported_and_give_no_such_address(lab: Cluster) -> None:
    ranges = {"services": "10.96.0.0/24", "nodes": "192.168.10.0/24"}
    for name, cidr in ranges.items():
        assert apply_pool(lab, name, cidr, mask=28).returncode == 0
        apply_pool_pods(lab, [f"wants-{name}"], NODE, name)

    wait_warning(lab, "services", "PoolOverlapsReserved", "Services in 10.96.0.0/16")
    wait_warning(lab, "nodes", "PoolOverlapsReserved", "of node k8s-", "use another range")
    for name in ranges:
        wait_error(lab, NODE, f"of pool {name} are in use, 16 of them by nodes' own addresses,")
    assert all(c.startswith("10.50.0.") for n in all_cidrs(lab).values() for c in n.current)


#: A pod's annotation that names no pool -> the text reported at the pod.
BAD_NAMES: Final = {
    "defualt": "'defualt', a CiliumPodIPPool that does not exist (yet); nearest: 'default'",
    "a" * 5000: "(5000 characters), which is longer than a name's 253 characters",
    "ma rs\n../;é": "which is no name of an object",
}


def test_annotations_that_name_no_pool_are_reported_at_the_pods(lab: Cluster) -> None:
    for number, pool in enumerate(BAD_NAMES):
        apply_pool_pods(lab, [f"lost-{number}"], NODE, pool)

    for number, reported in enumerate(BAD_NAMES.values()):
        pod = f"lost-{number}"
        wait_warning(
            lab, pod, "FailedCreatePodSandBox", "ipam.cilium.io/ip-pool of the pod", reported
        )
        assert len(warnings_of(lab, pod)) < 2000
    assert cidrs_of(lab, NODE).requested.keys() == {"default"}


def test_full_pool_is_reported_and_a_freed_address_serves_and_so_does_growth(lab: Cluster) -> None:
    full = [f"full-{number}" for number in range(4)]
    apply_pool(lab, "tiny", "10.70.0.0/29", mask=30)  # Two blocks of two addresses.
    apply_pool_pods(lab, full, NODE, "tiny")
    wait_ready(lab, *full)

    apply_pool_pods(lab, ["fifth"], NODE, "tiny")
    apply_pool_pods(lab, ["elsewhere"], OTHER, "tiny")
    for node in (NODE, OTHER):
        wait_error(lab, node, "allocator full")
        wait_warning(lab, node, "CIDRPoolExhausted", "of pool tiny are in use")
    delete_pods(lab, full[0])
    wait_ready(lab, "fifth")

    apply_pool(lab, "tiny", "10.70.0.0/29", "10.70.1.0/29", mask=30)
    wait_ready(lab, "elsewhere")

    addresses = audit(lab)
    assert addresses["elsewhere"].startswith("10.70.1.")
    wait_error(lab, OTHER, "")
    assert_mesh(lab, {name: addresses[name] for name in ("lasting-b", "fifth", "elsewhere")})


@pytest.mark.parametrize("edit", ["range removed", "pool deleted"])
def test_range_that_is_taken_away_while_in_use_drains_and_goes_to_no_other_node(
    lab: Cluster, edit: str
) -> None:
    apply_pool(lab, "ends", "10.71.0.0/28", "10.71.1.0/28")
    apply_pool_pods(lab, ["keeps"], NODE, "ends")
    wait_ready(lab, "keeps")
    before = audit(lab)

    if edit == "pool deleted":
        lab.kubectl("delete", "ciliumpodippool", "ends")
    else:
        apply_pool(lab, "ends", "10.71.1.0/28")
    eventually(lambda: cidrs_of(lab, NODE).draining == ("10.71.0.0/28",), what="draining")
    wait_warning(lab, "ends", "PoolRangeInUse", "k8s-w1 (1)", "no longer in the pool's CIDRs")
    apply_pool(lab, "heir", "10.71.0.0/28")
    apply_pool_pods(lab, ["greedy"], OTHER, "heir")
    wait_warning(lab, OTHER, "of pool heir are in use")

    assert audit(lab) == before
    assert_mesh(lab, before)
    delete_pods(lab, "keeps")
    wait_ready(lab, "greedy")
    assert audit(lab)["greedy"].startswith("10.71.0.")


def test_pod_deleted_while_it_waits_leaves_no_demand(lab: Cluster) -> None:
    apply_pool(lab, "one", "10.72.0.0/30", mask=30)
    apply_pool_pods(lab, ["first", "second", "third"], NODE, "one")
    eventually(lambda: cidrs_of(lab, NODE).requested.get("one") == 3, what="demand of three")

    delete_pods(lab, "first", "second", "third")

    eventually(lambda: "one" not in cidrs_of(lab, NODE).requested, within_s=35, what="no demand")
    wait_error(lab, NODE, "")
    FaultyNode(lab, NODE).wait_settled(endpoints=1)


def test_del_during_a_waiting_add_leaves_nothing(lab: Cluster) -> None:
    """The runtime gives up: an address that the ADD gets later is freed by the DEL."""
    node = FaultyNode(lab, NODE)
    apply_pool(lab, "late", "10.73.0.0/28")
    apply_pool_pods(lab, ["given-up-0"], pool="late")
    (sandbox,) = make_sandboxes(node, 1, "given-up")
    with ThreadPoolExecutor() as pool:
        with frozen(*operators(lab).values()):
            adding = pool.submit(sandbox.add)
            eventually(lambda: "late" in cidrs_of(lab, NODE).requested, what="an ADD that waits")
            deleting = pool.submit(sandbox.delete)
            assert not adding.done()
        began = time.monotonic()
        assert adding.result().ok or adding.result().answer["code"] == 11
        assert deleting.result().ok

    assert time.monotonic() - began < 5
    node.wait_settled(endpoints=1)
    remove_sandboxes([sandbox])
