"""The objects of a lab's Prometheus: those of Cilium's example, by name and shape. Pure.

Namespace, account, role, settings, Deployment and Service are called as there. What differs: a second
container finds the targets, and the Service has a port on every node.
"""

from collections.abc import Mapping
from typing import Any, Final

from ciliate import __version__
from ciliate.config.installation import Installation
from ciliate.lab.monitoring.scraping import flow_metrics_service

NAMESPACE: Final = "cilium-monitoring"
NAME: Final = "prometheus"
NODE_PORT: Final = 30001

_ACCOUNT: Final = "prometheus-k8s"
_RBAC: Final = "rbac.authorization.k8s.io"
_LABELS: Final = {"app": NAME}
SELECTOR: Final = f"app={NAME}"
_PORT: Final = 9090
_CONFIG_FILE: Final = "prometheus.yaml"
#: Nobody, as which Prometheus' image runs.
_USER: Final = 65534

#: What it may use of a machine that it shares with the whole lab: a lab's numbers take a tenth of it.
_BOUNDS: Final = (
    "--storage.tsdb.retention.time=6h",
    "--storage.tsdb.retention.size=256MB",
    "--web.max-connections=64",
    "--query.max-concurrency=4",
    "--query.max-samples=5000000",
    "--query.timeout=20s",
)
_MEMORY: Final = "512MiB"

Manifest = dict[str, Any]


def monitoring_objects(
    names: Installation, *, config: Mapping[str, str], settings: str
) -> list[tuple[str, Manifest]]:
    """Return path of collection and body of each object, in the order of their creation.

    `config` is the agents' (cilium-config), `settings` the text of prometheus.yaml.
    """
    at = f"namespaces/{NAMESPACE}"
    objects = [
        ("/api/v1/namespaces", _object("v1", "Namespace", NAMESPACE, namespaced=False)),
        (f"/api/v1/{at}/serviceaccounts", _object("v1", "ServiceAccount", _ACCOUNT)),
        (f"/apis/{_RBAC}/v1/clusterroles", _role()),
        (f"/apis/{_RBAC}/v1/clusterrolebindings", _role_binding()),
        (f"/api/v1/{at}/configmaps", _settings(settings)),
        (f"/api/v1/{at}/services", _service()),
        (f"/apis/apps/v1/{at}/deployments", _deployment()),
    ]
    address = config.get("hubble-metrics-server", "")
    if address and config.get("hubble-metrics"):
        service = flow_metrics_service(names, listen_address=address)
        objects.append((f"/api/v1/namespaces/{names.namespace}/services", service))
    return objects


def _object(
    version: str, kind: str, name: str, *, namespaced: bool = True, **more: Any
) -> Manifest:
    meta: Manifest = {"name": name, "labels": _LABELS}
    if namespaced:
        meta["namespace"] = NAMESPACE
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def _role() -> Manifest:
    read = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
    ]
    return _object(f"{_RBAC}/v1", "ClusterRole", NAME, namespaced=False, rules=rules)


def _role_binding() -> Manifest:
    account = {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": NAMESPACE}
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NAME}
    return _object(
        f"{_RBAC}/v1",
        "ClusterRoleBinding",
        NAME,
        namespaced=False,
        roleRef=role,
        subjects=[account],
    )


def _settings(text: str) -> Manifest:
    return _object("v1", "ConfigMap", NAME, data={_CONFIG_FILE: text})


def _service() -> Manifest:
    port = {
        "name": "webui",
        "port": _PORT,
        "targetPort": _PORT,
        "nodePort": NODE_PORT,
        "protocol": "TCP",
    }
    spec = {"type": "NodePort", "selector": _LABELS, "ports": [port]}
    return _object("v1", "Service", NAME, spec=spec)


def _deployment() -> Manifest:
    spec = {
        "replicas": 1,
        # Not beside each other: what the old one knows goes with it either way.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
    }
    return _object("apps/v1", "Deployment", NAME, spec=spec)


def _pod() -> Manifest:
    return {
        "serviceAccountName": _ACCOUNT,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
        },
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [_prometheus(), _scrape_targets()],
        "volumes": [
            {"name": "config-volume", "configMap": {"name": NAME}},
            {"name": "targets", "emptyDir": {}},
            {"name": "storage-volume", "emptyDir": {}},
        ],
    }


def _prometheus() -> Manifest:
    probe = {"httpGet": {"path": "/-/ready", "port": _PORT}, "timeoutSeconds": 3}
    return {
        **_confined(NAME, "prom/prometheus:v2.42.0"),
        "args": [
            f"--config.file=/etc/prometheus/{_CONFIG_FILE}",
            "--storage.tsdb.path=/prometheus/",
            *_BOUNDS,
        ],
        "env": [{"name": "GOMEMLIMIT", "value": _MEMORY}],
        "ports": [{"name": "webui", "containerPort": _PORT}],
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {**probe, "periodSeconds": 10},
        "volumeMounts": [
            {"name": "config-volume", "mountPath": "/etc/prometheus/", "readOnly": True},
            {"name": "targets", "mountPath": "/targets", "readOnly": True},
            {"name": "storage-volume", "mountPath": "/prometheus/"},
        ],
    }


def _scrape_targets() -> Manifest:
    return {
        **_confined("scrape-targets", f"ciliate/scrape-targets:v{__version__}"),
        "args": ["/targets"],
        "volumeMounts": [{"name": "targets", "mountPath": "/targets"}],
    }


def _confined(name: str, image: str) -> Manifest:
    return {
        "name": name,
        "image": image,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
