"""What the server warns of in objects it accepts: what probably does not do what its writer thinks.

Words and rules are kube-apiserver's: kubernetes `pkg/api/pod/warnings.go`, `pkg/api/service/
warnings.go` and the WarningsOnCreate of each kind. Pods are looked at once, when they are made;
templates and Services again when their specification changes.
"""

from collections.abc import Callable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from ciliate.apiserver.names import label_problems
from ciliate.apiserver.quantities import amount
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject

_OLD_LABELS: Final = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
}
_OLD_ANNOTATIONS: Final = {
    "scheduler.alpha.kubernetes.io/critical-pod": ("v1.16", "priorityClassName"),
    "seccomp.security.alpha.kubernetes.io/pod": ("v1.27", "seccompProfile"),
    "security.alpha.kubernetes.io/sysctls": ("v1.11", "sysctls"),
    "security.alpha.kubernetes.io/unsafe-sysctls": ("v1.11", "sysctls"),
}
_OLD_VOLUMES: Final = {
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "gitRepo": "deprecated in v1.11",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
}
_BYTES: Final = ("memory", "ephemeral-storage")
_HOSTNAME: Final = "which can result in surprising behavior; a DNS label is recommended"


def object_warnings(
    resource: ServedResource, new: JsonObject, old: JsonObject | None
) -> Iterator[str]:
    """Yield what to say about an object that is made, or changed from `old`."""
    find = _FINDERS.get(resource.id)
    if resource.is_custom:
        yield from _finalizer_warnings(new["metadata"])
    elif find is not None and (old is None or new.get("spec") != old.get("spec")):
        yield from find(new, old)


def _finalizer_warnings(metadata: JsonObject) -> Iterator[str]:
    for name in metadata.get("finalizers") or ():
        if "/" not in str(name):
            yield (
                f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name '
                "including a path (/) to avoid accidental conflicts with other finalizer writers"
            )


def _of_pod(new: JsonObject, old: JsonObject | None) -> Iterator[str]:
    if old is not None:
        return
    problems = label_problems(new["metadata"]["name"])
    if problems:
        listed = " ".join(problems)
        yield f"metadata.name: this is used in the Pod's hostname, {_HOSTNAME}: [{listed}]"
    yield from _template_warnings(new["metadata"], new["spec"], "")


def _of_workload(new: JsonObject, old: JsonObject | None) -> Iterator[str]:
    yield from _maker_warnings(new, old, new["spec"], "spec.template.")


def _of_cron_job(new: JsonObject, old: JsonObject | None) -> Iterator[str]:
    job = (new["spec"].get("jobTemplate") or {}).get("spec") or {}
    yield from _maker_warnings(new, old, job, "spec.jobTemplate.spec.template.")


def _maker_warnings(
    new: JsonObject, old: JsonObject | None, spec: JsonObject, prefix: str
) -> Iterator[str]:
    problems = label_problems(new["metadata"]["name"]) if old is None else []
    if problems:
        listed = " ".join(problems)
        yield f"metadata.name: this is used in Pod names and hostnames, {_HOSTNAME}: [{listed}]"
    template = spec.get("template") or {}
    metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
    yield from _template_warnings(metadata, pod, prefix)


def _template_warnings(metadata: JsonObject, spec: JsonObject, prefix: str) -> Iterator[str]:
    at = f"{prefix}spec"
    yield from _age_warnings(metadata, spec, prefix)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        if constraint.get("labelSelector") is None:
            place = f"{at}.topologySpreadConstraints[{index}].labelSelector"
            yield f"{place}: a null labelSelector results in matching no pod"
    yield from _repeated(spec.get("hostAliases") or (), "ip", f"{at}.hostAliases")
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{at}.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _repeated(spec.get("imagePullSecrets") or (), "name", f"{at}.imagePullSecrets")
    yield from _fraction_warnings(spec.get("overhead") or {}, f"{at}.overhead")
    for place, container in _containers(spec, at):
        yield from _env_warnings(container.get("env") or (), place)
        resources = container.get("resources") or {}
        for name in ("requests", "limits"):
            yield from _fraction_warnings(resources.get(name) or {}, f"{place}.resources.{name}")
    yield from _port_warnings(spec, at)


