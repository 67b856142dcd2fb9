"""The volume by which a pod's programs reach the API server: token, authority, namespace.

What kube-apiserver's admission plugin ServiceAccount adds to pods; kubelets fill it.
"""

from typing import Any, Final

from ciliate.apiserver.names import generate_name
from ciliate.apiserver.store import JsonObject

#: Where clients look for it.
MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
#: The ConfigMap of each namespace that holds the authority's certificate, and its key.
AUTHORITY: Final = "kube-root-ca.crt"
AUTHORITY_KEY: Final = "ca.crt"
#: A little more than an hour, so that tokens of such volumes can be told from others.
_LIFE_S: Final = 3607
_MODE: Final = 0o644
_NAME: Final = "kube-api-access-"


def mount_token(spec: JsonObject) -> None:
    """Give a pod's containers the volume, but those that mount something there themselves."""
    volumes: list[Any] = spec.setdefault("volumes", [])
    present = (v.get("name", "") for v in volumes)
    name = next((found for found in present if found.startswith(_NAME)), "")
    wanting = [
        container
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        if all(m.get("mountPath") != MOUNT_PATH for m in container.get("volumeMounts") or ())
    ]
    if not name and wanting:
        name = generate_name(_NAME)
        volumes.append({"name": name, "projected": _projected()})
    for container in wanting:
        mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
        container.setdefault("volumeMounts", []).append(mount)
    if not volumes:
        del spec["volumes"]


def _projected() -> JsonObject:
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "defaultMode": _MODE,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _LIFE_S, "path": "token"}},
            {
                "configMap": {
                    "name": AUTHORITY,
                    "items": [{"key": AUTHORITY_KEY, "path": AUTHORITY_KEY}],
                }
            },
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
        ],
    }
