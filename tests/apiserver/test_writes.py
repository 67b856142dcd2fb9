"""What a write keeps, and what is refused, in the real server's words and without secrets."""

import base64
import json
from typing import Any

import pytest

from .conftest import ServerProcess

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
TEMPLATE = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}
WORKLOAD = {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}

MANIFESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("api/v1", "configmaps", {"data": {"a": "1"}}),
    ("api/v1", "secrets", {"type": "example.org/kind", "data": {"a": "YQ=="}}),
    ("api/v1", "serviceaccounts", {}),
    ("api/v1", "services", {"spec": {"type": "NodePort", "ports": [{"port": 80}]}}),
    ("api/v1", "endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}),
    ("apis/apps/v1", "deployments", {"spec": WORKLOAD}),
    ("apis/apps/v1", "replicasets", {"spec": WORKLOAD}),
    ("apis/apps/v1", "daemonsets", {"spec": WORKLOAD}),
    ("apis/apps/v1", "statefulsets", {"spec": {**WORKLOAD, "serviceName": "x"}}),
    ("apis/networking.k8s.io/v1", "networkpolicies", {"spec": {"podSelector": {}}}),
]


def place(group: str, namespace: str, plural: str, name: str = "") -> str:
    return f"/{group}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def text(size: int) -> str:
    return "x" * size


@pytest.mark.parametrize(("group", "plural", "content"), MANIFESTS, ids=lambda v: str(v)[:40])
def test_a_replacement_by_what_made_the_object_changes_nothing(
    server: ServerProcess, namespace: str, group: str, plural: str, content: dict[str, Any]
) -> None:
    manifest = {"metadata": {"name": "a"}, **content}
    _, made = server.request("POST", place(group, namespace, plural), manifest)
    status = {"metadata": {"name": "a"}, "status": {"replicas": 3}}
    path = place(group, namespace, plural, "a")
    server.request("PATCH", f"{path}/status", status, content_type=MERGE)
    _, before = server.request("GET", path)

    code, put = server.request("PUT", path, {**manifest, "status": {"replicas": 9}})

    assert (code, put) == (200, before)
    assert put["metadata"]["uid"] == made["metadata"]["uid"]


def test_a_replacement_keeps_a_secrets_type_and_a_namespaces_finalizers(
    server: ServerProcess, namespace: str
) -> None:
    path = place("api/v1", namespace, "secrets")
    secret = {"metadata": {"name": "s"}, "type": "kubernetes.io/basic-auth"}
    server.request("POST", path, secret)

    _, kept = server.request("PUT", f"{path}/s", {"metadata": {"name": "s"}})
    code, refused = server.request("PUT", f"{path}/s", {**secret, "type": "Opaque"})
    _, space = server.request(
        "PUT", f"/api/v1/namespaces/{namespace}", {"metadata": {"name": namespace}}
    )

    assert kept["type"] == "kubernetes.io/basic-auth"
    assert (code, refused["details"]["causes"][0]["field"]) == (422, "type")
    assert space["spec"] == {"finalizers": ["kubernetes"]}
    assert space["status"] == {"phase": "Active"}


def test_a_deletion_gets_no_new_finalizers(server: ServerProcess, namespace: str) -> None:
    path = place("api/v1", namespace, "configmaps")
    held = {"metadata": {"name": "c", "finalizers": ["example.org/hold"]}}
    server.request("POST", path, held)
    server.request("DELETE", f"{path}/c")

    more = {"metadata": {"finalizers": ["example.org/hold", "example.org/more"]}}
    code, status = server.request("PATCH", f"{path}/c", more, content_type=MERGE)

    assert code == 422
    assert 'found new finalizers []string{"example.org/more"}' in status["message"]


@pytest.mark.parametrize(
    ("plural", "content", "at"),
    [
        ("secrets", {"data": {"password": "not base64!"}}, 3),
        ("secrets", {"data": {"password": "YWI"}}, 0),
        ("configmaps", {"binaryData": {"file": "YWI=*"}}, 4),
    ],
)
def test_what_is_no_base64_is_refused_without_being_shown(
    server: ServerProcess, namespace: str, plural: str, content: dict[str, Any], at: int
) -> None:
    path = place("api/v1", namespace, plural)

    code, status = server.request("POST", path, {"metadata": {"name": "s"}, **content})

    kind = {"secrets": "Secret", "configmaps": "ConfigMap"}[plural]
    assert (code, status["reason"]) == (400, "BadRequest")
    assert status["message"] == (
        f'{kind} in version "v1" cannot be handled as a {kind}: illegal base64 data at input byte '
        f"{at}"
    )


