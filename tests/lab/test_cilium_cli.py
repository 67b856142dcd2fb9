"""What Cilium's own CLI runs in the agents' pods, decoded into the types of its Go models.

Its `status` counts an exit code, any standard error and any field of another type as an error. The
commands are its words; see docs/CILIUM.md, "Commands".
"""

import os
import re
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from tests.lab.cluster import BIN, Cluster, run

#: `defaults.AgentPodSelector`, `AgentContainerName` of Cilium's CLI.
SELECTOR = "k8s-app=cilium"
CONTAINER = "cilium-agent"


class State(Struct, forbid_unknown_fields=True):
    """models.Status."""

    state: str
    msg: str = ""


class Kubernetes(Struct, rename="kebab"):
    """models.K8sStatus."""

    state: str
    msg: str = ""
    k8s_api_versions: list[str] = []


class Observer(Struct, rename="kebab", forbid_unknown_fields=True):
    """models.HubbleStatusObserver."""

    current_flows: int = 0
    max_flows: int = 0
    seen_flows: int = 0
    uptime: int = 0


class Hubble(Struct, forbid_unknown_fields=True):
    """models.HubbleStatus."""

    state: str
    msg: str = ""
    observer: Observer | None = None


class ControllerRuns(Struct, rename="kebab"):
    """models.ControllerStatusStatus."""

    consecutive_failure_count: int = 0
    failure_count: int = 0
    success_count: int = 0
    last_failure_msg: str = ""
    last_failure_timestamp: str = ""
    last_success_timestamp: str = ""


class Controller(Struct):
    """models.ControllerStatus."""

    name: str
    status: ControllerRuns
    uuid: str = ""


class Ipam(Struct):
    """models.IPAMStatus."""

    status: str
    ipv4: list[str] = []
    ipv6: list[str] = []
    allocations: dict[str, str] = {}


class Mode(Struct):
    """models.EncryptionStatus, HostFirewall, CNIChainingStatus."""

    mode: str


class Families(Struct):
    """models.MasqueradingEnabledProtocols."""

    ipv4: bool = False
    ipv6: bool = False


class Masquerading(Struct, rename="kebab"):
    """models.Masquerading."""

    enabled: bool = False
    enabled_protocols: Families | None = None
    mode: str = ""
    snat_exclusion_cidr_v4: str = ""
    snat_exclusion_cidr_v6: str = ""


class KubeProxyReplacement(Struct):
    """models.KubeProxyReplacement."""

    mode: str
    devices: list[str] = []
    deviceList: list[Any] = []  # noqa: N815 - the model's own name.


class Status(Struct, rename="kebab"):
    """models.StatusResponse, as far as the CLI and its picture read it."""

    cilium: State
    kubernetes: Kubernetes
    kvstore: State
    ipam: Ipam
    masquerading: Masquerading
    kube_proxy_replacement: KubeProxyReplacement
    controllers: list[Controller]
    hubble: Hubble
    encryption: Mode
    host_firewall: Mode
    cni_chaining: Mode
    cni_file: State


class Identity(Struct):
    """models.Identity."""

    id: int
    labels: list[str]


class EndpointStatus(Struct, rename="kebab"):
    """models.EndpointStatus."""

    state: str
    identity: Identity
    networking: dict[str, Any]
    policy: dict[str, Any]
    external_identifiers: dict[str, Any] = {}


class Endpoint(Struct):
    """models.Endpoint."""

    id: int
    status: EndpointStatus


def agent_pods(cluster: Cluster) -> list[str]:
    found = cluster.object("pods", "-n", "kube-system", "-l", SELECTOR)["items"]
    assert {c["name"] for pod in found for c in pod["spec"]["containers"]} == {CONTAINER}
    return [pod["metadata"]["name"] for pod in found]


def said(cluster: Cluster, pod: str, *command: str) -> str:
    """Standard output, as `ExecInPod` takes it: nothing else may be said."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.folder / "kubeconfig")}
    words = ("kubectl", "exec", "-n", "kube-system", pod, "-c", CONTAINER, "--", *command)
    done = run(words, env=environment)
    assert done.stderr == ""
    return done.stdout


def test_status_of_each_agent_is_decoded_and_shows_no_error(cluster: Cluster) -> None:
    for pod in agent_pods(cluster):
        found = msgspec.json.decode(
            said(cluster, pod, "cilium", "status", "-o", "json"), type=Status
        )

        states = {found.cilium.state, found.kubernetes.state, found.kvstore.state}
        assert states <= {"Ok", "Disabled"}
        assert not [c for c in found.controllers if c.status.consecutive_failure_count]


def test_endpoints_of_each_agent_are_decoded_and_ready(cluster: Cluster) -> None:
    for pod in agent_pods(cluster):
        text = said(cluster, pod, "cilium", "endpoint", "list", "-o", "json")
        found = msgspec.json.decode(text, type=list[Endpoint])

        assert {each.status.state for each in found} == {"ready"}


def test_version_of_each_agent_is_a_semantic_version(cluster: Cluster) -> None:
    for pod in agent_pods(cluster):
        text = said(cluster, pod, "cilium", "version", "-o", "jsonpath={$.Daemon.Version}")

        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", text)


def test_encryption_of_each_agent_is_decoded(cluster: Cluster) -> None:
    for pod in agent_pods(cluster):
        text = said(cluster, pod, "cilium", "encrypt", "status", "-o", "json")

        assert msgspec.json.decode(text, type=Mode).mode == "Disabled"


@pytest.mark.parametrize("shell", [(), ("sh", "-c", '"$@"', "-")])
def test_cilium_in_the_agents_container_is_the_agents_also_in_a_shell(
    cluster: Cluster, shell: tuple[str, ...]
) -> None:
    words = (*shell, "cilium", "status", "--brief")

    assert said(cluster, agent_pods(cluster)[0], *words) == "OK\n"


def test_cilium_on_a_users_path_is_the_users(cluster: Cluster) -> None:
    text = run(
        ["bash", "-c", f'eval "$({BIN}/ciliate lab env --name {cluster.name})"; cilium status']
    ).stdout

    assert "Cluster Pods:" in text


def test_objects_that_the_cli_counts_show_no_rollout(cluster: Cluster) -> None:
    agents = cluster.object("daemonset", "-n", "kube-system", "cilium")
    operator = cluster.object("deployment", "-n", "kube-system", "cilium-operator")

    for each in (agents, operator):
        assert each["metadata"]["generation"] == each["status"]["observedGeneration"]
    status = agents["status"]
    assert status["updatedNumberScheduled"] == status["desiredNumberScheduled"]
    assert status["numberReady"] == status["desiredNumberScheduled"]
    assert operator["status"]["updatedReplicas"] == operator["status"]["replicas"]
