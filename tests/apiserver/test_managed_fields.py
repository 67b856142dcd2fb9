"""Who set which fields: over the wire, and as kubectl shows it and moves between its two applies."""

import json
from collections.abc import Callable
from typing import Any

from .conftest import ServerProcess

Kubectl = Callable[..., str]

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        },
    },
}


def deployment(**spec: Any) -> str:
    return json.dumps({**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], **spec}})


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def managers(obj: dict[str, Any]) -> list[tuple[str, str, str]]:
    entries = obj["metadata"].get("managedFields", ())
    return [(e["manager"], e["operation"], e.get("subresource", "")) for e in entries]


def shown(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    get = ("get", "deploy/web", "-n", namespace, "-o", "json", "--show-managed-fields")
    found: dict[str, Any] = json.loads(kubectl(*get))
    return found


def test_writes_are_known_by_parameter_or_user_agent(
    server: ServerProcess, namespace: str
) -> None:
    obj = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    _, made = server.request("POST", maps(namespace), obj)
    change = {"data": {"b": "2"}}
    path = f"{maps(namespace, 'c')}?fieldManager=me"
    _, changed = server.request("PATCH", path, change, content_type=MERGE)
    _, replaced = server.request("PUT", f"{path}2", {**obj, "data": {"a": "3", "b": "2"}})

    entry = made["metadata"]["managedFields"][0]
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "manager": "Python-urllib",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {".": {}, "f:a": {}}},
    }
    fields = {e["manager"]: e["fieldsV1"] for e in changed["metadata"]["managedFields"]}
    assert fields["me"] == {"f:data": {"f:b": {}}}
    fields = {e["manager"]: e["fieldsV1"] for e in replaced["metadata"]["managedFields"]}
    assert fields == {
        "Python-urllib": {"f:data": {}},
        "me": {"f:data": {"f:b": {}}},
        "me2": {"f:data": {"f:a": {}}},
    }


def test_what_a_client_sends_back_changes_no_owner_and_one_empty_entry_forgets_them(
    server: ServerProcess, namespace: str
) -> None:
    obj = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    _, made = server.request("POST", maps(namespace), obj)

    _, same = server.request("PUT", f"{maps(namespace, 'c')}?fieldManager=other", made)
    _, without = server.request("PUT", f"{maps(namespace, 'c')}?fieldManager=other", obj)
    forget: dict[str, Any] = {"metadata": {"managedFields": [{}]}}
    _, gone = server.request("PATCH", maps(namespace, "c"), forget, content_type=MERGE)

    assert same == made == without
    assert "managedFields" not in gone["metadata"]
    assert gone["data"] == {"a": "1"}


def test_managed_fields_are_in_lists_watches_and_deletions(
    server: ServerProcess, namespace: str
) -> None:
    held = {"metadata": {"name": "c", "finalizers": ["example.org/hold"]}}
    _, made = server.request("POST", maps(namespace), held)
    partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

    _, listed = server.request("GET", maps(namespace))
    _, metadata = server.request("GET", maps(namespace), accept=partial)
    _, deleting = server.request("DELETE", maps(namespace, "c"))

    assert listed["items"][0]["metadata"] == made["metadata"] == metadata["items"][0]["metadata"]
    assert deleting["metadata"]["managedFields"] == made["metadata"]["managedFields"]


def test_a_deployments_maker_has_the_fields_of_a_real_one(
    server: ServerProcess, namespace: str
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    _, made = server.request("POST", path, DEPLOYMENT)

    (entry,) = made["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {
        "f:spec": {
            "f:progressDeadlineSeconds": {},
            "f:replicas": {},
            "f:revisionHistoryLimit": {},
            "f:selector": {},
            "f:strategy": {
                "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
                "f:type": {},
            },
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"c"}': {
                            ".": {},
                            "f:image": {},
                            "f:imagePullPolicy": {},
                            "f:name": {},
                            "f:resources": {},
                            "f:terminationMessagePath": {},
                            "f:terminationMessagePolicy": {},
                        }
                    },
                    "f:dnsPolicy": {},
                    "f:restartPolicy": {},
                    "f:schedulerName": {},
                    "f:securityContext": {},
                    "f:terminationGracePeriodSeconds": {},
                },
            },
        }
    }


def test_what_the_server_makes_at_its_start_is_its_own(server: ServerProcess) -> None:
    _, space = server.request("GET", "/api/v1/namespaces/default")
    _, service = server.request("GET", "/api/v1/namespaces/default/services/kubernetes")

    assert managers(space) == managers(service) == [("kube-apiserver", "Update", "")]


