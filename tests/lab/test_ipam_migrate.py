"""`ciliate ipam migrate`: the mode of a running cluster changed by one command, and taken back.

One lab serves all; its pods talk all the time, and each test leaves the mode as it found it.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from tests.lab.cluster import BIN, Done, ciliate
from tests.lab.faulty_node import fault_lab
from tests.lab.migration_rig import CONTROL_PLANE, NODES, WORKER, Migrating, migrating

TO_CLUSTER_POOL = (
    "--to=cluster-pool",
    "--set=ipam.operator.clusterPoolIPv4PodCIDRList={172.20.0.0/16}",
    "--set=ipv4NativeRoutingCIDR=172.20.0.0/16",
)
#: Only agents can find out that there is no such device.
NO_SUCH_DEVICE = "--set=devices=nosuch0"


@pytest.fixture(scope="module")
def rig() -> Iterator[Migrating]:
    with fault_lab("migrate") as lab, migrating(lab, dual_stack=False) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_is_lost(rig: Migrating) -> Iterator[None]:
    """Every test is under traffic, and ends in the mode in which it began."""
    yield
    cidrs = [rig.view().cidrs(node) for node in NODES]
    assert cidrs == [{"10.244.0.0/24"}, {"10.244.1.0/24"}]
    rig.make_pods()
    problems = rig.end_pods(rig.generation - 1)
    assert not problems, "\n".join(problems)
    rig.wait_drained()


def environment(rig: Migrating) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(rig.lab.folder / "kubeconfig")}


def migrate(rig: Migrating, *words: str, check: bool = True) -> Done:
    return ciliate("ipam", "migrate", *words, check=check, env=environment(rig))


def settings(rig: Migrating) -> dict[str, str]:
    data: dict[str, str] = rig.lab.object("-n", "kube-system", "cm", "cilium-config")["data"]
    return data


def agents(rig: Migrating) -> dict[str, str]:
    """The agents' pods by node."""
    pods = rig.lab.object("-n", "kube-system", "pods", "-l", "k8s-app=cilium")["items"]
    return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods}


def test_dry_run_shows_all_and_changes_nothing(rig: Migrating) -> None:
    before, ran = settings(rig), agents(rig)

    shown = migrate(rig, *TO_CLUSTER_POOL, "--dry-run").stdout
    plan = json.loads(migrate(rig, *TO_CLUSTER_POOL, "--dry-run", "-o", "json").stdout)

    assert "ipam: cluster-pool (was: kubernetes)" in shown
    assert shown.index("cilium-operator restarts") < shown.index(f"3. {CONTROL_PLANE}")
    assert f"1 pod keeps its addresses: default/{rig.pods()[0]}" in shown
    assert [step["node"] for step in plan["steps"]] == list(NODES)
    assert [step["drains"] for step in plan["steps"]] == [["10.244.0.0/24"], ["10.244.1.0/24"]]
    assert (settings(rig), agents(rig)) == (before, ran)


def test_what_cannot_work_is_refused_before_anything_changes(rig: Migrating) -> None:
    before = settings(rig)

    over_nodes = "--set=ipam.operator.clusterPoolIPv4PodCIDRList={192.168.0.0/16}"
    refused = migrate(rig, "--to=cluster-pool", over_nodes, check=False)
    dry = migrate(rig, "--to=cluster-pool", over_nodes, "--dry-run", check=False)

    assert refused.returncode == dry.returncode == 1
    assert "Problem: cilium-config: cluster-pool-ipv4-cidr: 192.168.0.0/16 holds" in dry.stdout
    assert "2 problems stand in the way" in dry.stderr
    assert "192.168.0.0/16 holds node k8s-ctr's own address 192.168.10.100" in refused.stderr
    assert settings(rig) == before


def test_cluster_moves_node_by_node_and_back_again(rig: Migrating) -> None:
    before = settings(rig)

    moved = migrate(rig, *TO_CLUSTER_POOL)

    view = rig.view()
    assert [view.cidrs(node) for node in NODES] == [{"172.20.0.0/24"}, {"172.20.1.0/24"}]
    assert [view.draining(node) for node in NODES] == [{"10.244.0.0/24"}, {"10.244.1.0/24"}]
    steps = [line.split("  ", 1)[1] for line in moved.stderr.splitlines()]
    assert [step.partition(" (")[0] for step in steps[2:]] == list(NODES)
    assert "1 pod as before" in steps[2]

    back = migrate(rig, "--back")

    steps = [line.split("  ", 1)[1] for line in back.stderr.splitlines()]
    assert [step.partition(" (")[0] for step in steps[2:]] == [*NODES[::-1]]
    assert settings(rig) == before
    again = migrate(rig, "--back", check=False)
    assert "no migration to take back" in again.stderr


def test_agent_that_does_not_start_stops_it_and_a_corrected_setting_resumes_it(
    rig: Migrating,
) -> None:
    ran = agents(rig)

    stopped = migrate(rig, *TO_CLUSTER_POOL, NO_SUCH_DEVICE, "--node-timeout=4", check=False)

    assert stopped.returncode == 1
    assert f"node {CONTROL_PLANE}: its agent" in stopped.stderr
    assert "nosuch0" in stopped.stderr, "the agent's message is shown"
    assert "--resume" in stopped.stderr
    assert agents(rig)[WORKER] == ran[WORKER], "the next node was left alone"
    under_way = migrate(rig, *TO_CLUSTER_POOL, check=False)
    assert "is under way" in under_way.stderr

    migrate(rig, "--resume", "--set=devices=")

    assert [rig.view().cidrs(node) for node in NODES] == [{"172.20.0.0/24"}, {"172.20.1.0/24"}]
    migrate(rig, "--back")


def test_stopped_in_the_middle_it_is_taken_back(rig: Migrating) -> None:
    before, ran = settings(rig), agents(rig)
    migrate(rig, *TO_CLUSTER_POOL, NO_SUCH_DEVICE, "--node-timeout=4", check=False)

    migrate(rig, "--back")

    assert settings(rig) == before
    now = agents(rig)
    assert all(now[node] != ran[node] for node in NODES), "each may have read the new settings"


def test_killed_in_the_middle_it_goes_on_where_it_was(rig: Migrating) -> None:
    words = [str(BIN / "ciliate"), "ipam", "migrate", *TO_CLUSTER_POOL]
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env=environment(rig)
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if CONTROL_PLANE in line:
                break
        running.send_signal(signal.SIGKILL)
    ran = agents(rig)

    migrate(rig, "--resume")

    assert agents(rig)[CONTROL_PLANE] == ran[CONTROL_PLANE], "it was through"
    assert [rig.view().cidrs(node) for node in NODES] == [{"172.20.0.0/24"}, {"172.20.1.0/24"}]
    assert "no migration is under way" in migrate(rig, "--resume", check=False).stderr
    migrate(rig, "--back")
