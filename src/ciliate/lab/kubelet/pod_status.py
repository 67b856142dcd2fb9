"""The status a kubelet reports for a pod, computed from what it knows. Pure.

Words and rules are kubelet's: phases, container states, and the conditions that `kubectl wait`
and controllers look at (Kubernetes, "Pod Lifecycle").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ciliate.lab.kubelet.pod_state import ContainerRecord, ExitRecord, PodRecord
from ciliate.lab.objects import Container, Json, Pod

FINAL_PHASES: Final = ("Succeeded", "Failed")

CONTAINER_ID_SCHEME: Final = "ciliate-lab://"

#: Order in which kubelet lists a pod's conditions.
_CONDITIONS: Final = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run, in kubelet's words."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the status is computed from."""

    record: PodRecord
    host_ips: tuple[str, ...]
    now: str
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    previous: Json = field(default_factory=dict)


def pod_ips(observation: Observation) -> tuple[str, ...]:
    """Return the pod's addresses: its own, or its node's on the host's network.

    The first one is of the family of the node's first address, whatever the plugin's order; the
    API calls it the pod's IP (kubelet's `sortPodIPs`).
    """
    record = observation.record
    if record.host_network:
        return observation.host_ips
    ips = record.sandbox.ips if record.sandbox and record.sandbox.result else ()
    ipv6_first = ":" in observation.host_ips[0]
    return tuple(sorted(ips, key=lambda ip: (":" in ip) != ipv6_first))


def phase_of(pod: Pod, record: PodRecord) -> str:
    """Return Pending, Running, Succeeded or Failed; the last two are final.

    A pod is over when the last of its sidecars has ended.
    """
    phase = _phase_without_sidecars(pod, record)
    if phase not in FINAL_PHASES or not _has_sidecar_left(pod, record):
        return phase
    began = any(record.container(each.name).started_once for each in pod.spec.containers)
    return "Running" if began else "Pending"


def is_over(pod: Pod, record: PodRecord) -> bool:
    """Whether all but sidecars have ended for good."""
    return _phase_without_sidecars(pod, record) in FINAL_PHASES


def _phase_without_sidecars(pod: Pod, record: PodRecord) -> str:
    if record.phase in FINAL_PHASES:
        return record.phase
    for container in pod.spec.init_containers:
        state = record.containers.get(container.name)
        if not is_past(container, state):
            failed = state is not None and state.exit is not None and not container.is_sidecar
            return "Failed" if failed and pod.spec.restart_policy == "Never" else "Pending"
    states = [record.containers.get(container.name) for container in pod.spec.containers]
    ended = [
        state.exit
        for state in states
        if state and not state.running and state.exit and not state.restart_wanted
    ]
    if len(ended) == len(states) and ended:
        return _final_phase(pod.spec.restart_policy, ended)
    return "Running" if any(state and state.started_once for state in states) else "Pending"


def _final_phase(restart_policy: str, exits: Sequence[ExitRecord]) -> str:
    succeeded = all(ended.exit_code == 0 for ended in exits)
    if restart_policy == "Always":
        return "Running"
    if succeeded:
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def is_past(container: Container, state: ContainerRecord | None) -> bool:
    """Whether the containers after this init container may start: it has ended well, or goes on."""
    if container.is_sidecar:
        return state is not None and state.passed
    return _has_succeeded(state)


def _has_sidecar_left(pod: Pod, record: PodRecord) -> bool:
    """Whether a sidecar still runs: the pod is over when the last of them has ended."""
    states = (record.containers.get(each.name) for each in pod.spec.sidecars)
    return any(state is not None and state.running for state in states)


def compute_status(pod: Pod, observation: Observation) -> Json:
    """Return the whole status as the API stores it."""
    record = observation.record
    ips = pod_ips(observation)
    status: Json = {
        "phase": phase_of(pod, record),
        "conditions": _conditions(pod, observation, has_network=bool(ips)),
        "hostIP": observation.host_ips[0],
        "hostIPs": [{"ip": ip} for ip in observation.host_ips],
        "startTime": record.start_time,
        "qosClass": "BestEffort",
        "containerStatuses": [
            _container_status(container, observation) for container in pod.spec.containers
        ],
    }
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]
    if pod.spec.init_containers:
        status["initContainerStatuses"] = [
            _container_status(container, observation) for container in pod.spec.init_containers
        ]
    return status


