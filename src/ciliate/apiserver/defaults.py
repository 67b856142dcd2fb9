"""Values that Kubernetes fills in where a client leaves them out.

Controllers and kubectl count on them. Source: kubernetes `pkg/apis/core/v1/defaults.go` and
`pkg/apis/apps/v1/defaults.go`. Objects have passed their schema: fields have their types.
"""

from typing import Any, Final

from ciliate.apiserver import warnings
from ciliate.apiserver.resources import Default
from ciliate.apiserver.schemas import zeros_of
from ciliate.apiserver.service_types import is_externally_accessible
from ciliate.apiserver.store import JsonObject

#: File mode of projected files: 0644.
_FILE_MODE: Final = 0o644
#: How long a client that is idle keeps its endpoint: three hours.
_AFFINITY_S: Final = 10800
_ACCOUNT_SECRET: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type's name
#: Why Secrets hold no service accounts' tokens.
_NO_TOKENS: Final = (
    "tokens end here; ask for one by kubectl create token, or by a projected volume"
)


def with_status_zeros(kind: str, default: Default) -> Default:
    """Return a kind's default that also begins what its status always has.

    The API's Go types write these numbers as 0 whether or not a controller has been there, and
    typed clients refuse an object without them.
    """
    zeros = zeros_of(f"{kind}Status")
    if not zeros:
        return default

    def filled(obj: JsonObject) -> None:
        default(obj)
        obj["status"] = {**zeros, **(obj.get("status") or {})}

    return filled


def default_namespace(obj: JsonObject) -> None:
    """Label a namespace with its name and let it be finalized."""
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"][
        "name"
    ]
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def default_secret(obj: JsonObject) -> None:
    """Fold stringData into data, and give the type."""
    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        from base64 import b64encode  # noqa: PLC0415 - rare

        data = obj.setdefault("data", {})
        data.update({k: b64encode(v.encode()).decode() for k, v in plain.items()})
    if obj["type"] == _ACCOUNT_SECRET and not (obj.get("data") or {}).get("token"):
        warnings.warn(f"no token is put into a Secret of type {_ACCOUNT_SECRET}: {_NO_TOKENS}")


def default_service(obj: JsonObject) -> None:
    """Fill in a Service but for its addresses and node ports."""
    spec = obj.setdefault("spec", {})
    if spec.setdefault("sessionAffinity", "None") == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.get("sessionAffinityConfig") or {}
        client_ip = config.get("clientIP") or {}
        client_ip.setdefault("timeoutSeconds", _AFFINITY_S)
        spec["sessionAffinityConfig"] = {**config, "clientIP": client_ip}
    kind = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if is_externally_accessible(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    given = obj.setdefault("status", {}).setdefault("loadBalancer", {})
    for ingress in given.get("ingress") or ():
        if kind == "LoadBalancer" and ingress.get("ip"):
            ingress.setdefault("ipMode", "VIP")


def default_endpoints(obj: JsonObject) -> None:
    """Give ports their protocol."""
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def default_endpoint_slice(obj: JsonObject) -> None:
    """Give ports their name and protocol."""
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def default_network_policy(obj: JsonObject) -> None:
    """Say which directions a policy speaks of."""
    spec = obj.setdefault("spec", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def default_pod(obj: JsonObject) -> None:
    """Fill in a pod but for what admission gives (`pod_admission`)."""
    spec = obj.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        resources = container.get("resources") or {}
        for name, value in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, value)
    if spec.get("hostNetwork"):
        for container in spec.get("containers") or ():
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort"))


def default_pod_spec(spec: JsonObject) -> None:
    """Fill in the specification of a pod or of a template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for name in ("initContainers", "containers"):
        for container in spec.get(name) or ():
            _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)


def _default_container(container: JsonObject) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = tag in {"", "latest"} and "@" not in image
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _default_probe(container[name])


def _default_probe(probe: JsonObject) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    request = probe.get("httpGet")
    if request is not None:
        request.setdefault("path", "/")
        request.setdefault("scheme", "HTTP")
    if probe.get("grpc") is not None:
        probe["grpc"].setdefault("service", "")  # kubectl describe counts on it.


def _default_volume(volume: JsonObject) -> None:
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(name) is not None:
            volume[name].setdefault("defaultMode", _FILE_MODE)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    if len(volume) == 1:
        volume["emptyDir"] = {}


def default_template(spec: JsonObject) -> None:
    """Fill in the pod template of a specification."""
    template: dict[str, Any] = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    default_pod_spec(template.setdefault("spec", {}))


def default_deployment(obj: JsonObject) -> None:
    """Fill in a Deployment."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    default_template(spec)


def default_replica_set(obj: JsonObject) -> None:
    """Fill in a ReplicaSet."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def default_daemon_set(obj: JsonObject) -> None:
    """Fill in a DaemonSet."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    default_template(spec)


def default_stateful_set(obj: JsonObject) -> None:
    """Fill in a StatefulSet."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    default_template(spec)
