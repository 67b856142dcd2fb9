from pathlib import Path

from ciliate.lab.kubelet.node import NodeIdentity
from ciliate.lab.kubelet.node_status import capacity_of, conditions, labels_of, node_facts

IDENTITY = NodeIdentity(
    name="k8s-ctr",
    ips=("192.168.10.100",),
    pins=Path("/nowhere"),
    folder=Path("/nowhere"),
    control_plane=True,
    pods_max=250,
)
NOW = "2025-07-01T12:00:00Z"


def test_node_without_cni_configuration_is_not_ready_in_kubelets_words() -> None:
    ready = conditions(network_problem="cni plugin not initialized", before={}, now=NOW)[-1]

    assert ready["type"] == "Ready"
    assert ready["status"] == "False"
    assert ready["reason"] == "KubeletNotReady"
    assert ready["message"] == (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        "message:Network plugin returns error: cni plugin not initialized"
    )


def test_transition_time_changes_with_the_status_only() -> None:
    early = conditions(network_problem="", before={}, now="2025-07-01T00:00:00Z")
    before = {str(condition["type"]): condition for condition in early}

    same = conditions(network_problem="", before=before, now=NOW)[-1]
    other = conditions(network_problem="gone", before=before, now=NOW)[-1]

    assert same["lastTransitionTime"] == "2025-07-01T00:00:00Z"
    assert other["lastTransitionTime"] == NOW


def test_control_plane_carries_its_role() -> None:
    labels = labels_of(IDENTITY)

    assert labels["kubernetes.io/hostname"] == "k8s-ctr"
    assert "node-role.kubernetes.io/control-plane" in labels


def test_capacity_reports_how_many_pods() -> None:
    assert capacity_of(IDENTITY)["pods"] == "250"


def test_operating_system_is_read_from_os_release() -> None:
    facts = node_facts('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')

    assert facts["osImage"] == "Debian GNU/Linux 12 (bookworm)"
    assert facts["containerRuntimeVersion"].startswith("ciliate-lab://")
