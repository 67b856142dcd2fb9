"""Table columns of kinds that are stored only, as `kubectl get` shows them.

Source: kubernetes `pkg/printers/internalversion/printers.go`. Most cells are a field's value, so a
printing is written as a list of columns with the path that each shows.
"""

from collections.abc import Mapping
from typing import Any, Final

from ciliate.apiserver.cells import (
    NONE,
    SINCE,
    Show,
    at,
    count,
    field,
    integer,
    name_of,
    printing,
    since,
    text,
)
from ciliate.apiserver.columns import AGE, NAME, created_age, format_labels, format_selector, wide
from ciliate.apiserver.resources import Column, Printing
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import age, human_duration, parse

_UNSET: Final = "<unset>"
_UNKNOWN: Final = "<unknown>"
_ACCESS_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
#: Hosts that a cell shows before "+ n more...".
_HOSTS_MAX: Final = 3


def _modes(path: str) -> Show:
    def show(obj: JsonObject) -> str:
        modes = dict.fromkeys(at(obj, path) or ())
        return ",".join(_ACCESS_MODES.get(m, str(m)) for m in modes)

    return show


def _claim(obj: JsonObject) -> str:
    reference = at(obj, "spec.claimRef")
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


def _phase(obj: JsonObject) -> str:
    deleting = obj["metadata"].get("deletionTimestamp")
    return "Terminating" if deleting else str(at(obj, "status.phase") or "")


def _containers(path: str, name: str) -> Show:
    return lambda obj: ",".join(
        str(c.get(name, "")) for c in at(obj, f"{path}.spec.containers") or ()
    )


def _templates(path: str, selector: Show) -> tuple[tuple[Column, Show], ...]:
    return (
        (wide("Containers"), _containers(path, "name")),
        (wide("Images"), _containers(path, "image")),
        (wide("Selector"), selector),
    )


def _selector(path: str) -> Show:
    return lambda obj: format_selector(at(obj, path))


def _quota(part: str) -> Show:
    """Show what a quota counts: requests and the rest, or limits."""

    def show(obj: JsonObject) -> str:
        hard = at(obj, "status.hard") or at(obj, "spec.hard") or {}
        used = at(obj, "status.used") or {}
        return ", ".join(
            f"{name}: {used.get(name, 0)}/{hard[name]}"
            for name in sorted(hard)
            if name.startswith("limits.") == (part == "limits")
        )

    return show


def _job_status(obj: JsonObject) -> str:
    for condition in at(obj, "status.conditions") or ():
        if condition.get("status") == "True":
            return {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}.get(
                condition.get("type"), str(condition.get("type"))
            )
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    # A job without a start has been seen by no controller.
    return "Running" if at(obj, "status.startTime") else "Not started"


