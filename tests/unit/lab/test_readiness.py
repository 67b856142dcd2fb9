"""`lab/readiness.py`: what is waited for, and what is told of pods that fail meanwhile."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.core import PODS, Container, Pod, PodSpec
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_report import (
    ContainerReport,
    ContainerState,
    ReportedStatus,
    Terminated,
)
from ciliate.kube.client import ApiClient
from ciliate.lab.readiness import ClusterView, NotReadyError, watched_cluster

STATUS = ReportedStatus(
    container_statuses=(
        ContainerReport(
            name="cilium-agent",
            restart_count=2,
            last_state=ContainerState(
                terminated=Terminated(exit_code=1, message="mtu: 'x' is no number\n")
            ),
        ),
    )
)


async def add_crashing(client: ApiClient, name: str, node: str) -> None:
    pod = Pod(
        metadata=ObjectMeta(name=name, namespace="kube-system"),
        spec=PodSpec(node_name=node, containers=(Container(name="cilium-agent", image="c"),)),
    )
    await client.create(PODS, pod)
    body = {"status": STATUS}
    await client.patch(PODS, name, body, namespace="kube-system", subresource="status")


@pytest.fixture
async def view(tmp_path: Path) -> AsyncIterator[ClusterView]:
    """A cluster without nodes in which two agents crash."""
    async with (
        embedded_server(tmp_path) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        await add_crashing(client, "cilium-a", "k8s-w1")
        await add_crashing(client, "cilium-b", "k8s-w2")
        async with watched_cluster(client) as watched:
            yield watched


async def test_node_that_does_not_come_is_told_with_its_own_agents_last_line(
    view: ClusterView,
) -> None:
    with pytest.raises(NotReadyError) as failed:
        await view.wait(
            lambda: view.missing_nodes(["k8s-w2"]),
            limit_s=20,
            concerns=lambda pod: pod.spec.node_name == "k8s-w2",
        )

    assert str(failed.value) == (
        "not ready: node k8s-w2 has not registered\n"
        "  pod cilium-b on k8s-w2: mtu: 'x' is no number"
    )


async def test_agents_that_crash_elsewhere_end_no_wait(view: ClusterView) -> None:
    with pytest.raises(NotReadyError, match=r"^not ready after 0 s: node k8s-w3 has not regist"):
        await view.wait(
            lambda: view.missing_nodes(["k8s-w3"]),
            limit_s=0.05,
            concerns=lambda pod: pod.spec.node_name == "k8s-w3",
        )


def test_failures_of_many_pods_are_counted() -> None:
    failures = [f"pod cilium-{number} on k8s-w{number}: Error" for number in range(9)]

    text = str(NotReadyError(missing=["9 agents"], failures=failures, waited_s=None))

    assert text.endswith("pod cilium-2 on k8s-w2: Error\n  and 6 more pods")
