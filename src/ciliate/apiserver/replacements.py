"""Replacements of whole objects, by PUT: what an object keeps, and what its kind asks for.

Without what the server gave, `kubectl replace` with the file an object was made from would take its
addresses away, or be refused. Source: kubernetes `pkg/registry` (Service: patchAllocatedValues;
Namespace, Secret and Pod: PrepareForUpdate; AllowCreateOnUpdate and AllowUnconditionalUpdate of
all). Metadata and status are in `carryover`.
"""

from collections.abc import Callable
from typing import Any, Final

from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.service_types import (
    drop_what_the_type_needs_no_more,
    needs_health_port,
    needs_node_ports,
)
from ciliate.apiserver.store import JsonObject

#: Kinds whose objects a PUT makes where there are none; of all others it is answered by 404.
_MADE_BY_PUT: Final = frozenset(
    {
        "clusterrolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "endpoints",
        "events",
        "leases.coordination.k8s.io",
        "limitranges",
        "rolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "runtimeclasses.node.k8s.io",
        "services",
    }
)
#: Kinds that a PUT replaces only in the version it names; others take one that names none.
_IN_A_VERSION_ONLY: Final = frozenset(
    {
        "apiservices.apiregistration.k8s.io",
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "leases.coordination.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "poddisruptionbudgets.policy",
        "runtimeclasses.node.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "volumeattachments.storage.k8s.io",
    }
)
_EXTERNAL: Final = "ExternalName"


def makes_objects(resource: ServedResource) -> bool:
    """Return whether a PUT makes an object of the kind where there is none."""
    return resource.id in _MADE_BY_PUT


def needs_version(resource: ServedResource) -> bool:
    """Return whether a PUT has to name the resourceVersion that it replaces."""
    return resource.is_custom or resource.id in _IN_A_VERSION_ONLY


def keep_given(resource_id: str, new: JsonObject, old: JsonObject, subresource: str) -> None:
    """Complete `new` with what `old` was given."""
    keep = _KEPT.get((resource_id, subresource))
    if keep is not None:
        keep(new, old)


def _keep_service(new: JsonObject, old: JsonObject) -> None:
    spec, was = new.setdefault("spec", {}), old["spec"]
    kinds = {spec.setdefault("type", "ClusterIP"), was.get("type")}
    if _EXTERNAL not in kinds:
        _keep_addresses(spec, was)
    if needs_node_ports(spec) and needs_node_ports(was):
        _keep_node_ports(spec.get("ports") or [], was.get("ports") or [])
        if needs_health_port(spec) and needs_health_port(was) and was.get("healthCheckNodePort"):
            spec.setdefault("healthCheckNodePort", was["healthCheckNodePort"])
    drop_what_the_type_needs_no_more(new, old)


def _keep_addresses(spec: JsonObject, was: JsonObject) -> None:
    single = spec.get("ipFamilyPolicy") == "SingleStack" != was.get("ipFamilyPolicy")
    for name in ("clusterIPs", "ipFamilies"):
        held = was.get(name) or []
        if single and spec.get(name) in (None, held):
            held = held[:1]  # The second family is given back.
            spec[name] = held
        if not spec.get(name) and held:
            spec[name] = list(held)
    if not spec.get("clusterIP") and was.get("clusterIP"):
        spec["clusterIP"] = was["clusterIP"]
    if "ipFamilyPolicy" in was:
        spec.setdefault("ipFamilyPolicy", was["ipFamilyPolicy"])


def _keep_node_ports(ports: list[Any], had: list[Any]) -> None:
    """Give ports the node port of the former port of their name, unless another has it now."""
    numbers = {port.get("name", ""): port.get("nodePort") for port in had}
    used = {port["nodePort"] for port in ports if port.get("nodePort")}
    for port in ports:
        number = numbers.get(port.get("name", ""))
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number
            used.add(number)


def _keep_namespace(new: JsonObject, old: JsonObject) -> None:
    """Keep the finalizers, which have a path of their own."""
    new["spec"] = old.get("spec") or {}


def _keep_secret(new: JsonObject, old: JsonObject) -> None:
    if not new.get("type"):
        new["type"] = old.get("type", "Opaque")


def _keep_class(new: JsonObject, old: JsonObject) -> None:
    """Keep a pod's class, which its kubelet may leave out."""
    was = old.get("status") or {}
    if "qosClass" in was:
        new.setdefault("status", {}).setdefault("qosClass", was["qosClass"])


def _keep_request(new: JsonObject, old: JsonObject) -> None:
    """Keep what is asked for: approvals are about it."""
    new["spec"] = old["spec"]


_KEPT: Final[dict[tuple[str, str], Callable[[JsonObject, JsonObject], None]]] = {
    ("certificatesigningrequests.certificates.k8s.io", ""): _keep_request,
    ("services", ""): _keep_service,
    ("namespaces", ""): _keep_namespace,
    ("secrets", ""): _keep_secret,
    ("pods", "status"): _keep_class,
}
