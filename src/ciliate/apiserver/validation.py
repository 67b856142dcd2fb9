"""Rules of the built-in kinds that a schema cannot express, in kube-apiserver's words.

Only what the lab's users and controllers can run into; source: kubernetes
`pkg/apis/core/validation`, `pkg/apis/apps/validation`. Objects have passed their schema and have
been given defaults.
"""

import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

import msgspec

from ciliate.apiserver.compute_resources import resource_causes
from ciliate.apiserver.dns_checks import dns_causes
from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import (
    invalid_value,
    label_causes,
    label_problems,
    qualified_name_problems,
    required_value,
    subdomain_problems,
)
from ciliate.apiserver.pod_changes import pod_change_causes
from ciliate.apiserver.selectors import matches_label_selector
from ciliate.apiserver.store import JsonObject

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_PORT_MAX: Final = 65535
#: Specifications of pods found flawless or not, and the octets of one.
_KEPT_MAX: Final = 1024
_KEPT_BYTES_MAX: Final = 4096

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def unsupported_value(field: str, value: Any, supported: Sequence[str]) -> Cause:
    """Return the cause for a value outside of an enumeration."""
    listed = ", ".join(json.dumps(s) for s in supported)
    message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
    return Cause(field, "FieldValueNotSupported", message)


def one_of(field: str, value: Any, supported: Sequence[str]) -> list[Cause]:
    """Return what is wrong with a value that must be one of some."""
    return [] if value in supported else [unsupported_value(field, value, supported)]


def port_causes(field: str, value: Any) -> list[Cause]:
    """Return what is wrong with a port number."""
    if isinstance(value, int) and 1 <= value <= _PORT_MAX:
        return []
    return [invalid_value(field, value, f"must be between 1 and {_PORT_MAX}, inclusive")]


def _ip(field: str, value: Any) -> list[Cause]:
    try:
        ip_address(value)
    except ValueError:
        problem = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [invalid_value(field, value, problem)]
    return []


def _cidr(field: str, value: Any) -> list[Cause]:
    try:
        ip_network(value, strict=False)
    except ValueError:
        problem = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        return [invalid_value(field, value, problem)]
    return []


def duplicate_causes(field: str, items: Sequence[JsonObject], key: str) -> list[Cause]:
    """Return a cause for each item whose key an earlier one has."""
    seen: set[Any] = set()
    causes = []
    for index, item in enumerate(items):
        value = item.get(key)
        if value in seen:
            shown = f'Duplicate value: "{value}"'
            causes.append(Cause(f"{field}[{index}].{key}", "FieldValueDuplicate", shown))
        seen.add(value)
    return causes


def pod_spec_causes(
    spec: JsonObject, field: str, *, templates: bool, claims: Sequence[JsonObject] = ()
) -> list[Cause]:
    """Return what is wrong with a pod's specification; `templates` allow one restart policy.

    `claims` are a StatefulSet's volumeClaimTemplates: volumes of its pods by their names.
    """
    containers = spec.get("containers") or []
    causes = [] if containers else [required_value(f"{field}.containers")]
    volumes = {v.get("name") for v in spec.get("volumes") or ()}
    volumes |= {(claim.get("metadata") or {}).get("name") for claim in claims}
    for name in ("initContainers", "containers"):
        listed = spec.get(name) or []
        causes += duplicate_causes(f"{field}.{name}", listed, "name")
        for index, container in enumerate(listed):
            causes += _container_causes(container, f"{field}.{name}[{index}]", volumes)
    causes += duplicate_causes(f"{field}.volumes", spec.get("volumes") or [], "name")
    policies = ("Always",) if templates else ("Always", "OnFailure", "Never")
    causes += one_of(f"{field}.restartPolicy", spec.get("restartPolicy"), policies)
    dns = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    causes += one_of(f"{field}.dnsPolicy", spec.get("dnsPolicy"), dns)
    causes += dns_causes(spec, field)
    if spec.get("nodeName"):
        name = spec["nodeName"]
        causes += [invalid_value(f"{field}.nodeName", name, p) for p in subdomain_problems(name)]
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        value = spec["terminationGracePeriodSeconds"]
        problem = "must be greater than or equal to 0"
        causes.append(invalid_value(f"{field}.terminationGracePeriodSeconds", value, problem))
    return causes


def _container_causes(container: JsonObject, at: str, volumes: Collection[Any]) -> list[Cause]:
    causes = []
    name = container.get("name")
    if not name:
        causes.append(required_value(f"{at}.name"))
    else:
        causes += [invalid_value(f"{at}.name", name, p) for p in label_problems(name)]
    if not container.get("image"):
        causes.append(required_value(f"{at}.image"))
    causes += resource_causes(container, at)
    for index, port in enumerate(container.get("ports") or ()):
        causes += port_causes(f"{at}.ports[{index}].containerPort", port.get("containerPort"))
        causes += one_of(f"{at}.ports[{index}].protocol", port.get("protocol"), PROTOCOLS)
    pulls = ("Always", "IfNotPresent", "Never")
    causes += one_of(f"{at}.imagePullPolicy", container.get("imagePullPolicy"), pulls)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            shown = f'Not found: "{mount.get("name")}"'
            causes.append(Cause(f"{at}.volumeMounts[{index}].name", "FieldValueNotFound", shown))
        if not mount.get("mountPath"):
            causes.append(required_value(f"{at}.volumeMounts[{index}].mountPath"))
    return causes


@lru_cache(maxsize=_KEPT_MAX)
def _is_flawless(spec: bytes) -> bool:
    """Return whether `pod_spec_causes` finds nothing: pods come by the thousand, of few templates."""
    return not pod_spec_causes(_decode(spec), "spec", templates=False)


