"""`ciliate status`: concluded from objects, drawn as Cilium draws it."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from ciliate.api.apps import (
    DaemonSet,
    DaemonSetStatus,
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
)
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.cilium_node import (
    READY_ANNOTATION,
    CiliumNode,
    CiliumNodeStatus,
    NodeIPAMStatus,
    OperatorStatus,
)
from ciliate.api.coordination import Lease, LeaseSpec
from ciliate.api.core import Container, Pod, PodSpec, PodStatus
from ciliate.api.metadata import ObjectMeta, format_micro_time, format_time
from ciliate.api.pod_report import (
    ContainerReport,
    ContainerState,
    PodReport,
    ReportedSpec,
    ReportedStatus,
    Terminated,
    Waiting,
)
from ciliate.cli.cluster_picture import render_cluster
from ciliate.cli.cluster_status import ClusterStatus, Inventory, summarize

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
IMAGE = "ciliate/ciliate:v0.1.0"
OPERATOR_IMAGE = "ciliate/operator:v0.1.0"


def pod(
    called: str,
    *,
    namespace: str = "default",
    phase: str = "Running",
    host_network: bool = False,
    image: str = "",
    **labels: str,
) -> Pod:
    containers = (Container(name="c", image=image),) if image else ()
    return Pod(
        metadata=ObjectMeta(
            name=called,
            namespace=namespace,
            labels={key.replace("_", "-"): value for key, value in labels.items()},
        ),
        spec=PodSpec(host_network=host_network, containers=containers),
        status=PodStatus(phase=phase),
    )


def agent(name: str, *, phase: str = "Running") -> Pod:
    return pod(
        name,
        namespace="kube-system",
        phase=phase,
        host_network=True,
        image=IMAGE,
        k8s_app="cilium",
    )


OPERATOR = pod(
    "cilium-operator-1",
    namespace="kube-system",
    host_network=True,
    image=OPERATOR_IMAGE,
    name="cilium-operator",
)


def inventory(*, ready: int = 2, **changes: object) -> Inventory:
    """Return the walk-through's cluster, with `changes`."""
    workloads = [pod(f"webpod-{i}") for i in range(2)]
    fields: dict[str, object] = {
        "daemon_sets": [
            DaemonSet(
                ObjectMeta(name="cilium", labels={"helm.sh/chart": "cilium-1.17.6"}),
                DaemonSetStatus(
                    desired_number_scheduled=2, number_ready=ready, number_available=ready
                ),
            )
        ],
        "deployments": [
            Deployment(
                ObjectMeta(name="cilium-operator"),
                DeploymentSpec(replicas=1),
                DeploymentStatus(replicas=1, ready_replicas=1, available_replicas=1),
            ),
            Deployment(ObjectMeta(name="coredns")),
        ],
        "pods": [
            agent("cilium-a"),
            agent("cilium-b"),
            OPERATOR,
            *workloads,
            pod("done", phase="Succeeded"),
        ],
        "endpoints": [
            CiliumEndpoint(ObjectMeta(name=each.metadata.name, namespace="default"))
            for each in workloads
        ],
        "nodes": [CiliumNode(ObjectMeta(name="k8s-w1"))],
        "now": NOW,
        **changes,
    }
    return Inventory(**fields)  # type: ignore[arg-type] # Each is of its field's type.


def drawn(status: ClusterStatus) -> str:
    return click.unstyle(render_cluster(status))


GOLDEN = r"""    /¯¯\
 /¯¯\__/¯¯\    Cilium:             OK
 \__/¯¯\__/    Operator:           OK
 /¯¯\__/¯¯\    Envoy DaemonSet:    disabled
 \__/¯¯\__/    Hubble Relay:       disabled
    \__/       ClusterMesh:        disabled

DaemonSet              cilium             Desired: 2, Ready: 2/2, Available: 2/2
Deployment             cilium-operator    Desired: 1, Ready: 1/1, Available: 1/1
Containers:            cilium             Running: 2
                       cilium-operator    Running: 1
Cluster Pods:          2/2 managed by Cilium
Helm chart version:    1.17.6
Image versions         cilium             ciliate/ciliate:v0.1.0: 2
                       cilium-operator    ciliate/operator:v0.1.0: 1
"""


def test_healthy_cluster_is_drawn_as_cilium_draws_it() -> None:
    status = summarize(inventory())

    assert status.errors == 0
    assert drawn(status) == GOLDEN


