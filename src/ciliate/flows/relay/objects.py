"""The relay's objects in a cluster: Cilium's, by name and shape. Pure."""

from typing import Any, Final

from ciliate import __version__
from ciliate.config.installation import Installation, parse_selector

NAME: Final = "hubble-relay"
PEER_SERVICE: Final = "hubble-peer"
CLIENT_SECRET: Final = "hubble-relay-client-certs"  # noqa: S105 - an object's name.
SERVER_SECRET: Final = "hubble-server-certs"  # noqa: S105 - likewise.

#: Where agents find their certificates.
AGENT_TLS: Final = "/var/lib/cilium/tls/hubble"

_CONFIG: Final = "hubble-relay-config"
_TLS: Final = "/var/lib/hubble-relay/tls"
_SELECTOR: Final = {"k8s-app": NAME}
_LABELS: Final = {
    **_SELECTOR,
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/part-of": "cilium",
}
_PORT: Final = 4245
_HEALTH_PORT: Final = 4222
_PEER_PORT: Final = 4244
#: Nobody: the user that distroless images run as.
_USER: Final = 65532

Manifest = dict[str, Any]


def relay_objects(
    names: Installation, *, cluster: str, domain: str, tls: bool = True
) -> list[tuple[str, Manifest]]:
    """Return path of collection and body of each object, in the order of their creation.

    `tls`: whether agents speak it; `domain` is the cluster's in DNS.
    """
    at = f"namespaces/{names.namespace}"
    config = _config(names, cluster=cluster, domain=domain, tls=tls)
    return [
        (f"/api/v1/{at}/serviceaccounts", _object(names, "v1", "ServiceAccount", NAME)),
        (f"/api/v1/{at}/configmaps", config),
        (f"/api/v1/{at}/services", _peer_service(names, tls=tls)),
        (f"/api/v1/{at}/services", _service(names)),
        (f"/apis/apps/v1/{at}/deployments", _deployment(names, tls=tls)),
    ]


def agent_tls_volume() -> tuple[Manifest, Manifest]:
    """Return the volume of an agent's certificates, and its mount; neither needs the Secret yet."""
    items = [
        {"key": "tls.crt", "path": "server.crt"},
        {"key": "tls.key", "path": "server.key"},
        {"key": "ca.crt", "path": "client-ca.crt"},
    ]
    source = {"secret": {"name": SERVER_SECRET, "optional": True, "items": items}}
    volume = {"name": "hubble-tls", "projected": {"defaultMode": 0o400, "sources": [source]}}
    return volume, {"name": "hubble-tls", "mountPath": AGENT_TLS, "readOnly": True}


def _object(names: Installation, version: str, kind: str, name: str, **more: Any) -> Manifest:
    meta = {"name": name, "namespace": names.namespace, "labels": _LABELS}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def _config(names: Installation, *, cluster: str, domain: str, tls: bool) -> Manifest:
    port = 443 if tls else 80
    lines = [
        f"cluster-name: {cluster}",
        f'peer-service: "{PEER_SERVICE}.{names.namespace}.svc.{domain}.:{port}"',
        f"listen-address: :{_PORT}",
        "disable-server-tls: true",
    ]
    if tls:
        lines += [
            f"tls-hubble-client-cert-file: {_TLS}/client.crt",
            f"tls-hubble-client-key-file: {_TLS}/client.key",
            f"tls-hubble-server-ca-files: {_TLS}/hubble-server-ca.crt",
        ]
    else:
        lines.append("disable-client-tls: true")
    text = "".join(f"{line}\n" for line in lines)
    return _object(names, "v1", "ConfigMap", _CONFIG, data={"config.yaml": text})


def _peer_service(names: Installation, *, tls: bool) -> Manifest:
    """Whichever agent is on the client's own node: it knows all others."""
    port = {
        "name": "peer-service",
        "port": 443 if tls else 80,
        "protocol": "TCP",
        "targetPort": _PEER_PORT,
    }
    spec = {
        "selector": parse_selector(names.agent_pod_selector),
        "ports": [port],
        "internalTrafficPolicy": "Local",
    }
    return _object(names, "v1", "Service", PEER_SERVICE, spec=spec)


def _service(names: Installation) -> Manifest:
    port = {"protocol": "TCP", "port": 80, "targetPort": "grpc"}
    spec = {"type": "ClusterIP", "selector": _SELECTOR, "ports": [port]}
    return _object(names, "v1", "Service", NAME, spec=spec)


def _deployment(names: Installation, *, tls: bool) -> Manifest:
    template = {"metadata": {"labels": _LABELS}, "spec": _pod(names, tls=tls)}
    spec = {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "selector": {"matchLabels": _SELECTOR},
        "template": template,
    }
    return _object(names, "apps/v1", "Deployment", NAME, spec=spec)


def _pod(names: Installation, *, tls: bool) -> Manifest:
    items = [{"key": "config.yaml", "path": "config.yaml"}]
    volumes: list[Manifest] = [{"name": "config", "configMap": {"name": _CONFIG, "items": items}}]
    mounts = [{"name": "config", "mountPath": "/etc/hubble-relay", "readOnly": True}]
    if tls:
        volumes.append(_tls_volume())
        mounts.append({"name": "tls", "mountPath": _TLS, "readOnly": True})
    beside_an_agent = {
        "labelSelector": {"matchLabels": parse_selector(names.agent_pod_selector)},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"fsGroup": _USER},
        "affinity": {
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [beside_an_agent]}
        },
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [_container(mounts)],
        "volumes": volumes,
    }


def _tls_volume() -> Manifest:
    items = [
        {"key": "tls.crt", "path": "client.crt"},
        {"key": "tls.key", "path": "client.key"},
        {"key": "ca.crt", "path": "hubble-server-ca.crt"},
    ]
    source = {"secret": {"name": CLIENT_SECRET, "items": items}}
    return {"name": "tls", "projected": {"defaultMode": 0o400, "sources": [source]}}


def _container(mounts: list[Manifest]) -> Manifest:
    probe = {"grpc": {"port": _HEALTH_PORT}, "timeoutSeconds": 3}
    return {
        "name": NAME,
        "image": f"ciliate:v{__version__}",
        "command": ["hubble-relay"],
        "args": ["serve"],
        "ports": [{"name": "grpc", "containerPort": _PORT}],
        "readinessProbe": {**probe, "periodSeconds": 2},
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 12},
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 120},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": mounts,
    }
