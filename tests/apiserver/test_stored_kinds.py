"""Kinds of people's manifests: taken, told to be stored only, or refused with a reason."""

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import utils
from kubernetes.config import new_client_from_config
from tests.kubectl import needs_modern

from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.stored_kinds import stored_kinds

from .conftest import ServerProcess

Kubectl = Callable[..., str]

INSTALLATION = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: app, namespace: NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: 'app:reader', namespace: NS}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: 'app:reader', namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: 'app:reader'}
subjects: [{kind: ServiceAccount, name: app, namespace: NS}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: 'app:writer', namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: 'app:writer'}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: NS}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: NS}
spec:
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, volumeMounts: [{name: www, mountPath: /www}]}
  volumeClaimTemplates:
  - metadata: {name: www}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup, namespace: NS}
spec:
  schedule: '@daily'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: a, image: a}, {name: b, image: b}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: NS}
spec:
  rules:
  - host: web.example.org
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"""


def warned(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("Warning: ")]


@needs_modern
def test_an_installation_is_taken_and_each_kind_told_once(
    kubectl: Kubectl, namespace: str
) -> None:
    manifest = INSTALLATION.replace("NS", namespace)

    applied = kubectl("apply", "-f", "-", stdin=manifest, check=False)

    assert applied.count(" created") == 8, applied
    kinds = ["PersistentVolumeClaim", "StatefulSet", "CronJob", "Ingress"]
    assert [line.split()[1] for line in warned(applied)] == kinds
    assert "Ingress is stored only, nothing in a lab acts on it: no ingress controller" in applied
    again = kubectl("apply", "-f", "-", stdin=manifest)
    assert again.count(" unchanged") == 8, again
    server_side = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    assert server_side.count("serverside-applied") == 8, server_side


@needs_modern
def test_discovery_lists_which_kinds_nothing_acts_on(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--categories=stored-only", "-o=name").split()

    assert listed.count("ingresses.networking.k8s.io") == 1
    assert sorted(listed) == sorted({r.id for r in built_in() if r.note})


@pytest.mark.parametrize("resource", stored_kinds(), ids=lambda r: r.id)
def test_every_kind_of_the_table_is_stored_shown_and_removed(
    server: ServerProcess, resource: Any
) -> None:
    place = "/namespaces/default" if resource.namespaced else ""
    root = f"/apis/{resource.group}" if resource.group else "/api"
    path = f"{root}/{resource.version}{place}/{resource.plural}"

    made = server.exchange("POST", f"{path}?fieldManager=test", {**EXAMPLES.get(resource.kind, {})
        , "metadata": {"name": "one"}})  # fmt: skip
    shown = server.exchange("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    gone = server.exchange("DELETE", f"{path}/one")

    assert (made.code, made.body.get("message")) == (201, None)
    assert made.body["apiVersion"] == resource.api_version
    assert made.warnings == ([f"{resource.kind} is {resource.note}"] if resource.note else [])
    (row,) = [r["cells"] for r in shown.body["rows"] if r["cells"][0].split()[0] == "one"]
    assert len(row) == len(shown.body["columnDefinitions"])
    assert (gone.code, shown.warnings, gone.warnings) == (200, [], [])


_POD: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": "a"}]}}
_ENDING: dict[str, Any] = {"spec": {**_POD["spec"], "restartPolicy": "Never"}}
_ROLE = {"roleRef": {"kind": "ClusterRole", "name": "view"}}
#: What the kinds that require something are made of here.
EXAMPLES: dict[str, dict[str, Any]] = {
    "CertificateSigningRequest": {"spec": {"request": "YQ==", "signerName": "example.org/a"}},
    "ClusterRoleBinding": _ROLE,
    "CronJob": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": _ENDING}}}},
    "CSIStorageCapacity": {"storageClassName": "fast"},
    "HorizontalPodAutoscaler": {
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "maxReplicas": 3}
    },
    "Job": {"spec": {"template": _ENDING}},
    "PersistentVolume": {
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    },
    "PersistentVolumeClaim": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
    },
    "PodTemplate": {"template": _POD},
    "ReplicationController": {"spec": {"template": _POD}},
    "RoleBinding": _ROLE,
    "RuntimeClass": {"handler": "runc"},
    "StorageClass": {"provisioner": "example.org/a"},
    "VolumeAttachment": {
        "spec": {
            "attacher": "example.org/a",
            "nodeName": "n1",
            "source": {"persistentVolumeName": "v"},
        }
    },
}


def test_typed_clients_read_objects_that_no_controller_has_seen(
    server: ServerProcess, namespace: str
) -> None:
    """The official client's models refuse a status without the numbers it always has."""
    api = new_client_from_config(str(server.kubeconfig))
    template = {"metadata": {"labels": {"a": "b"}}, **_POD}
    selected = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("apps/v1", "DaemonSet", selected),
        ("apps/v1", "ReplicaSet", selected),
        ("apps/v1", "StatefulSet", selected),
        ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": 0}}),
        ("autoscaling/v2", "HorizontalPodAutoscaler", EXAMPLES["HorizontalPodAutoscaler"]),
    ]
    place = {"metadata": {"name": "a", "namespace": namespace}}

    made = [
        item
        for version, kind, body in bodies
        for item in utils.create_from_dict(
            api, {"apiVersion": version, "kind": kind, **place, **body}
        )
    ]

    statuses = [item.status.to_dict() for item in made]
    assert [
        next(value for value in status.values() if value is not None) for status in statuses
    ] == [0] * len(bodies)


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("batch/v1/namespaces/default/jobs", {"spec": {"template": _POD}},
         'spec.template.spec.restartPolicy: Unsupported value: "Always"'),
        ("batch/v1/namespaces/default/jobs", {}, "spec.template.spec.containers: Required value"),
        ("storage.k8s.io/v1/storageclasses", {}, "provisioner: Required value"),
        ("rbac.authorization.k8s.io/v1/clusterrolebindings", {}, "roleRef.name: Required value"),
    ],
)  # fmt: skip
def test_what_a_kind_cannot_be_without_is_asked_for(
    server: ServerProcess, path: str, body: dict[str, Any], problem: str
) -> None:
    code, status = server.request("POST", f"/apis/{path}", {**body, "metadata": {"name": "x"}})

    assert (code, problem in status["message"]) == (422, True), status


