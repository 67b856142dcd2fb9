"""The IPAM mode of a running cluster is changed, and nothing that talks notices.

A lab of both families, and in it a chain of three migrations: each mode is left once and entered once.
With CILIATE_LONG_TESTS=1 the other three follow, so every ordered pair of the modes, and then all six in
a lab of IPv4 alone.
The steps are a user's: upgrade, restart the operator, restart the agents, and where CIDRs of the
former mode stand in the CiliumNode, delete it as the walk-through does. What runs all along is in
`Migrating`; whatever it lost, and whatever is left of a former range, fails the test.
"""

import json
from collections.abc import Iterator

import pytest
from tests.lab.faulty_node import fault_lab, only_long
from tests.lab.migration_rig import (
    CONTROL_PLANE,
    NODES,
    WORKER,
    Migrating,
    Mode,
    migrating,
    never_double,
)

KUBERNETES = Mode("kubernetes", ("10.244.0.0/16", "fd00:10:244::/56"))
CLUSTER_POOL = Mode("cluster-pool", ("172.20.0.0/16", "fd00:172:20::/112"))
MULTI_POOL = Mode("multi-pool", ("10.50.0.0/16", "fd00:10:50::/112"))
#: Kubernetes' own ranges, as the operator's: node CIDRs of the same size, for other nodes.
SAME_POOL = Mode("cluster-pool", KUBERNETES.ranges, ipv6_mask_size=64)

OPERATOR = ("-n", "kube-system", "deploy/cilium-operator")


@pytest.fixture(
    scope="module",
    params=[pytest.param(True, id="dual"), pytest.param(False, id="v4", marks=only_long)],
)
def rig(request: pytest.FixtureRequest) -> Iterator[Migrating]:
    words = ("--dual-stack",) if request.param else ()
    theme = "migrate-dual" if request.param else "migrate-v4"
    with fault_lab(theme, *words) as lab, migrating(lab, dual_stack=request.param) as found:
        yield found


def finish(rig: Migrating, mode: Mode) -> None:
    """New pods come, agents die and restart, old pods go: the same for every pair of modes."""
    rig.wait_cidrs(mode)
    old = rig.pods()
    new = rig.make_pods()
    rig.assert_of(mode, new)
    rig.talk(old, new)
    rig.kill_agent(WORKER)
    rig.wait_routes()
    rig.restart("agent")
    rig.wait_routes()
    problems = rig.end_pods(rig.generation - 1)
    assert not problems, "\n".join(problems)
    rig.wait_drained()


def test_kubernetes_to_cluster_pool(rig: Migrating) -> None:
    """CiliumNodes keep what they have until they are deleted, as the walk-through shows."""
    with never_double(rig.lab):
        before = rig.view()
        rig.upgrade(CLUSTER_POOL)
        rig.restart("operator")
        rig.restart("agent")
        assert all(rig.view().cidrs(node) == before.cidrs(node) for node in NODES)
        rig.renew_cilium_node(WORKER)
        rig.renew_cilium_node(CONTROL_PLANE)
        finish(rig, CLUSTER_POOL)


def test_cluster_pool_to_multi_pool(rig: Migrating) -> None:
    with never_double(rig.lab):
        rig.upgrade(MULTI_POOL)
        rig.restart("operator")
        rig.restart("agent")
        finish(rig, MULTI_POOL)


def test_multi_pool_to_kubernetes(rig: Migrating) -> None:
    with never_double(rig.lab):
        rig.upgrade(KUBERNETES)
        rig.restart("operator")
        rig.restart("agent")
        finish(rig, KUBERNETES)


@only_long
def test_kubernetes_to_multi_pool(rig: Migrating) -> None:
    with never_double(rig.lab):
        rig.upgrade(MULTI_POOL)
        rig.restart("operator")
        rig.restart("agent", CONTROL_PLANE)
        rig.restart("agent", WORKER)
        finish(rig, MULTI_POOL)


@only_long
def test_multi_pool_to_cluster_pool(rig: Migrating) -> None:
    """Here the worker is given by hand the CIDR that Kubernetes has for the control plane."""
    with never_double(rig.lab):
        rig.lab.kubectl("scale", "--replicas=0", *OPERATOR)
        rig.upgrade(SAME_POOL)
        rig.restart("agent")
        theirs = rig.lab.object("node", CONTROL_PLANE)["spec"]["podCIDRs"]
        patch = json.dumps({"spec": {"ipam": {"podCIDRs": theirs}}})
        rig.lab.kubectl("patch", "ciliumnode", WORKER, "--type=merge", "-p", patch)
        rig.lab.kubectl("scale", "--replicas=1", *OPERATOR)
        finish(rig, SAME_POOL)
        assert rig.view().cidrs(WORKER) == set(theirs)


@only_long
def test_cluster_pool_to_kubernetes_over_the_same_range(rig: Migrating) -> None:
    """Each node is given the CIDR in which the other's old pods live."""
    with never_double(rig.lab):
        rig.upgrade(KUBERNETES)
        rig.restart("operator")
        rig.restart("agent")
        view = rig.view()
        assert view.cidrs(CONTROL_PLANE) & view.draining(WORKER)
        finish(rig, KUBERNETES)
