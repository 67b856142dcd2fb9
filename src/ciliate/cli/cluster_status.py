"""The state of Ciliate in a cluster, concluded from its Kubernetes objects: `ciliate status`.

`summarize` is pure: objects in, `ClusterStatus` out; `status` fetches and `cluster_picture` draws.
The words and the JSON's fields are those of Cilium's CLI.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from ciliate.api.apps import DaemonSet, Deployment
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.cilium_node import CiliumNode
from ciliate.api.coordination import Lease
from ciliate.api.core import Pod
from ciliate.api.metadata import format_time, parse_time
from ciliate.api.pod_report import PodReport, failures
from ciliate.cli.process_agents import ProcessAgent, process_agents
from ciliate.config.installation import Installation, parse_selector


@dataclass(frozen=True, slots=True)
class Component:
    """A workload that may be part of an installation; one that must be there is `required`."""

    name: str
    kind: str
    labels: Mapping[str, str]  # Of its pods.
    title: str = ""  # In the picture; empty: not in it.
    required: bool = False


#: Parts of Cilium's that may run beside ours: name, kind, title.
_OTHERS: Final = (
    ("cilium-envoy", "DaemonSet", "Envoy DaemonSet"),
    ("hubble-relay", "Deployment", "Hubble Relay"),
    ("hubble-ui", "Deployment", ""),
    ("clustermesh-apiserver", "Deployment", "ClusterMesh"),
)


def components(names: Installation) -> tuple[Component, ...]:
    """Return the workloads that an installation may have, in the order of the picture."""
    agent, operator = names.agent_pod_selector, names.operator_pod_selector
    return (
        Component(
            names.agent_daemonset_name,
            "DaemonSet",
            parse_selector(agent),
            "Cilium",
            required=True,
        ),
        Component(
            names.operator_deployment_name,
            "Deployment",
            parse_selector(operator),
            "Operator",
            required=True,
        ),
        *(Component(name, kind, {"k8s-app": name}, title) for name, kind, title in _OTHERS),
    )


class PodState(Struct, frozen=True):
    """How many pods of a workload are wanted and there; "Process": what has no pods."""

    type: str
    desired: int
    ready: int
    available: int
    unavailable: int


class PodsCount(Struct, frozen=True):
    """Pods of the cluster that should have an endpoint, and those that have one."""

    all: int
    by_cilium: int


class Findings(Struct, frozen=True):
    """What is wrong with a component, by object."""

    errors: dict[str, list[str]]
    warnings: dict[str, list[str]]


class ClusterStatus(Struct, frozen=True, kw_only=True):
    """Everything `ciliate status` shows; keys are names of components."""

    pod_state: dict[str, PodState]
    phase_count: dict[str, dict[str, int]]
    pods_count: PodsCount
    image_count: dict[str, dict[str, int]]
    findings: dict[str, Findings]
    chart_version: str = ""

    @property
    def errors(self) -> int:
        """How many errors were found."""
        return sum(len(texts) for f in self.findings.values() for texts in f.errors.values())


class Inventory(Struct, frozen=True, kw_only=True):
    """The objects that a status is concluded from, and what their installation calls them."""

    daemon_sets: Sequence[DaemonSet]
    deployments: Sequence[Deployment]
    pods: Sequence[Pod]
    endpoints: Sequence[CiliumEndpoint]
    nodes: Sequence[CiliumNode]
    now: datetime  # By which agents' and operators' own statements are judged.
    operator_lease: Lease | None = None
    installation: Installation = Installation()
    reports: Sequence[PodReport] = ()  # Of the pods in the installation's namespace.


def summarize(inventory: Inventory) -> ClusterStatus:
    """Return the status that the objects show."""
    names = inventory.installation
    parts = components(names)
    states = _pod_states(inventory, {component.name for component in parts})
    installed = [p for p in inventory.pods if p.metadata.namespace == names.namespace]
    pods = {component.name: _pods_of(component, installed) for component in parts}
    return ClusterStatus(
        pod_state=states,
        phase_count={
            name: dict(Counter(_phase(p) for p in of)) for name, of in pods.items() if of
        },
        pods_count=_managed(inventory.pods, inventory.endpoints),
        image_count={name: _images(of) for name, of in pods.items() if of},
        findings={
            component.name: found
            for component in parts
            if (found := _findings(component, states, pods[component.name], inventory))
        },
        chart_version=_chart_version(inventory),
    )


def _pod_states(inventory: Inventory, known: Collection[str]) -> dict[str, PodState]:
    states = {}
    for daemon_set in inventory.daemon_sets:
        numbers = daemon_set.status
        states[daemon_set.metadata.name] = PodState(
            "DaemonSet",
            numbers.desired_number_scheduled,
            numbers.number_ready,
            numbers.number_available,
            numbers.number_unavailable,
        )
    for deployment in inventory.deployments:
        of = deployment.status
        states[deployment.metadata.name] = PodState(
            "Deployment",
            deployment.spec.replicas,
            of.ready_replicas,
            of.available_replicas,
            of.unavailable_replicas,
        )
    stating = _process_agents(inventory)
    agent = inventory.installation.agent_daemonset_name
    if agent not in states and stating:
        ready = sum(each.ready_until > inventory.now for each in stating.values())
        states[agent] = PodState("Process", len(stating), ready, ready, len(stating) - ready)
    lease, operator = inventory.operator_lease, inventory.installation.operator_deployment_name
    if operator not in states and lease is not None and is_held(lease, inventory.now):
        states[operator] = PodState("Process", 1, 1, 1, 0)
    return {name: state for name, state in sorted(states.items()) if name in known}


def is_held(lease: Lease, now: datetime) -> bool:
    """Whether a Lease has a holder that has renewed it in time: the leading operator's statement."""
    spec = lease.spec
    if not spec.holder_identity or not spec.renew_time:
        return False
    try:
        renewed = parse_time(spec.renew_time)
    except ValueError:
        return False
    return now - renewed < timedelta(seconds=spec.lease_duration_seconds)