def test_host_network_and_finished_pods_need_no_endpoint() -> None:
    counted = summarize(inventory()).pods_count

    assert (counted.by_cilium, counted.all) == (2, 2)


def test_pod_without_an_endpoint_is_counted_as_not_managed() -> None:
    assert "Cluster Pods:          0/2 managed" in drawn(summarize(inventory(endpoints=[])))


def test_agents_that_are_not_ready_are_an_error_and_their_pods_a_warning() -> None:
    pods = [agent("cilium-a"), agent("cilium-b", phase="Pending")]

    status = summarize(inventory(ready=1, pods=pods))

    text = drawn(status)
    assert status.errors == 1
    assert "Cilium:             1 errors, 1 warnings" in text
    assert "Desired: 2, Ready: 1/2, Available: 1/2" in text
    assert "cilium             Pending: 1, Running: 1" in text
    assert text.endswith(
        "Errors:      cilium    cilium      1 pods of DaemonSet cilium are not ready\n"
        "Warnings:    cilium    cilium-b    pod is pending\n"
    )


def test_missing_agents_are_an_error_and_missing_extras_are_disabled() -> None:
    text = drawn(summarize(inventory(daemon_sets=[])))

    assert "Cilium:             1 errors" in text
    assert 'daemonset "cilium" not found in kube-system: is Ciliate installed?' in text
    assert "Hubble Relay:       disabled" in text


def test_node_that_the_operator_cannot_serve_is_a_warning() -> None:
    problem = "allocator not configured for the requested CIDR 10.244.0.0/24"
    node = CiliumNode(
        ObjectMeta(name="k8s-w1"),
        status=CiliumNodeStatus(ipam=NodeIPAMStatus(operator_status=OperatorStatus(problem))),
    )

    text = drawn(summarize(inventory(nodes=[node])))

    assert "Operator:           1 warnings" in text
    assert f"Warnings:    cilium-operator    k8s-w1    {problem}" in text


def stating(name: str, until: datetime) -> CiliumNode:
    return CiliumNode(ObjectMeta(name=name, annotations={READY_ANNOTATION: format_time(until)}))


def test_agents_that_run_as_plain_processes_are_counted_by_their_own_statements() -> None:
    nodes = [stating(name, NOW + timedelta(seconds=30)) for name in ("a", "b")]

    found = summarize(inventory(daemon_sets=[], pods=[OPERATOR], nodes=nodes))

    assert "Process" in drawn(found)
    assert found.pod_state["cilium"].ready == 2
    assert found.errors == 0


def test_agent_that_spoke_for_itself_and_fell_silent_is_an_error_of_its_node() -> None:
    nodes = [stating("a", NOW + timedelta(seconds=30)), stating("b", NOW - timedelta(seconds=1))]

    found = summarize(inventory(daemon_sets=[], pods=[OPERATOR], nodes=nodes))

    assert found.errors == 1
    assert list(found.findings["cilium"].errors) == ["b"]
    assert found.pod_state["cilium"].unavailable == 1


@pytest.mark.parametrize(
    ("holder", "age_s", "runs"), [("host_1", 5, True), ("host_1", 16, False), ("", 5, False)]
)
def test_operator_that_runs_as_a_plain_process_is_known_by_its_lease(
    holder: str, age_s: int, *, runs: bool
) -> None:
    renewed = format_micro_time(NOW - timedelta(seconds=age_s))
    spec = LeaseSpec(holder_identity=holder, lease_duration_seconds=15, renew_time=renewed)

    found = summarize(inventory(deployments=[], operator_lease=Lease(spec=spec)))

    assert ("cilium-operator" in found.pod_state) is runs
    assert ("cilium-operator" not in found.findings) is runs


def test_failing_agents_own_last_line_is_an_error_of_its_pod() -> None:
    ended = Terminated(exit_code=1, reason="Error", message="INFO begins\nmtu: 'x' is no number\n")
    container = ContainerReport(
        name="cilium-agent",
        state=ContainerState(waiting=Waiting(reason="CrashLoopBackOff")),
        last_state=ContainerState(terminated=ended),
    )
    report = PodReport(
        metadata=agent("cilium-b").metadata,
        spec=ReportedSpec(node_name="k8s-w1"),
        status=ReportedStatus(container_statuses=(container,)),
    )

    found = summarize(inventory(ready=1, reports=[report]))

    assert found.errors == 2
    assert "cilium-b    on k8s-w1: CrashLoopBackOff: mtu: 'x' is no number" in drawn(found)