def test_base64_in_lines_is_stored_in_one(server: ServerProcess, namespace: str) -> None:
    secret = {"metadata": {"name": "s"}, "data": {"a": "aGVs\nbG8=\n"}}

    _, made = server.request("POST", place("api/v1", namespace, "secrets"), secret)

    assert made["data"] == {"a": "aGVsbG8="}


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("plural", "content", "field"),
    [
        ("configmaps", {"data": {"a": text(MIB // 2), "b": text(MIB // 2 + 1)}}, "[]"),
        (
            "configmaps",
            {"data": {"a": "x"}, "binaryData": {"b": base64.b64encode(b"x" * MIB).decode()}},
            "[]",
        ),
        ("secrets", {"data": {"a": base64.b64encode(b"x" * (MIB + 1)).decode()}}, "data"),
        ("secrets", {"stringData": {"a": text(MIB + 1)}}, "data"),
    ],
)
def test_data_beyond_a_mebibyte_is_refused(
    server: ServerProcess, namespace: str, plural: str, content: dict[str, Any], field: str
) -> None:
    path = place("api/v1", namespace, plural)

    code, status = server.request("POST", path, {"metadata": {"name": "a"}, **content})

    assert (code, status["reason"]) == (422, "Invalid")
    assert f"{field}: Too long: may not be more than 1048576 bytes" in status["message"]
    assert "xxx" not in json.dumps(status)


def test_data_of_a_mebibyte_is_stored(server: ServerProcess, namespace: str) -> None:
    secret = {
        "metadata": {"name": "s"},
        "data": {"a": base64.b64encode(b"x" * MIB).decode()},
    }

    code, _ = server.request("POST", place("api/v1", namespace, "secrets"), secret)

    assert code == 201


def test_an_object_beyond_etcds_limit_is_refused_and_changes_nothing(
    server: ServerProcess, namespace: str
) -> None:
    path = place("api/v1", namespace, "pods")
    small = {"name": "c", "image": "x"}
    large = {**small, "env": [{"name": "A", "value": text(1_600_000)}]}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [large]}}

    code, status = server.request("POST", path, pod)
    absent, _ = server.request("GET", f"{path}/p")
    after, _ = server.request("POST", path, {**pod, "spec": {"containers": [small]}})

    assert (code, status["message"]) == (500, "etcdserver: request is too large")
    assert "reason" not in status
    assert (absent, after) == (404, 201)


@pytest.mark.parametrize(
    ("operation", "code", "words"),
    [
        (
            {"op": "test", "path": "/data/a", "value": "no"},
            422,
            "testing value /data/a failed: test failed",
        ),
        ({"op": "remove", "path": "/data/b"}, 422, "remove operation does not apply"),
        ({"op": "replace", "path": "/data/b", "value": "x"}, 422, "replace operation does not"),
        ({"op": "add", "path": "/data/a/b", "value": "x"}, 422, "add operation does not apply"),
        ({"op": "copy", "from": "/data/x", "path": "/data/y"}, 422, "copy operation does not"),
        ({"op": "move", "from": "/nope/x", "path": "/data/y"}, 422, "move operation does not"),
        ({"op": "test", "path": "/data/a/0/x", "value": 1}, 422, "/data/a/0/x"),
        ({"op": "remove", "path": 5}, 422, "5"),
        ({"op": "add", "path": "/data/c"}, 422, "RFC 6902"),
        ({"op": "launch", "path": "/data/a"}, 422, "launch"),
        ("remove", 400, "must be an object"),
    ],
)
def test_a_json_patch_that_fails_names_the_place_and_shows_no_data(
    server: ServerProcess, namespace: str, operation: Any, code: int, words: str
) -> None:
    path = place("api/v1", namespace, "secrets")
    hidden = base64.b64encode(b"hidden").decode()
    server.request("POST", path, {"metadata": {"name": "s"}, "data": {"a": hidden}})

    got, status = server.request("PATCH", f"{path}/s", [operation], content_type=JSON_PATCH)

    assert got == code
    assert words in status["message"]
    assert hidden not in json.dumps(status)


def test_a_service_says_which_of_its_ports_and_addresses_contradict(
    server: ServerProcess, namespace: str
) -> None:
    path = place("api/v1", namespace, "services")
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 80}]
    spec = {"ports": ports, "clusterIP": "10.96.0.99", "clusterIPs": ["10.96.0.98"]}

    code, status = server.request("POST", path, {"metadata": {"name": "s"}, "spec": spec})

    assert code == 422
    assert 'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}' in status["message"]
    assert "first value must match `clusterIP`" in status["message"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}, "data[tls.key]: Required value"),
        ({"data": {"..": ""}}, "must not be '..'"),
        ({"data": {"..a": ""}}, "must not start with '..'"),
        ({"data": {"a" * 254: ""}}, "must be no more than 253 characters"),
    ],
)
def test_a_secret_has_the_data_and_keys_that_its_users_count_on(
    server: ServerProcess, namespace: str, content: dict[str, Any], words: str
) -> None:
    path = place("api/v1", namespace, "secrets")

    code, status = server.request("POST", path, {"metadata": {"name": "s"}, **content})

    assert code == 422
    assert words in status["message"]
