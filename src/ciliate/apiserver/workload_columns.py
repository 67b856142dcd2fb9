"""Table columns of pods and of what makes them, as `kubectl get` shows them.

Source: kubernetes `pkg/printers/internalversion/printers.go`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ciliate.apiserver.columns import (
    AGE,
    NAME,
    created_age,
    format_labels,
    format_selector,
    wide,
)
from ciliate.apiserver.resources import Column, Printing
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import age


def _is_true(conditions: Sequence[Mapping[str, Any]], kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in conditions)


def _stopped_reason(state: Mapping[str, Any]) -> str:
    """Return why a container does not run, empty when nothing is known."""
    waiting, terminated = state.get("waiting") or {}, state.get("terminated") or {}
    if waiting.get("reason"):
        return str(waiting["reason"])
    if terminated.get("reason"):
        return str(terminated["reason"])
    if "terminated" not in state:
        return ""
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _sidecars(obj: JsonObject) -> set[str]:
    """Return the names of the init containers that go on beside the others."""
    declared = obj.get("spec", {}).get("initContainers") or ()
    return {c.get("name", "") for c in declared if c.get("restartPolicy") == "Always"}


def _init_reason(obj: JsonObject) -> str:
    """Return the status text while init containers have not all succeeded, else empty."""
    statuses = obj.get("status", {}).get("initContainerStatuses") or ()
    total = len(obj.get("spec", {}).get("initContainers") or ())
    sidecars = _sidecars(obj)
    for index, container in enumerate(statuses):
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if container.get("started") and container.get("name") in sidecars:
            continue
        reason = _stopped_reason(state)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{total}"
    return ""


def _pod_reason(obj: JsonObject) -> str:
    status = obj.get("status", {})
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    conditions = status.get("conditions") or ()
    initializing = _init_reason(obj)
    if initializing and not _is_true(conditions, "Initialized"):
        reason = initializing
    else:
        has_running = False
        for container in reversed(status.get("containerStatuses") or ()):
            state = container.get("state") or {}
            reason = _stopped_reason(state) or reason
            has_running |= bool(container.get("ready")) and state.get("running") is not None
        if reason == "Completed" and has_running:
            reason = "Running" if _is_true(conditions, "Ready") else "NotReady"
    if obj["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _restarts(statuses: Sequence[Mapping[str, Any]]) -> str:
    count = sum(s.get("restartCount", 0) for s in statuses)
    finished = [
        ((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in statuses
    ]
    latest = max(filter(None, finished), default=None)
    return f"{count} ({age(latest)} ago)" if count and latest else str(count)


def _pod(obj: JsonObject) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    beside = _sidecars(obj)
    statuses = [
        *(s for s in status.get("initContainerStatuses") or () if s.get("name") in beside),
        *(status.get("containerStatuses") or ()),
    ]
    ready = sum(
        bool(s.get("ready")) and (s.get("state") or {}).get("running") is not None
        for s in statuses
    )
    gates = spec.get("readinessGates") or ()
    conditions = status.get("conditions") or ()
    passed = sum(_is_true(conditions, g["conditionType"]) for g in gates)
    return [
        obj["metadata"]["name"],
        f"{ready}/{len(beside) + len(spec.get('containers') or ())}",
        _pod_reason(obj),
        _restarts(statuses),
        created_age(obj),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        f"{passed}/{len(gates)}" if gates else "<none>",
    ]


def _template_cells(obj: JsonObject) -> list[Any]:
    spec = obj.get("spec", {})
    containers = (spec.get("template", {}).get("spec") or {}).get("containers") or ()
    return [
        ",".join(c.get("name", "") for c in containers),
        ",".join(c.get("image", "") for c in containers),
        format_selector(spec.get("selector")),
    ]


def _deployment(obj: JsonObject) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        created_age(obj),
        *_template_cells(obj),
    ]


def _replica_set(obj: JsonObject) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    return [
        obj["metadata"]["name"],
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        created_age(obj),
        *_template_cells(obj),
    ]


def _daemon_set(obj: JsonObject) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    pod_spec = spec.get("template", {}).get("spec") or {}
    return [
        obj["metadata"]["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        format_labels(pod_spec.get("nodeSelector")),
        created_age(obj),
        *_template_cells(obj),
    ]


def _stateful_set(obj: JsonObject) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        created_age(obj),
        *_template_cells(obj)[:2],
    ]


def _count(name: str) -> Column:
    return Column(name, type="integer")


_TEMPLATE: Final = (wide("Containers"), wide("Images"), wide("Selector"))

POD: Final = Printing(
    (
        *(NAME, Column("Ready"), Column("Status"), Column("Restarts"), AGE),
        *(wide("IP"), wide("Node"), wide("Nominated Node"), wide("Readiness Gates")),
    ),
    _pod,
)
DEPLOYMENT: Final = Printing(
    (NAME, Column("Ready"), _count("Up-to-date"), _count("Available"), AGE, *_TEMPLATE),
    _deployment,
)
REPLICA_SET: Final = Printing(
    (NAME, _count("Desired"), _count("Current"), _count("Ready"), AGE, *_TEMPLATE), _replica_set
)
DAEMON_SET: Final = Printing(
    (
        *(NAME, _count("Desired"), _count("Current"), _count("Ready"), _count("Up-to-date")),
        *(_count("Available"), Column("Node Selector"), AGE, *_TEMPLATE),
    ),
    _daemon_set,
)
STATEFUL_SET: Final = Printing((NAME, Column("Ready"), AGE, *_TEMPLATE[:2]), _stateful_set)
