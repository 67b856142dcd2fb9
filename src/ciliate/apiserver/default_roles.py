"""The roles and bindings that every cluster begins with, as far as a lab's clients need them.

Names and meanings are Kubernetes' own. `view`, `edit` and `admin` name the kinds of namespaces, and
take up every ClusterRole with the label that their aggregationRule selects.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Final

from ciliate.apiserver.authorizer import GROUP
from ciliate.apiserver.identity import AUTHENTICATED, MASTERS
from ciliate.apiserver.store import JsonObject

_READ: Final = ["get", "list", "watch"]
_WRITE: Final = ["create", "delete", "deletecollection", "patch", "update"]

#: What `view` shows; Secrets are not in it.
_VIEWED: Final[dict[str, list[str]]] = {
    "": [
        *("configmaps", "endpoints", "events", "limitranges", "namespaces"),
        *("persistentvolumeclaims", "pods", "pods/log", "pods/status", "replicationcontrollers"),
        *("resourcequotas", "serviceaccounts", "services", "services/status"),
    ],
    "apps": [
        *("controllerrevisions", "daemonsets", "daemonsets/status", "deployments"),
        *("deployments/scale", "deployments/status", "replicasets", "replicasets/scale"),
        *("replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status"),
    ],
    "autoscaling": ["horizontalpodautoscalers"],
    "batch": ["cronjobs", "jobs"],
    "discovery.k8s.io": ["endpointslices"],
    "networking.k8s.io": ["ingresses", "networkpolicies"],
    "policy": ["poddisruptionbudgets"],
}
_EDITED: Final[dict[str, list[str]]] = {
    "": [
        *("configmaps", "events", "persistentvolumeclaims", "pods", "replicationcontrollers"),
        *("secrets", "serviceaccounts", "services"),
    ],
    "apps": [
        *("daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale"),
        *("statefulsets", "statefulsets/scale"),
    ],
    "autoscaling": ["horizontalpodautoscalers"],
    "batch": ["cronjobs", "jobs"],
    "networking.k8s.io": ["ingresses", "networkpolicies"],
    "policy": ["poddisruptionbudgets"],
}
_STREAMS: Final = ["pods/attach", "pods/exec", "pods/portforward"]


def _rule(verbs: list[str], group: str, resources: list[str]) -> JsonObject:
    return {"verbs": verbs, "apiGroups": [group], "resources": resources}


def _view() -> list[JsonObject]:
    return [_rule(_READ, group, resources) for group, resources in _VIEWED.items()]


def _edit() -> list[JsonObject]:
    return [
        *_view(),
        _rule(["get", "list", "watch"], "", ["secrets"]),
        _rule(["create", "get"], "", _STREAMS),
        _rule(["create"], "", ["pods/eviction", "serviceaccounts/token"]),
        *(_rule(_WRITE, group, resources) for group, resources in _EDITED.items()),
    ]


def _admin() -> list[JsonObject]:
    return [
        *_edit(),
        _rule(["create"], "authorization.k8s.io", ["localsubjectaccessreviews"]),
        _rule([*_READ, *_WRITE], GROUP, ["rolebindings", "roles"]),
    ]


_PUBLIC: Final = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY: Final = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_PUBLIC]
_EVERYTHING: Final = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]
_SELF: Final = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]

#: Roles by name: their rules, and the group that has them.
_ROLES: Final[dict[str, tuple[list[JsonObject], str]]] = {
    "cluster-admin": (_EVERYTHING, MASTERS),
    "admin": (_admin(), ""),
    "edit": (_edit(), ""),
    "view": (_view(), ""),
    "system:auth-delegator": (
        [
            _rule(["create"], "authentication.k8s.io", ["tokenreviews"]),
            _rule(["create"], "authorization.k8s.io", ["subjectaccessreviews"]),
        ],
        "",
    ),
    "system:basic-user": (
        [
            _rule(["create"], "authorization.k8s.io", _SELF),
            _rule(["create"], "authentication.k8s.io", ["selfsubjectreviews"]),
        ],
        AUTHENTICATED,
    ),
    "system:discovery": ([{"verbs": ["get"], "nonResourceURLs": _DISCOVERY}], AUTHENTICATED),
    "system:public-info-viewer": (
        [{"verbs": ["get"], "nonResourceURLs": _PUBLIC}],
        AUTHENTICATED,
    ),
}


def _metadata(name: str) -> JsonObject:
    return {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}


def default_roles() -> Iterator[tuple[str, JsonObject]]:
    """Yield each object with the name of its resource."""
    for name, (rules, group) in _ROLES.items():
        role: JsonObject = {"metadata": _metadata(name), "rules": deepcopy(rules)}
        if name in ("admin", "edit", "view"):
            label = {f"{GROUP}/aggregate-to-{name}": "true"}
            role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": label}]}
        yield f"clusterroles.{GROUP}", role
        if group:
            yield (
                f"clusterrolebindings.{GROUP}",
                {
                    "metadata": _metadata(name),
                    "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
                    "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group}],
                },
            )
