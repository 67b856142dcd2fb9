"""Rules of Services, in kube-apiserver's words; which addresses and node ports are free is `services`'.

Source: kubernetes `pkg/apis/core/validation` (ValidateService). Rules of addresses are in
`service_addresses`.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.fixed_fields import refusal
from ciliate.apiserver.names import (
    invalid_value,
    label_problems,
    qualified_name_problems,
    required_value,
    subdomain_problems,
)
from ciliate.apiserver.service_addresses import (
    address_causes,
    cluster_ip_changes,
    given_address_causes,
)
from ciliate.apiserver.service_types import (
    is_externally_accessible,
    is_load_balancer,
    needs_health_port,
    needs_node_ports,
)
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.validation import PROTOCOLS, duplicate_causes, one_of, port_causes

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_POLICIES: Final = ("Cluster", "Local")
_AFFINITY_MAX_S: Final = 86400
_FOR_BALANCERS: Final = "may only be used when `type` is 'LoadBalancer'"


def check_service(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a Service."""
    spec = new["spec"]
    causes = one_of("spec.type", spec.get("type"), _TYPES)
    causes += _port_causes(spec) + _name_causes(spec)
    causes += _affinity_causes(spec) + _policy_causes(spec) + _balancer_causes(spec)
    causes += address_causes(spec) + given_address_causes(new)
    if old is not None:
        causes += cluster_ip_changes(spec, old["spec"]) + _balancer_changes(spec, old["spec"])
    return causes


def _port_causes(spec: JsonObject) -> list[Cause]:
    ports = spec.get("ports") or []
    causes = []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(required_value("spec.ports"))
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        if port.get("name"):
            causes += [
                invalid_value(f"{at}.name", port["name"], each)
                for each in label_problems(port["name"])
            ]
        elif len(ports) > 1:
            causes.append(required_value(f"{at}.name"))
        causes += port_causes(f"{at}.port", port.get("port"))
        causes += one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
        if isinstance(port.get("targetPort"), int):
            causes += port_causes(f"{at}.targetPort", port["targetPort"])
        if port.get("appProtocol"):
            name = port["appProtocol"]
            causes += [
                invalid_value(f"{at}.appProtocol", name, each)
                for each in qualified_name_problems(name)
            ]
        if port.get("nodePort") and not needs_node_ports(spec):
            problem = f"may not be used when `type` is '{spec.get('type')}'"
            causes.append(refusal(f"{at}.nodePort", None, problem, forbidden=True))
    causes += duplicate_causes("spec.ports", [p for p in ports if p.get("name")], "name")
    return causes + _duplicate_ports(ports)


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


def _name_causes(spec: JsonObject) -> list[Cause]:
    if spec.get("type") != "ExternalName":
        return []
    name = spec.get("externalName")
    if not name:
        return [required_value("spec.externalName")]
    problems = subdomain_problems(name.removesuffix("."))
    return [invalid_value("spec.externalName", name, problem) for problem in problems]


def _affinity_causes(spec: JsonObject) -> list[Cause]:
    at = "spec.sessionAffinity"
    causes = one_of(at, spec.get("sessionAffinity"), ("ClientIP", "None"))
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    if "timeoutSeconds" not in config:
        return causes
    seconds = config["timeoutSeconds"]
    if not 0 < seconds <= _AFFINITY_MAX_S:
        problem = f"must be greater than 0 and less than {_AFFINITY_MAX_S}"
        causes.append(invalid_value(f"{at}Config.clientIP.timeoutSeconds", seconds, problem))
    return causes


def _policy_causes(spec: JsonObject) -> list[Cause]:
    causes = []
    inside, outside = spec.get("internalTrafficPolicy"), spec.get("externalTrafficPolicy")
    if inside:
        causes += one_of("spec.internalTrafficPolicy", inside, _POLICIES)
    at = "spec.externalTrafficPolicy"
    if outside and not is_externally_accessible(spec):
        problem = "may only be set for externally-accessible services"
        causes.append(invalid_value(at, outside, problem))
    elif outside:
        causes += one_of(at, outside, _POLICIES)
    if spec.get("healthCheckNodePort") and not needs_health_port(spec):
        problem = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        port = spec["healthCheckNodePort"]
        causes.append(invalid_value("spec.healthCheckNodePort", port, problem))
    near = spec.get("trafficDistribution")
    if near is not None:
        kinds = ("PreferClose", "PreferSameNode", "PreferSameZone")
        causes += one_of("spec.trafficDistribution", near, kinds)
    return causes


def _balancer_causes(spec: JsonObject) -> list[Cause]:
    fields = ("allocateLoadBalancerNodePorts", "loadBalancerClass")
    if not is_load_balancer(spec):
        return [
            refusal(f"spec.{name}", None, _FOR_BALANCERS, forbidden=True)
            for name in fields
            if spec.get(name) is not None
        ]
    kind = spec.get("loadBalancerClass")
    problems = qualified_name_problems(kind) if kind is not None else []
    return [invalid_value("spec.loadBalancerClass", kind, problem) for problem in problems]


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
