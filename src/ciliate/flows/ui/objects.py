"""The page's objects in a cluster: Cilium's, by name and shape, in one container. Pure.

It asks the relay alone, so it has no right to ask the API server for anything.
"""

from typing import Any, Final

from ciliate import __version__
from ciliate.config.installation import Installation
from ciliate.flows.relay.objects import NAME as RELAY

NAME: Final = "hubble-ui"

_SELECTOR: Final = {"k8s-app": NAME}
_LABELS: Final = {
    **_SELECTOR,
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/part-of": "cilium",
}
_PORT: Final = 8081
#: The user that Cilium's page runs as.
_USER: Final = 1001

Manifest = dict[str, Any]


def ui_objects(names: Installation, *, node_port: int | None = None) -> list[tuple[str, Manifest]]:
    """Return path of collection and body of each object, in the order of their creation.

    `node_port`: where every node shows the page; None: its Service is for the cluster alone.
    """
    at = f"namespaces/{names.namespace}"
    return [
        (f"/api/v1/{at}/serviceaccounts", _object(names, "v1", "ServiceAccount")),
        (f"/api/v1/{at}/services", _service(names, node_port)),
        (f"/apis/apps/v1/{at}/deployments", _deployment(names)),
    ]


def _object(names: Installation, version: str, kind: str, **more: Any) -> Manifest:
    meta = {"name": NAME, "namespace": names.namespace, "labels": _LABELS}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def _service(names: Installation, node_port: int | None) -> Manifest:
    port: Manifest = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": _PORT}
    kind = "ClusterIP"
    if node_port is not None:
        kind, port["nodePort"] = "NodePort", node_port
    spec = {"type": kind, "selector": _SELECTOR, "ports": [port]}
    return _object(names, "v1", "Service", spec=spec)


def _deployment(names: Installation) -> Manifest:
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [_container()],
    }
    spec = {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "selector": {"matchLabels": _SELECTOR},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    return _object(names, "apps/v1", "Deployment", spec=spec)


def _container() -> Manifest:
    probe = {"httpGet": {"path": "/healthz", "port": _PORT}}
    return {
        "name": "frontend",
        "image": f"ciliate:v{__version__}",
        "command": [NAME],
        "args": ["serve"],
        "env": [{"name": "FLOWS_API_ADDR", "value": f"{RELAY}:80"}],
        "ports": [{"name": "http", "containerPort": _PORT}],
        "readinessProbe": {**probe, "periodSeconds": 2},
        "livenessProbe": {**probe, "periodSeconds": 10},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