def test_an_apply_needs_a_manager_and_no_entries_of_its_own(
    server: ServerProcess, namespace: str
) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    path = maps(namespace, "c")

    code, status = server.request("PATCH", path, obj, content_type=APPLY)
    long = f"{path}?fieldManager={'m' * 129}"
    long_code, long_status = server.request("PATCH", long, obj, content_type=APPLY)
    entries = {**obj, "metadata": {"name": "c", "managedFields": [{"manager": "m"}]}}
    own_code, own_status = server.request(
        "PATCH", f"{path}?fieldManager=m", entries, content_type=APPLY
    )
    force, force_status = server.request("PATCH", f"{path}?force=true", {}, content_type=MERGE)

    assert (code, long_code, own_code, force) == (422, 422, 400, 404)
    assert "fieldManager: Required value: is required for apply patch" in status["message"]
    assert "fieldManager: Too long: may not be more than 128 bytes" in long_status["message"]
    assert own_status["message"] == "metadata.managedFields must be nil"
    assert force_status["reason"] == "NotFound"


def test_kubectl_shows_managers_only_when_asked(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "-n", namespace, "-f", "-", stdin=deployment())

    plain = kubectl("get", "deploy/web", "-n", namespace, "-o", "yaml")

    assert "managedFields" not in plain
    assert managers(shown(kubectl, namespace)) == [("kubectl-create", "Update", "")]


def test_scaling_is_seen_by_the_one_who_applies(kubectl: Kubectl, namespace: str) -> None:
    apply = ("apply", "--server-side", "-n", namespace, "--field-manager=me", "-f", "-")
    kubectl(*apply, stdin=deployment(replicas=1))
    kubectl("scale", "deploy/web", "--replicas=3", "-n", namespace)

    refused = kubectl(*apply, stdin=deployment(replicas=1), check=False)
    kubectl(*apply, stdin=deployment())

    assert 'conflict with "kubectl" with subresource "scale" using apps/v1' in refused
    assert ".spec.replicas" in refused
    now = shown(kubectl, namespace)
    assert now["spec"]["replicas"] == 3
    assert ("kubectl", "Update", "scale") in managers(now)


def test_kubectl_moves_from_client_side_to_server_side_apply_and_removes_what_it_left(
    kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=deployment(replicas=2, paused=True))
    assert ("kubectl-client-side-apply", "Update", "") in managers(shown(kubectl, namespace))

    server_side = ("apply", "--server-side", "-n", namespace, "-f", "-")
    kubectl(*server_side, stdin=deployment(replicas=3, paused=True))
    kubectl(*server_side, stdin=deployment(replicas=3))

    now = shown(kubectl, namespace)
    assert now["spec"]["replicas"] == 3
    assert "paused" not in now["spec"]
    # The second holds the annotation that client-side apply reads.
    assert set(managers(now)) <= {("kubectl", "Apply", ""), ("kubectl-last-applied", "Apply", "")}


def test_a_status_is_applied_through_its_own_path(server: ServerProcess, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    server.request("PATCH", f"{path}?fieldManager=me", DEPLOYMENT, content_type=APPLY)
    status = {**DEPLOYMENT, "status": {"replicas": 7}}

    _, ignored = server.request("PATCH", f"{path}?fieldManager=me", status, content_type=APPLY)
    _, applied = server.request(
        "PATCH", f"{path}/status?fieldManager=me", status, content_type=APPLY
    )

    assert "replicas" not in ignored["status"]
    assert applied["status"]["replicas"] == 7
    assert managers(applied) == [("me", "Apply", ""), ("me", "Apply", "status")]
    own = applied["metadata"]["managedFields"][1]["fieldsV1"]
    assert own == {"f:status": {"f:replicas": {}}}


def test_a_scale_is_applied(server: ServerProcess, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    server.request("POST", f"{path}?fieldManager=maker", DEPLOYMENT)
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "web"},
        "spec": {"replicas": 4},
    }

    refused, _ = server.request(
        "PATCH", f"{path}/web/scale?fieldManager=me", scale, content_type=APPLY
    )
    code, got = server.request(
        "PATCH", f"{path}/web/scale?fieldManager=me&force=true", scale, content_type=APPLY
    )

    _, now = server.request("GET", f"{path}/web")
    assert (refused, code, got["kind"], now["spec"]["replicas"]) == (409, 200, "Scale", 4)
    assert ("me", "Apply", "scale") in managers(now)
