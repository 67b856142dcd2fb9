"""PUT by kind: which objects it makes, and which it replaces in a version that it names alone."""

from typing import Any

import pytest

from .conftest import ServerProcess

RBAC = "apis/rbac.authorization.k8s.io/v1"
ROLE = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}}

Case = tuple[str, str, bool, dict[str, Any]]

MADE: list[Case] = [
    ("api/v1", "services", True, {"spec": {"ports": [{"port": 80}]}}),
    ("api/v1", "endpoints", True, {"subsets": []}),
    ("api/v1", "limitranges", True, {"spec": {"limits": []}}),
    ("apis/coordination.k8s.io/v1", "leases", True, {"spec": {"holderIdentity": "a"}}),
    (RBAC, "roles", True, {"rules": []}),
    (RBAC, "rolebindings", True, ROLE),
    (RBAC, "clusterroles", False, {"rules": []}),
    (RBAC, "clusterrolebindings", False, ROLE),
    ("apis/node.k8s.io/v1", "runtimeclasses", False, {"handler": "a"}),
]
NOT_MADE: list[Case] = [
    ("api/v1", "configmaps", True, {"data": {}}),
    ("api/v1", "secrets", True, {"data": {}}),
    ("api/v1", "serviceaccounts", True, {}),
    ("api/v1", "pods", True, {"spec": {"containers": [{"name": "c", "image": "x"}]}}),
    ("api/v1", "nodes", False, {}),
    ("api/v1", "namespaces", False, {}),
    ("apis/networking.k8s.io/v1", "networkpolicies", True, {"spec": {"podSelector": {}}}),
    ("apis/scheduling.k8s.io/v1", "priorityclasses", False, {"value": 1}),
]


def path_of(namespace: str, group: str, plural: str, *, namespaced: bool) -> str:
    place = f"namespaces/{namespace}/" if namespaced else ""
    return f"/{group}/{place}{plural}/by-put"


@pytest.mark.parametrize("case", MADE, ids=lambda case: case[1])
def test_a_put_makes_objects_of_some_kinds(
    server: ServerProcess, namespace: str, case: Case
) -> None:
    group, plural, namespaced, obj = case
    path = path_of(namespace, group, plural, namespaced=namespaced)
    body = {"metadata": {"name": "by-put", "resourceVersion": "1"}, **obj}

    code, made = server.request("PUT", path, body)
    found, _ = server.request("GET", path)
    stale = {**made, "metadata": {**made["metadata"], "uid": "another"}}
    server.request("DELETE", path)
    refused, status = server.request("PUT", path, stale)

    assert (code, found) == (201, 200), made
    assert made["metadata"]["managedFields"][0]["operation"] == "Update"
    assert (refused, "UID in precondition: another" in status["message"]) == (409, True)


@pytest.mark.parametrize("case", NOT_MADE, ids=lambda case: case[1])
def test_a_put_of_other_kinds_finds_nothing(
    server: ServerProcess, namespace: str, case: Case
) -> None:
    group, plural, namespaced, obj = case
    path = path_of(namespace, group, plural, namespaced=namespaced)

    code, status = server.request("PUT", path, {"metadata": {"name": "by-put"}, **obj})

    assert (code, status["reason"]) == (404, "NotFound")


def test_a_put_of_a_status_makes_nothing(server: ServerProcess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/none/status"

    code, _ = server.request("PUT", path, {"metadata": {"name": "none"}, "status": {}})

    assert code == 404


def test_some_kinds_are_replaced_in_a_version_that_is_named(
    server: ServerProcess, namespace: str
) -> None:
    base = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "a"}}
    _, made = server.request("POST", base, lease)

    code, status = server.request("PUT", f"{base}/a", lease)
    replaced, _ = server.request("PUT", f"{base}/a", made)

    words = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
    assert (code, words in status["message"]) == (422, True)
    assert replaced == 200
