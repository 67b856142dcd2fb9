"""Rules of Services, in kube-apiserver's words; their addresses and node ports are `services`'.

Source: kubernetes `pkg/apis/core/validation` (ValidateService, ValidateServiceClusterIPsRelatedFields).
"""

import json
from collections.abc import Sequence
from typing import Any

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.fixed_fields import refusal
from ciliate.apiserver.names import invalid_value, required_value
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.validation import PROTOCOLS, duplicate_causes, one_of, port_causes


def check_service(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a Service."""
    spec = new["spec"]
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    causes = one_of("spec.type", spec.get("type"), kinds)
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(required_value("spec.ports"))
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        causes += port_causes(f"{at}.port", port.get("port"))
        causes += one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
        if isinstance(port.get("targetPort"), int):
            causes += port_causes(f"{at}.targetPort", port["targetPort"])
        if len(ports) > 1 and not port.get("name"):
            causes.append(required_value(f"{at}.name"))
    causes += duplicate_causes("spec.ports", [p for p in ports if p.get("name")], "name")
    causes += _duplicate_ports(ports)
    affinities = ("ClientIP", "None")
    causes += one_of("spec.sessionAffinity", spec.get("sessionAffinity"), affinities)
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        causes.append(required_value("spec.externalName"))
    causes += _address_causes(spec)
    if old is not None:
        causes += _cluster_ip_change(spec, old["spec"]) + _balancer_changes(spec, old["spec"])
    return causes


def _duplicate_ports(ports: Sequence[JsonObject]) -> list[Cause]:
    """Find ports that a client could not tell apart."""
    seen: set[tuple[Any, Any]] = set()
    causes = []
    for index, port in enumerate(ports):
        pair = (port.get("protocol"), port.get("port"))
        if pair in seen:
            shown = json.dumps({"protocol": pair[0], "port": pair[1]}, separators=(",", ":"))
            message = f"Duplicate value: {shown}"
            causes.append(Cause(f"spec.ports[{index}]", "FieldValueDuplicate", message))
        seen.add(pair)
    return causes


def _address_causes(spec: JsonObject) -> list[Cause]:
    addresses, first = spec.get("clusterIPs") or [], spec.get("clusterIP")
    causes = []
    if addresses and first and first != addresses[0]:
        problem = "first value must match `clusterIP`"
        causes.append(invalid_value("spec.clusterIPs", json.dumps(addresses), problem))
    families = spec.get("ipFamilies") or []
    for index, family in enumerate(families):
        at = f"spec.ipFamilies[{index}]"
        causes += one_of(at, family, ("IPv4", "IPv6"))
        if family in families[:index]:
            causes.append(Cause(at, "FieldValueDuplicate", f'Duplicate value: "{family}"'))
    if spec.get("type") != "ExternalName":
        policies = ("SingleStack", "PreferDualStack", "RequireDualStack")
        policy = spec.get("ipFamilyPolicy", policies[0])
        causes += one_of("spec.ipFamilyPolicy", policy, policies)
    return causes


def _cluster_ip_change(new: JsonObject, old: JsonObject) -> list[Cause]:
    """Find addresses that would change; a second one may come and go with its family."""
    if "ExternalName" in {new.get("type"), old.get("type")}:
        return []
    had = old.get("clusterIPs") or [old.get("clusterIP")]
    has = new.get("clusterIPs") or [new.get("clusterIP")]
    return [
        Cause(
            f"spec.clusterIPs[{index}]",
            "FieldValueInvalid",
            f"Invalid value: {json.dumps(has)}: may not change once set",
        )
        for index, (was, now) in enumerate(zip(had, has, strict=False))
        if was and now != was
    ]


def _balancer_changes(new: JsonObject, old: JsonObject) -> list[Cause]:
    """Find what a LoadBalancer keeps as long as it is one: its class and its health port."""
    if {new.get("type"), old.get("type")} != {"LoadBalancer"}:
        return []
    causes = []
    kind, was = new.get("loadBalancerClass"), old.get("loadBalancerClass")
    if kind != was:
        causes.append(refusal("spec.loadBalancerClass", kind, "may not change once set"))
    port, had = new.get("healthCheckNodePort"), old.get("healthCheckNodePort")
    if had and new.get("externalTrafficPolicy") == "Local" and port != had:
        causes.append(refusal("spec.healthCheckNodePort", port, "field is immutable"))
    return causes