def check_pod(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a pod; once made, little of its specification may change."""
    spec = _encode(new["spec"])
    causes: list[Cause] = []
    if len(spec) > _KEPT_BYTES_MAX or not _is_flawless(spec):
        causes = pod_spec_causes(new["spec"], "spec", templates=False)
    if old is None or new["spec"] == old["spec"]:  # Most writes are of the status.
        return causes
    return causes + pod_change_causes(new["spec"], old["spec"])


def selector_causes(selector: JsonObject, field: str) -> list[Cause]:
    """Return what is wrong with a LabelSelector."""
    causes = label_causes(selector.get("matchLabels") or {}, f"{field}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        at = f"{field}.matchExpressions[{index}]"
        operator, values = expression.get("operator", ""), expression.get("values") or ()
        operators = ("DoesNotExist", "Exists", "In", "NotIn")
        causes += one_of(f"{at}.operator", operator, operators)
        if operator in {"In", "NotIn"} and not values:
            problem = "must be specified when `operator` is 'In' or 'NotIn'"
            causes.append(required_value(f"{at}.values", problem))
        key = expression.get("key", "")
        causes += [invalid_value(f"{at}.key", key, p) for p in qualified_name_problems(key)]
    return causes


def _template_match(selector: JsonObject, labels: JsonObject) -> list[Cause]:
    causes = selector_causes(selector, "spec.selector")
    if causes or matches_label_selector(selector, labels):
        return causes
    shown = json.dumps(labels, separators=(",", ":"))
    problem = "`selector` does not match template `labels`"
    message = f"Invalid value: {shown}: {problem}"
    return [Cause("spec.template.metadata.labels", "FieldValueInvalid", message)]


def check_network_policy(new: JsonObject, _: JsonObject | None) -> list[Cause]:
    """Check a NetworkPolicy."""
    spec = new["spec"]
    causes = selector_causes(spec.get("podSelector") or {}, "spec.podSelector")
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        causes += one_of(f"spec.policyTypes[{index}]", kind, ("Egress", "Ingress"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            at = f"spec.{direction}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                protocol = port.get("protocol")
                causes += one_of(f"{at}.ports[{place}].protocol", protocol, PROTOCOLS)
            for place, peer in enumerate(rule.get(peers) or ()):
                causes += _peer_causes(peer, f"{at}.{peers}[{place}]")
    return causes


def _peer_causes(peer: JsonObject, at: str) -> list[Cause]:
    if not peer:
        return [required_value(at, "must specify a peer")]
    causes = []
    for name in ("podSelector", "namespaceSelector"):
        causes += selector_causes(peer.get(name) or {}, f"{at}.{name}")
    block = peer.get("ipBlock")
    if block is not None:
        causes += _cidr(f"{at}.ipBlock.cidr", block.get("cidr", ""))
        for index, cidr in enumerate(block.get("except") or ()):
            causes += _cidr(f"{at}.ipBlock.except[{index}]", cidr)
    return causes


def check_service_cidr(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a ServiceCIDR: one range, or one of each family, which stay as they are."""
    cidrs = (new.get("spec") or {}).get("cidrs") or []
    if not cidrs:
        return [required_value("spec.cidrs", "at least one CIDR required")]
    causes = []
    for index, cidr in enumerate(cidrs):
        causes += _cidr(f"spec.cidrs[{index}]", cidr)
    if old is not None and cidrs != (old.get("spec") or {}).get("cidrs"):
        message = "Invalid value: field is immutable"
        causes.append(Cause("spec.cidrs", "FieldValueInvalid", message))
    return causes


def check_workload(new: JsonObject, _: JsonObject | None) -> list[Cause]:
    """Check a Deployment, ReplicaSet, DaemonSet or StatefulSet."""
    spec = new["spec"]
    causes = []
    selector, template = spec.get("selector"), spec["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    causes += label_causes(labels, "spec.template.metadata.labels")
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        causes.append(required_value("spec.selector"))
    else:
        causes += _template_match(selector, labels)
    if spec.get("replicas", 0) < 0:
        problem = "must be greater than or equal to 0"
        causes.append(invalid_value("spec.replicas", spec["replicas"], problem))
    claims = spec.get("volumeClaimTemplates") or ()
    causes += pod_spec_causes(
        template["spec"], "spec.template.spec", templates=True, claims=claims
    )
    return causes


def check_node(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a Node: its pod CIDRs are set once."""
    spec = new.get("spec") or {}
    causes = []
    for index, cidr in enumerate(spec.get("podCIDRs") or ()):
        causes += _cidr(f"spec.podCIDRs[{index}]", cidr)
    was = ((old or {}).get("spec") or {}).get("podCIDRs")
    if was and spec.get("podCIDRs") != was:
        problem = 'Forbidden: node updates may not change podCIDR except from "" to valid'
        causes.append(Cause("spec.podCIDRs", "FieldValueForbidden", problem))
    return causes


def check_lease(new: JsonObject, _: JsonObject | None) -> list[Cause]:
    """Check a Lease."""
    spec = new.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        problem = "must be greater than 0"
        return [invalid_value("spec.leaseDurationSeconds", duration, problem)]
    return []


def check_event(new: JsonObject, _: JsonObject | None) -> list[Cause]:
    """Check an Event: it lives in the namespace of what it is about."""
    about = (new.get("involvedObject") or {}).get("namespace") or ""
    namespace = new["metadata"].get("namespace", "")
    if about == namespace or (not about and namespace == "default"):
        return []
    problem = "does not match event.namespace"
    return [invalid_value("involvedObject.namespace", about, problem)]