@needs_modern
def test_lists_of_stored_kinds_merge_by_their_keys(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-f", "-", stdin=INSTALLATION.replace("NS", namespace))

    kubectl("set", "image", "-n", namespace, "cronjob/backup", "a=new")

    path = "jsonpath={.spec.jobTemplate.spec.template.spec.containers[*].image}"
    assert kubectl("get", "cronjob", "backup", "-n", namespace, "-o", path) == "new b"


def test_an_autoscaler_is_the_same_in_both_of_its_versions(
    server: ServerProcess, namespace: str
) -> None:
    def path(version: str, name: str = "") -> str:
        plural = f"namespaces/{namespace}/horizontalpodautoscalers"
        return f"/apis/autoscaling/{version}/{plural}{name}"

    reference = {"kind": "Deployment", "name": "a", "apiVersion": "apps/v1"}
    spec = {"scaleTargetRef": reference, "maxReplicas": 3, "minReplicas": 1}
    share = {"targetCPUUtilizationPercentage": 50}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    memory = {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}
    metrics = [{"type": "Resource", "resource": cpu}, {"type": "Resource", "resource": memory}]

    server.request("POST", path("v1"), {"metadata": {"name": "old"}, "spec": {**spec, **share}})
    server.request(
        "POST", path("v2"), {"metadata": {"name": "new"}, "spec": {**spec, "metrics": metrics}}
    )
    _, new_as_v1 = server.request("GET", path("v1", "/new"))
    server.request("PUT", path("v1", "/new"), new_as_v1)

    assert server.request("GET", path("v1", "/old"))[1]["spec"] == {**spec, **share}
    _, old_as_v2 = server.request("GET", path("v2", "/old"))
    assert old_as_v2["spec"] == {**spec, "metrics": metrics[:1]}
    assert new_as_v1["spec"] == {**spec, **share}
    _, new = server.request("GET", path("v2", "/new"))
    assert (new["spec"], new["metadata"].get("annotations")) == (
        {**spec, "metrics": metrics},
        None,
    )


def test_they_go_with_their_namespace(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-f", "-", stdin=INSTALLATION.replace("NS", namespace))

    kubectl("delete", "namespace", namespace, "--timeout=20s")

    left = kubectl("get", "stored-only", "-n", namespace, "-o=name")
    assert left == ""


@needs_modern
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("get", "events.events.k8s.io"), "Events are served in v1 alone"),
        (("get", "componentstatuses"), "see ciliate status"),
    ],
)
def test_what_is_refused_says_why(
    kubectl: Kubectl, arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in kubectl(*arguments, check=False)


def test_a_token_that_somebody_has_is_not_known(server: ServerProcess) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"

    code, review = server.request("POST", path, {"spec": {"token": "abc"}})

    assert (code, review["status"]["authenticated"]) == (201, False)


def test_a_secret_for_a_token_says_that_none_comes(server: ServerProcess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    token = {"metadata": {"name": "t"}, "type": "kubernetes.io/service-account-token"}

    told = server.exchange("POST", path, token).warnings
    untold = server.exchange("POST", path, {"metadata": {"name": "o"}}).warnings

    assert ["no token is put into" in text for text in told] == [True]
    assert untold == []


def test_explain_says_that_a_kind_is_stored_only(kubectl: Kubectl) -> None:
    text = " ".join(kubectl("explain", "ingress").split())

    assert "Ingress is stored only, nothing in a lab acts on it: no ingress controller" in text


@needs_modern
def test_apply_prunes_what_the_manifest_left_out(kubectl: Kubectl, namespace: str) -> None:
    maps = "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: a}}}}\n"
        for name in ("kept", "dropped")
    )
    prune = ("apply", "-n", namespace, "--prune", "-l", "set=a", "-f", "-")
    kubectl(*prune, stdin=maps)

    pruned = kubectl(*prune, stdin=maps.split("---\n")[0])

    assert "configmap/dropped pruned" in pruned
    assert kubectl("get", "cm", "-n", namespace, "-l", "set=a", "-o=name") == "configmap/kept\n"


def test_cluster_info_dump_lists_every_kind_it_asks_for(kubectl: Kubectl) -> None:
    dumped = kubectl("cluster-info", "dump", "--namespaces=default")

    for kind in ("NodeList", "EventList", "ReplicationControllerList", "DeploymentList"):
        assert f'"kind": "{kind}"' in dumped