def _container_status(container: Container, observation: Observation) -> Json:
    state = observation.record.containers.get(container.name) or ContainerRecord(container.name)
    waiting = observation.waiting.get(container.name)
    # One that has ended and waits shows its end as the last state.
    last = (state.exit if waiting and not state.running else None) or state.last_exit
    status: Json = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image,
        "ready": state.ready and state.running,
        "started": state.started and state.running,
        "restartCount": state.restart_count,
        "state": _state(state, waiting),
        "lastState": {"terminated": _terminated(last)} if last else {},
    }
    if state.container_id:
        status["containerID"] = CONTAINER_ID_SCHEME + state.container_id
    return status


def _state(state: ContainerRecord, waiting: Waiting | None) -> Json:
    if state.running and waiting is None:
        return {"running": {"startedAt": state.started_at}}
    if waiting is not None:
        extra = {"message": waiting.message} if waiting.message else {}
        return {"waiting": {"reason": waiting.reason, **extra}}
    if state.exit is not None:
        return {"terminated": _terminated(state.exit)}
    return {"waiting": {"reason": "ContainerCreating"}}


def _terminated(ended: ExitRecord) -> Json:
    document: Json = {
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": ended.started_at,
        "finishedAt": ended.finished_at,
        "containerID": CONTAINER_ID_SCHEME + ended.container_id,
    }
    if ended.message:
        document["message"] = ended.message
    if ended.signal:
        document["signal"] = ended.signal
    return document


def _conditions(pod: Pod, observation: Observation, *, has_network: bool) -> list[Json]:
    record = observation.record
    unready = [
        container.name
        for container in (*pod.spec.sidecars, *pod.spec.containers)
        if not _is_ready(record.containers.get(container.name))
    ]
    uninitialized = [
        container.name
        for container in pod.spec.init_containers
        if not is_past(container, record.containers.get(container.name))
    ]
    finished = phase_of(pod, record) in FINAL_PHASES
    not_ready = ""
    reason = ""
    if finished:
        reason = "PodCompleted" if phase_of(pod, record) == "Succeeded" else "PodFailed"
    elif unready:
        reason = "ContainersNotReady"
        not_ready = f"containers with unready status: [{' '.join(unready)}]"
    gate = "" if reason else _closed_gates(pod)
    ready = (
        not reason and not gate,
        "ReadinessGatesNotReady" if gate else reason,
        gate or not_ready,
    )
    values = {
        "PodReadyToStartContainers": (has_network, "", ""),
        "Initialized": (
            not uninitialized,
            "ContainersNotInitialized" if uninitialized else "",
            f"containers with incomplete status: [{' '.join(uninitialized)}]"
            if uninitialized
            else "",
        ),
        "Ready": ready,
        "ContainersReady": (not reason, reason, not_ready),
        "PodScheduled": (True, "", ""),
    }
    before = {c["type"]: c for c in observation.previous.get("conditions", [])}
    return [
        _condition(name, *values[name], before=before.get(name), now=observation.now)
        for name in _CONDITIONS
    ]


def _closed_gates(pod: Pod) -> str:
    """Say which of the pod's readiness gates are closed: conditions that others are to set."""
    status = {condition.type: condition.status for condition in pod.status.conditions}
    problems = []
    for gate in pod.spec.readiness_gates:
        kind = str(gate.get("conditionType", ""))
        if kind not in status:
            problems.append(
                f'corresponding condition of pod readiness gate "{kind}" does not exist.'
            )
        elif status[kind] != "True":
            problems.append(
                f'the status of pod readiness gate "{kind}" is not "True", but {status[kind]}'
            )
    return ", ".join(problems)


def patch_of(status: Json) -> Json:
    """Return a strategic merge patch that makes a status this one.

    Conditions of other types are others' and stay; addresses that are not in it go.
    """
    replaced = {"$patch": "replace"}
    patch = dict(status)
    for name in ("hostIPs", "podIPs"):
        if name in status:
            patch[name] = [replaced, *status[name]]
    return patch


def _condition(
    name: str,
    holds: bool,  # noqa: FBT001 - unpacked from a table of (holds, reason, message).
    reason: str,
    message: str,
    *,
    before: Json | None,
    now: str,
) -> Json:
    status = "True" if holds else "False"
    unchanged = before is not None and before.get("status") == status
    since = before.get("lastTransitionTime") if before is not None and unchanged else None
    condition: Json = {
        "type": name,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": since or now,
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _is_ready(state: ContainerRecord | None) -> bool:
    return state is not None and state.running and state.ready


def _has_succeeded(state: ContainerRecord | None) -> bool:
    return state is not None and state.exit is not None and state.exit.exit_code == 0