def _age_warnings(metadata: JsonObject, spec: JsonObject, prefix: str) -> Iterator[str]:
    """Find what worked in an older Kubernetes."""
    for name in sorted(spec.get("nodeSelector") or ()):
        if name in _OLD_LABELS:
            since, instead = _OLD_LABELS[name]
            yield f'{prefix}spec.nodeSelector[{name}]: deprecated since {since}; use "{instead}" instead'
    annotations = metadata.get("annotations") or {}
    has_profile = (spec.get("securityContext") or {}).get("seccompProfile") is not None
    for name, (since, instead) in _OLD_ANNOTATIONS.items():
        if name in annotations and not (instead == "seccompProfile" and has_profile):
            place = f"{prefix}metadata.annotations[{name}]"
            yield f'{place}: non-functional in {since}+; use the "{instead}" field instead'
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind in volume.keys() & _OLD_VOLUMES.keys():
            yield f"{prefix}spec.volumes[{index}].{kind}: {_OLD_VOLUMES[kind]}"


def _repeated(items: Any, key: str, at: str) -> Iterator[str]:
    seen: set[Any] = set()
    for index, item in enumerate(items):
        value = item.get(key)
        if value and value in seen:
            yield f'{at}[{index}].{key}: duplicate {key} "{value}"'
        seen.add(value)


def _containers(spec: JsonObject, at: str) -> Iterator[tuple[str, JsonObject]]:
    for name in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(name) or ()):
            yield f"{at}.{name}[{index}]", container


def _env_warnings(env: Any, at: str) -> Iterator[str]:
    seen: set[Any] = set()
    for index, variable in enumerate(env):
        name, value = variable.get("name"), variable.get("value") or ""
        itself = f"$({name})"
        # A value that extends the one before means to hide it.
        extends = itself in value and value != itself and "valueFrom" not in variable
        if name in seen and not extends:
            hides = f'hides previous definition of "{name}"'
            yield f"{at}.env[{index}]: {hides}, which may be dropped when using apply"
        seen.add(name)


def _fraction_warnings(quantities: JsonObject, at: str) -> Iterator[str]:
    for name in _BYTES:
        if name in quantities and amount(quantities[name]).denominator != 1:
            value = quantities[name]
            yield f'{at}[{name}]: fractional byte value "{value}" is invalid, must be an integer'


def _port_warnings(spec: JsonObject, at: str) -> Iterator[str]:
    """Find ports of a pod that are declared twice: which one a Service means is anybody's guess."""
    places: dict[tuple[Any, ...], str] = {}
    for place, container in _containers(spec, at):
        for index, port in enumerate(container.get("ports") or ()):
            here = f"{place}.ports[{index}]"
            names = ("containerPort", "protocol", "hostIP", "hostPort")
            first = places.setdefault(tuple(port.get(name) for name in names), here)
            if first != here:
                yield f"{here}: duplicate port definition with {first}"


def _of_service(new: JsonObject, _: JsonObject | None) -> Iterator[str]:
    spec = new["spec"]
    if spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.get("externalIPs"):
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") not in {None, "None"}:
            yield "spec.SessionAffinity is ignored for headless services"
    for field in ("clusterIPs", "externalIPs"):
        for index, text in enumerate(spec.get(field) or ()):
            yield from _spelling_warnings(text, f"spec.{field}[{index}]")


def _spelling_warnings(text: str, at: str) -> Iterator[str]:
    try:
        address = ip_address(text)
    except ValueError:
        return  # Refused, or no address: None.
    if isinstance(address, IPv6Address) and str(address) != text:
        yield f'{at}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{address}")'


_FINDERS: Final[dict[str, Callable[[JsonObject, JsonObject | None], Iterator[str]]]] = {
    "pods": _of_pod,
    "services": _of_service,
    "cronjobs.batch": _of_cron_job,
    **dict.fromkeys(
        (
            "daemonsets.apps",
            "deployments.apps",
            "jobs.batch",
            "replicasets.apps",
            "replicationcontrollers",
            "statefulsets.apps",
        ),
        _of_workload,
    ),
}