def _completions(obj: JsonObject) -> str:
    done, wanted = at(obj, "status.succeeded") or 0, at(obj, "spec.completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = at(obj, "spec.parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(obj: JsonObject) -> str:
    start, end = parse(at(obj, "status.startTime")), parse(at(obj, "status.completionTime"))
    if start is None:
        return ""
    if end is None:
        return age(at(obj, "status.startTime"))
    return human_duration((end - start).total_seconds())


def _hosts(obj: JsonObject) -> str:
    hosts = [rule.get("host") or "*" for rule in at(obj, "spec.rules") or ()]
    shown = ",".join(hosts[:_HOSTS_MAX]) or "*"
    return f"{shown} + {len(hosts) - _HOSTS_MAX} more..." if len(hosts) > _HOSTS_MAX else shown


def _addresses(obj: JsonObject) -> str:
    listed = at(obj, "status.loadBalancer.ingress") or ()
    return ",".join(i.get("ip") or i.get("hostname") or "" for i in listed)


def _reference(path: str, kind: str = "kind") -> Show:
    def show(obj: JsonObject) -> str:
        found = at(obj, path)
        if not found:
            return NONE
        group = found.get("apiGroup") or str(found.get("apiVersion") or "").rpartition("/")[0]
        named = f"{found.get(kind, '')}.{group}" if group else str(found.get(kind, ""))
        return f"{named}/{found.get('name', '')}"

    return show


def _scaled(obj: JsonObject) -> str:
    found = at(obj, "spec.scaleTargetRef") or {}
    return f"{found.get('kind', '')}/{found.get('name', '')}"


def _targets(obj: JsonObject) -> str:
    share = at(obj, "spec.targetCPUUtilizationPercentage")  # As autoscaling/v1 has it.
    shown = [f"cpu: {_UNKNOWN}/{share}%"] if share is not None else []
    for metric in at(obj, "spec.metrics") or ():
        source = next((v for v in metric.values() if isinstance(v, dict)), {})
        target = source.get("target") or {}
        name = source.get("name") or (source.get("metric") or {}).get("name") or ""
        share = target.get("averageUtilization")
        wanted = f"{share}%" if share is not None else _value_of(target)
        shown.append(f"{name}: {_UNKNOWN}/{wanted}" if name else f"{_UNKNOWN}/{wanted}")
    return ", ".join(shown) or NONE


def _value_of(target: Mapping[str, Any]) -> Any:
    return target.get("averageValue") or target.get("value") or "<auto>"


def _subjects(kind: str) -> Show:
    def show(obj: JsonObject) -> str:
        return ", ".join(
            f"{s.get('namespace', '')}/{s['name']}" if kind == "ServiceAccount" else s["name"]
            for s in obj.get("subjects") or ()
            if s.get("kind") == kind and s.get("name")
        )

    return show


def _role(obj: JsonObject) -> str:
    found = obj.get("roleRef") or {}
    return f"{found.get('kind', '')}/{found.get('name', '')}"


def _storage_class(obj: JsonObject) -> list[Any]:
    annotations = obj["metadata"].get("annotations") or {}
    default = " (default)" if annotations.get(_DEFAULT_CLASS) == "true" else ""
    return [
        f"{name_of(obj)}{default}",
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", _UNSET),
        "true" if obj.get("allowVolumeExpansion") else "false",
        created_age(obj),
    ]


def _service(obj: JsonObject) -> str:
    found = at(obj, "spec.service")
    return f"{found.get('namespace', '')}/{found.get('name', '')}" if found else "Local"


def _available(obj: JsonObject) -> str:
    for condition in at(obj, "status.conditions") or ():
        if condition.get("type") == "Available":
            status, reason = str(condition.get("status", "")), condition.get("reason", "")
            return status if status == "True" else f"{status} ({reason})"
    return "Unknown"


def _request_condition(obj: JsonObject) -> str:
    kinds = [c.get("type", "") for c in at(obj, "status.conditions") or ()]
    shown = [kind for kind in ("Approved", "Denied", "Failed") if kind in kinds] or ["Pending"]
    return ",".join([*shown, "Issued"] if at(obj, "status.certificate") else shown)


CREATED_AT: Final = printing(
    (Column("Created At"), field("metadata.creationTimestamp", _UNKNOWN)),
)
PERSISTENT_VOLUME: Final = printing(
    ("Capacity", field("spec.capacity.storage")),
    ("Access Modes", _modes("spec.accessModes")),
    ("Reclaim Policy", field("spec.persistentVolumeReclaimPolicy")),
    ("Status", _phase),
    ("Claim", _claim),
    ("StorageClass", field("spec.storageClassName")),
    ("VolumeAttributesClass", field("spec.volumeAttributesClassName", _UNSET)),
    ("Reason", field("status.reason")),
    SINCE,
    (wide("VolumeMode"), field("spec.volumeMode", _UNSET)),
)
PERSISTENT_VOLUME_CLAIM: Final = printing(
    ("Status", _phase),
    ("Volume", field("spec.volumeName")),
    ("Capacity", field("status.capacity.storage")),
    ("Access Modes", _modes("status.accessModes")),
    ("StorageClass", field("spec.storageClassName")),
    ("VolumeAttributesClass", field("spec.volumeAttributesClassName", _UNSET)),
    SINCE,
    (wide("VolumeMode"), field("spec.volumeMode", _UNSET)),
)
POD_TEMPLATE: Final = printing(
    ("Containers", _containers("template", "name")),
    ("Images", _containers("template", "image")),
    ("Pod Labels", lambda obj: format_labels(at(obj, "template.metadata.labels"))),
)
REPLICATION_CONTROLLER: Final = printing(
    (integer("Desired"), field("spec.replicas", 0)),
    (integer("Current"), field("status.replicas", 0)),
    (integer("Ready"), field("status.readyReplicas", 0)),
    SINCE,
    *_templates("spec.template", lambda obj: format_labels(at(obj, "spec.selector"))),
)
RESOURCE_QUOTA: Final = printing(
    ("Request", _quota("requests")), ("Limit", _quota("limits")), SINCE
)
CONTROLLER_REVISION: Final = printing(
    (
        "Controller",
        lambda obj: next(
            (
                f"{str(o.get('kind', '')).lower()}.{o.get('apiVersion', '').partition('/')[0]}"
                f"/{o.get('name', '')}"
                for o in obj["metadata"].get("ownerReferences") or ()
                if o.get("controller")
            ),
            NONE,
        ),
    ),
    (integer("Revision"), field("revision", 0)),
    SINCE,
)
HORIZONTAL_POD_AUTOSCALER: Final = printing(
    ("Reference", _scaled),
    ("Targets", _targets),
    ("MinPods", text("spec.minReplicas", _UNSET)),
    (integer("MaxPods"), field("spec.maxReplicas", 0)),
    (integer("Replicas"), field("status.currentReplicas", 0)),
    SINCE,
)
CRON_JOB: Final = printing(
    ("Schedule", field("spec.schedule")),
    ("Timezone", text("spec.timeZone")),
    ("Suspend", lambda obj: "True" if at(obj, "spec.suspend") else "False"),
    (integer("Active"), count("status.active")),
    ("Last Schedule", since("status.lastScheduleTime")),
    SINCE,
    *_templates("spec.jobTemplate.spec.template", _selector("spec.jobTemplate.spec.selector")),
)
JOB: Final = printing(
    ("Status", _job_status),
    ("Completions", _completions),
    ("Duration", _job_duration),
    SINCE,
    *_templates("spec.template", _selector("spec.selector")),
)
POD_DISRUPTION_BUDGET: Final = printing(
    ("Min Available", text("spec.minAvailable", "N/A")),
    ("Max Unavailable", text("spec.maxUnavailable", "N/A")),
    (integer("Allowed Disruptions"), field("status.disruptionsAllowed", 0)),
    SINCE,
)
PRIORITY_CLASS: Final = printing(
    (integer("Value"), field("value", 0)),
    (Column("Global-Default", type="boolean"), field("globalDefault", False)),
    SINCE,
    ("PreemptionPolicy", field("preemptionPolicy")),
)
RUNTIME_CLASS: Final = printing(("Handler", field("handler")), SINCE)
INGRESS: Final = printing(
    ("Class", text("spec.ingressClassName")),
    ("Hosts", _hosts),
    ("Address", _addresses),
    ("Ports", lambda obj: "80, 443" if at(obj, "spec.tls") else "80"),
    SINCE,
)
INGRESS_CLASS: Final = printing(
    ("Controller", field("spec.controller")),
    ("Parameters", _reference("spec.parameters")),
    SINCE,
)
IP_ADDRESS: Final = printing(("ParentRef", _reference("spec.parentRef", "resource")), SINCE)
ROLE_BINDING: Final = printing(
    ("Role", _role),
    SINCE,
    (wide("Users"), _subjects("User")),
    (wide("Groups"), _subjects("Group")),
    (wide("ServiceAccounts"), _subjects("ServiceAccount")),
)
WEBHOOKS: Final = printing((integer("Webhooks"), count("webhooks")), SINCE)
ADMISSION_POLICY: Final = printing(
    (integer("Validations"), count("spec.validations")),
    (
        "ParamKind",
        lambda obj: (
            f"{at(obj, 'spec.paramKind.apiVersion')}/{at(obj, 'spec.paramKind.kind')}"
            if at(obj, "spec.paramKind")
            else _UNSET
        ),
    ),
    SINCE,
)
ADMISSION_POLICY_BINDING: Final = printing(
    ("PolicyName", field("spec.policyName")),
    ("ParamRef", text("spec.paramRef.name", _UNSET)),
    SINCE,
)
API_SERVICE: Final = printing(("Service", _service), ("Available", _available), SINCE)
CERTIFICATE_SIGNING_REQUEST: Final = printing(
    SINCE,
    ("SignerName", field("spec.signerName", NONE)),
    ("Requestor", field("spec.username")),
    ("RequestedDuration", text("spec.expirationSeconds")),
    ("Condition", _request_condition),
)
FLOW_SCHEMA: Final = printing(
    ("PriorityLevel", field("spec.priorityLevelConfiguration.name")),
    (integer("MatchingPrecedence"), field("spec.matchingPrecedence", 0)),
    ("DistinguisherMethod", text("spec.distinguisherMethod.type")),
    SINCE,
    ("MissingPL", lambda _: "?"),
)
PRIORITY_LEVEL: Final = printing(
    ("Type", field("spec.type")),
    ("NominalConcurrencyShares", text("spec.limited.nominalConcurrencyShares")),
    ("Queues", text("spec.limited.limitResponse.queuing.queues")),
    ("HandSize", text("spec.limited.limitResponse.queuing.handSize")),
    ("QueueLengthLimit", text("spec.limited.limitResponse.queuing.queueLengthLimit")),
    SINCE,
)
CSI_DRIVER: Final = printing(
    (Column("AttachRequired", type="boolean"), field("spec.attachRequired", True)),
    (Column("PodInfoOnMount", type="boolean"), field("spec.podInfoOnMount", False)),
    (Column("StorageCapacity", type="boolean"), field("spec.storageCapacity", False)),
    (
        "TokenRequests",
        lambda obj: (
            ",".join(str(r.get("audience", "")) for r in at(obj, "spec.tokenRequests") or ())
            or _UNSET
        ),
    ),
    (Column("RequiresRepublish", type="boolean"), field("spec.requiresRepublish", False)),
    ("Modes", lambda obj: ",".join(at(obj, "spec.volumeLifecycleModes") or ()) or "Persistent"),
    SINCE,
)
CSI_NODE: Final = printing((integer("Drivers"), count("spec.drivers")), SINCE)
CSI_STORAGE_CAPACITY: Final = printing(
    ("StorageClassName", field("storageClassName")), ("Capacity", field("capacity", _UNSET))
)
STORAGE_CLASS: Final = Printing(
    (
        *(NAME, Column("Provisioner"), Column("ReclaimPolicy"), Column("VolumeBindingMode")),
        *(Column("AllowVolumeExpansion"), AGE),
    ),
    _storage_class,
)
VOLUME_ATTACHMENT: Final = printing(
    ("Attacher", field("spec.attacher")),
    ("PV", field("spec.source.persistentVolumeName")),
    ("Node", field("spec.nodeName")),
    (Column("Attached", type="boolean"), field("status.attached", False)),
    SINCE,
)
