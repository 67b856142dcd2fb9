"""The built-in kinds: one table of what the server knows about each."""

from collections.abc import Callable
from typing import Any, Final

from ciliate.apiserver import (
    columns,
    data_checks,
    defaults,
    endpoint_checks,
    service_checks,
    stored_columns,
    validation,
    workload_columns,
)
from ciliate.apiserver.generic_kind import CATEGORY, stored_only
from ciliate.apiserver.names import label_1035_problems, label_problems
from ciliate.apiserver.resources import Printing, ServedResource, nothing_to_default
from ciliate.apiserver.schemas import definition_name, node_of
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.stored_kinds import stored_kinds

_APPS: Final = "apps"


def _selectable(*paths: str) -> dict[str, Any]:
    """Return the arguments of `Resource` for fields that selectors may name."""
    split = [(path, tuple(path.split("."))) for path in paths]

    def fields_of(obj: JsonObject) -> dict[str, str]:
        return {path: _text(obj, parts) for path, parts in split}

    return {"fields_of": fields_of, "selectable": frozenset(paths)}


def _text(obj: JsonObject, parts: tuple[str, ...]) -> str:
    value: Any = obj
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _pod_fields(obj: JsonObject) -> dict[str, str]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }


_POD_SELECTABLE: Final = frozenset(_pod_fields({}))


def _event_fields(obj: JsonObject) -> dict[str, str]:
    involved, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    names = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    fields = {f"involvedObject.{name}": str(involved.get(name, "")) for name in names}
    component = source.get("component") or obj.get("reportingComponent") or ""
    return {
        **fields,
        "reason": obj.get("reason", ""),
        "reportingComponent": obj.get("reportingComponent", ""),
        "source": component,
        "type": obj.get("type", ""),
    }


_EVENT_SELECTABLE: Final = frozenset(_event_fields({}))


def _node_fields(obj: JsonObject) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.unschedulable": "true" if spec.get("unschedulable") else "false"}


def _resource(
    kind: str, plural: str, printing: Printing, *, namespaced: bool = True, **rest: Any
) -> ServedResource:
    group, version = rest.pop("group", ""), rest.pop("version", "v1")
    default = defaults.with_status_zeros(kind, rest.pop("default", nothing_to_default))
    return ServedResource(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        namespaced=namespaced,
        printing=printing,
        default=default,
        node=node_of(kind),
        schema_name=definition_name(kind),
        **rest,
    )


def _workload(
    kind: str,
    printing: Printing,
    short: str,
    default: Callable[[JsonObject], None],
    *more: str,
    missing: str = "",
) -> ServedResource:
    return _resource(
        kind,
        f"{kind.lower()}s",
        printing,
        group=_APPS,
        short_names=(short,),
        categories=("all", CATEGORY) if missing else ("all",),
        subresources=frozenset({"status", *more}),
        has_generation=True,
        note=stored_only(missing) if missing else "",
        default=default,
        validate=validation.check_workload,
        **(_selectable("status.replicas") if kind == "ReplicaSet" else {}),
    )


def _core() -> list[ServedResource]:
    return [
        _resource(
            *("ConfigMap", "configmaps", columns.CONFIG_MAP),
            short_names=("cm",),
            validate=data_checks.check_config_map,
        ),
        _resource(
            *("Endpoints", "endpoints", columns.ENDPOINTS),
            short_names=("ep",),
            deprecation=(
                "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
            ),
            default=defaults.default_endpoints,
            validate=endpoint_checks.check_endpoints,
        ),
        _resource(
            *("Event", "events", columns.EVENT),
            short_names=("ev",),
            fields_of=_event_fields,
            selectable=_EVENT_SELECTABLE,
            validate=validation.check_event,
        ),
        _resource(
            *("Namespace", "namespaces", columns.NAMESPACE),
            namespaced=False,
            short_names=("ns",),
            subresources=frozenset({"status", "finalize"}),
            verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
            default=defaults.default_namespace,
            name_problems=label_problems,
            **_selectable("status.phase"),
        ),
        _resource(
            *("Node", "nodes", columns.NODE),
            namespaced=False,
            short_names=("no",),
            subresources=frozenset({"status", "proxy"}),
            validate=validation.check_node,
            fields_of=_node_fields,
            selectable=frozenset({"spec.unschedulable"}),
        ),
        _resource(
            *("Pod", "pods", workload_columns.POD),
            short_names=("po",),
            categories=("all",),
            subresources=frozenset(
                {
                    *("status", "binding", "eviction", "log"),
                    *("exec", "attach", "portforward", "proxy"),
                }
            ),
            default=defaults.default_pod,
            validate=validation.check_pod,
            fields_of=_pod_fields,
            selectable=_POD_SELECTABLE,
        ),
        _resource(
            *("Secret", "secrets", columns.SECRET),
            default=defaults.default_secret,
            validate=data_checks.check_secret,
            **_selectable("type"),
        ),
        _resource(
            *("ServiceAccount", "serviceaccounts", columns.SERVICE_ACCOUNT),
            short_names=("sa",),
            subresources=frozenset({"token"}),
        ),
        _resource(
            *("Service", "services", columns.SERVICE),
            short_names=("svc",),
            categories=("all",),
            subresources=frozenset({"status", "proxy"}),
            default=defaults.default_service,
            validate=service_checks.check_service,
            name_problems=label_1035_problems,
            **_selectable("spec.clusterIP", "spec.type"),
        ),
    ]


def _others() -> list[ServedResource]:
    scale = "scale"
    return [
        _resource(
            *("ControllerRevision", "controllerrevisions", stored_columns.CONTROLLER_REVISION),
            group=_APPS,
        ),
        _workload("DaemonSet", workload_columns.DAEMON_SET, "ds", defaults.default_daemon_set),
        _workload(
            *("Deployment", workload_columns.DEPLOYMENT, "deploy", defaults.default_deployment),
            scale,
        ),
        _workload(
            *("ReplicaSet", workload_columns.REPLICA_SET, "rs", defaults.default_replica_set),
            scale,
        ),
        _workload(
            *("StatefulSet", workload_columns.STATEFUL_SET, "sts"),
            *(defaults.default_stateful_set, scale),
            missing="no controller makes its pods",
        ),
        _resource(
            *("Lease", "leases", columns.LEASE),
            group="coordination.k8s.io",
            validate=validation.check_lease,
        ),
        _resource(
            *("EndpointSlice", "endpointslices", columns.ENDPOINT_SLICE),
            group="discovery.k8s.io",
            has_generation=True,
            default=defaults.default_endpoint_slice,
            validate=endpoint_checks.check_endpoint_slice,
        ),
        _resource(
            *("NetworkPolicy", "networkpolicies", columns.NETWORK_POLICY),
            group="networking.k8s.io",
            short_names=("netpol",),
            has_generation=True,
            default=defaults.default_network_policy,
            validate=validation.check_network_policy,
            categories=(CATEGORY,),
            note=stored_only("no traffic is held back by it"),
        ),
        _resource(
            *("ServiceCIDR", "servicecidrs", columns.SERVICE_CIDR),
            namespaced=False,
            group="networking.k8s.io",
            subresources=frozenset({"status"}),
            validate=validation.check_service_cidr,
        ),
    ]


def built_in() -> list[ServedResource]:
    """Return every built-in kind but CustomResourceDefinition, which its own module makes."""
    return [*_core(), *_others(), *stored_kinds()]