def _process_agents(inventory: Inventory) -> dict[str, ProcessAgent]:
    names = inventory.installation
    with_pod = {p.spec.node_name for p in inventory.pods if names.has_agent(p.metadata)}
    return process_agents(inventory.nodes, with_pod)


def _pods_of(component: Component, pods: Iterable[Pod]) -> list[Pod]:
    return [pod for pod in pods if component.labels.items() <= pod.metadata.labels.items()]


def _phase(pod: Pod) -> str:
    return pod.status.phase or "Pending"


def _managed(pods: Iterable[Pod], endpoints: Iterable[CiliumEndpoint]) -> PodsCount:
    """Count pods with a network of their own that live, and those with a CiliumEndpoint."""
    have = {(endpoint.metadata.namespace, endpoint.metadata.name) for endpoint in endpoints}
    want = {
        (pod.metadata.namespace, pod.metadata.name)
        for pod in pods
        if not pod.spec.host_network and _phase(pod) not in ("Succeeded", "Failed")
    }
    return PodsCount(all=len(want), by_cilium=len(want & have))


def _images(pods: Iterable[Pod]) -> dict[str, int]:
    return dict(Counter(c.image for pod in pods for c in pod.spec.containers if c.image))


def _findings(
    component: Component,
    states: dict[str, PodState],
    pods: Sequence[Pod],
    inventory: Inventory,
) -> Findings | None:
    """Return what is wrong with a component; None when nothing is."""
    errors: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    state = states.get(component.name)
    if state is None and component.required:
        kind, namespace = component.kind.lower(), inventory.installation.namespace
        errors[component.name] = [
            f'{kind} "{component.name}" not found in {namespace}: is Ciliate installed?'
        ]
    elif state is not None and state.type != "Process" and state.desired > state.ready:
        missing = state.desired - state.ready
        errors[component.name] = [f"{missing} pods of {state.type} {component.name} are not ready"]
    errors |= _failed_pods(component, inventory.reports)
    for pod in pods:
        if _phase(pod) not in ("Running", "Succeeded"):
            reason = f" ({pod.status.reason})" if pod.status.reason else ""
            warnings[pod.metadata.name] = [f"pod is {_phase(pod).lower()}{reason}"]
    if component.name == inventory.installation.agent_daemonset_name:
        errors |= _silent_agents(inventory)
    if component.name == inventory.installation.operator_deployment_name:
        # The operator cannot give these nodes addresses; each node's object says why.
        for node in inventory.nodes:
            if problem := node.status.ipam.operator_status.error:
                warnings[node.metadata.name] = [problem]
    return Findings(errors, warnings) if errors or warnings else None


def _failed_pods(component: Component, reports: Iterable[PodReport]) -> dict[str, list[str]]:
    """Return what the containers of a component's pods wait for, or said when they failed."""
    return {
        pod.metadata.name: [f"on {pod.spec.node_name or 'no node'}: {text}" for text in found]
        for pod in reports
        if component.labels.items() <= pod.metadata.labels.items()
        and not pod.is_ready
        and (found := list(failures(pod)))
    }


def _silent_agents(inventory: Inventory) -> dict[str, list[str]]:
    """Return what is wrong with nodes whose agent spoke for itself, and does no longer."""
    ended = {
        name: format_time(agent.ready_until)
        for name, agent in _process_agents(inventory).items()
        if agent.ready_until <= inventory.now
    }
    return {
        name: [f"its agent has no pod, and was ready until {until}: start it there"]
        for name, until in ended.items()
    }


def _chart_version(inventory: Inventory) -> str:
    """Return the version of the Helm chart, which labels what it installs "cilium-1.17.6"."""
    for daemon_set in inventory.daemon_sets:
        chart = daemon_set.metadata.labels.get("helm.sh/chart", "")
        if daemon_set.metadata.name == inventory.installation.agent_daemonset_name and chart:
            return chart.rpartition("-")[2]
    return ""
