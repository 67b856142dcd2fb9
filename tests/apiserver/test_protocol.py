"""The API's protocol, request by request: errors, watches, and input that no client sends by accident."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from .conftest import DEADLINE_S, ServerProcess


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def watch_lines(server: ServerProcess, path: str, count: int) -> list[dict[str, Any]]:
    """Return the first events of a watch."""
    url = f"{server.url}{path}"
    with urllib.request.urlopen(url, context=server.context(), timeout=DEADLINE_S) as stream:
        return [json.loads(stream.readline()) for _ in range(count)]


@pytest.mark.parametrize("path", ["/api", "/readyz", "/api/v1/pods", "/openapi/v3", "/nowhere"])
def test_a_client_without_certificate_or_token_is_refused(
    server: ServerProcess, path: str
) -> None:
    answer = server.exchange("GET", path, token="")

    assert (answer.code, answer.body["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"{not json", 400, "BadRequest"),
        (b"[]", 400, "BadRequest"),
        (b'"text"', 400, "BadRequest"),
        (b'{"metadata": []}', 400, "BadRequest"),
        (b'{"metadata": {"name": 5}}', 400, "BadRequest"),
        (b'{"metadata": {"name": "x", "labels": {"a": 5}}}', 400, "BadRequest"),
        (b'{"metadata": {}}', 422, "Invalid"),
        (b'{"metadata": {"name": "a"}, "kind": "Secret", "apiVersion": "v1"}', 400, "BadRequest"),
        (b'{"metadata": {"name": "a", "namespace": "other"}}', 400, "BadRequest"),
        (b'{"metadata": {"name": "a"}, "data": {"k": 5}}', 400, "BadRequest"),
        (b'{"metadata": {"name": "a", "resourceVersion": "5"}}', 400, "BadRequest"),
        (b'{"metadata": {"name": "a", "labels": {"a b": "c"}}}', 422, "Invalid"),
        (b'{"metadata": {"name": "a", "ownerReferences": [{}]}}', 422, "Invalid"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "BadRequest"),
        (b'{"data": {"a": "' + b"x" * (3 * 1024 * 1024) + b'"}}', 413, "RequestEntityTooLarge"),
    ],
)
def test_bad_bodies_are_refused_with_a_reason(
    server: ServerProcess, body: bytes, code: int, reason: str
) -> None:
    got, status = server.request("POST", maps("default"), body)

    assert (got, status["reason"], status["kind"]) == (code, reason, "Status")
    assert status["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/apis/none.example.org/v1/things", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/things", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/configmaps/none", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/configmaps/none/status", 404, "NotFound"),
        ("GET", "/api/v1/configmaps?fieldSelector=data.a%3Db", 400, "BadRequest"),
        ("GET", "/api/v1/configmaps?labelSelector=a%20b%20c", 400, "BadRequest"),
        ("GET", "/api/v1/configmaps?continue=nonsense", 400, "BadRequest"),
        ("GET", "/api/v1/configmaps?limit=many", 400, "BadRequest"),
        ("GET", "/api/v1/configmaps?resourceVersion=new", 400, "BadRequest"),
        ("GET", "/api/v1/configmaps?resourceVersion=99999999", 504, "Timeout"),
        ("POST", "/api/v1/configmaps", 405, "MethodNotAllowed"),
        ("DELETE", "/version", 405, "MethodNotAllowed"),
        ("GET", "/nothing", 404, "NotFound"),
        ("DELETE", "/api/v1/namespaces/kube-system", 403, "Forbidden"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(
    server: ServerProcess, method: str, path: str, code: int, reason: str
) -> None:
    got, status = server.request(method, path, {} if method == "POST" else None)

    assert (got, status["reason"]) == (code, reason)


def test_an_object_in_a_namespace_that_does_not_exist_is_refused(server: ServerProcess) -> None:
    code, status = server.request("POST", maps("nowhere"), config_map("a"))

    assert (code, status["message"]) == (404, 'namespaces "nowhere" not found')


def test_an_object_that_exists_is_not_created_again(server: ServerProcess, namespace: str) -> None:
    server.request("POST", maps(namespace), config_map("a"))

    code, status = server.request("POST", maps(namespace), config_map("a"))

    assert (code, status["reason"]) == (409, "AlreadyExists")
    assert status["message"] == 'configmaps "a" already exists'


def test_the_same_content_again_makes_no_new_version(
    server: ServerProcess, namespace: str
) -> None:
    _, made = server.request("POST", maps(namespace), config_map("a", k="v"))

    _, put = server.request("PUT", maps(namespace, "a"), config_map("a", k="v"))

    assert put["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_json_patches_test_and_fail_whole(server: ServerProcess, namespace: str) -> None:
    server.request("POST", maps(namespace), config_map("a", k="v"))
    patch = [
        {"op": "replace", "path": "/data/k", "value": "w"},
        {"op": "test", "path": "/data/k", "value": "no"},
    ]

    code, status = server.request(
        "PATCH", maps(namespace, "a"), patch, content_type="application/json-patch+json"
    )

    _, now = server.request("GET", maps(namespace, "a"))
    assert (code, status["reason"], now["data"]) == (422, "Invalid", {"k": "v"})


def test_an_unknown_patch_format_is_refused(server: ServerProcess, namespace: str) -> None:
    server.request("POST", maps(namespace), config_map("a"))

    code, status = server.request("PATCH", maps(namespace, "a"), {}, content_type="text/plain")

    assert (code, status["reason"]) == (415, "UnsupportedMediaType")


def test_a_deletion_with_another_uid_conflicts(server: ServerProcess, namespace: str) -> None:
    server.request("POST", maps(namespace), config_map("a"))

    options = {"preconditions": {"uid": "another"}}
    code, status = server.request("DELETE", maps(namespace, "a"), options)

    assert (code, status["reason"]) == (409, "Conflict")


def test_finalizers_hold_an_object_until_they_are_gone(
    server: ServerProcess, namespace: str
) -> None:
    held = {"metadata": {"name": "a", "finalizers": ["example.org/hold"]}}
    server.request("POST", maps(namespace), held)

    _, deleting = server.request("DELETE", maps(namespace, "a"))
    release: dict[str, Any] = {"metadata": {"finalizers": []}}
    code, _ = server.request(
        "PATCH", maps(namespace, "a"), release, content_type="application/merge-patch+json"
    )

    assert deleting["metadata"]["deletionTimestamp"]
    assert code == 200
    assert server.request("GET", maps(namespace, "a"))[0] == 404


def test_a_watch_list_sends_what_is_there_and_says_where_it_ends(
    server: ServerProcess, namespace: str
) -> None:
    server.request("POST", maps(namespace), config_map("a"))
    query = "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
    query += "&resourceVersionMatch=NotOlderThan"

    added, _authority, bookmark = watch_lines(server, maps(namespace) + query, 3)

    assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "a")
    assert bookmark["type"] == "BOOKMARK"
    annotations = bookmark["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_a_watch_ends_in_time_with_a_bookmark(server: ServerProcess, namespace: str) -> None:
    _, listed = server.request("GET", maps(namespace))
    version = listed["metadata"]["resourceVersion"]
    query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion={version}"

    (bookmark,) = watch_lines(server, maps(namespace) + query, 1)

    assert bookmark["type"] == "BOOKMARK"
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= int(version)


@pytest.mark.parametrize(
    ("path", "zero"),
    [
        ("/api/v1/pods", {"spec": {"containers": None}, "status": {}}),
        ("/api/v1/namespaces", {"spec": {}, "status": {}}),
        (
            "/apis/discovery.k8s.io/v1/endpointslices",
            {"addressType": "", "endpoints": None, "ports": None},
        ),
    ],
)
def test_a_bookmark_is_an_empty_object_of_its_kind(
    server: ServerProcess, path: str, zero: dict[str, Any]
) -> None:
    """As Go writes one: lists are null."""
    query = "?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=1"
    lines = watch_lines(server, path + query, 1)
    while lines[-1]["type"] != "BOOKMARK":
        lines = watch_lines(server, path + query, len(lines) + 1)

    shown = lines[-1]["object"]
    assert shown.pop("metadata").keys() == {"resourceVersion", "creationTimestamp"}
    assert shown.pop("kind")
    assert shown.pop("apiVersion")
    assert shown == zero


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("watch=1&sendInitialEvents=true", "requires setting resourceVersionMatch"),
        (
            "watch=1&sendInitialEvents=true&resourceVersionMatch=Exact",
            "requires setting resourceVersionMatch to NotOlderThan",
        ),
        ("watch=1&resourceVersionMatch=NotOlderThan", "unless sendInitialEvents is provided"),
        ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "is forbidden for list"),
    ],
)
def test_a_watch_list_is_refused_as_by_the_real_server(
    server: ServerProcess, namespace: str, query: str, problem: str
) -> None:
    code, status = server.request("GET", f"{maps(namespace)}?{query}")

    assert (code, status["reason"]) == (422, "Invalid")
    assert problem in status["message"]


def test_a_watch_that_wants_no_initial_events_begins_with_the_next_change(
    server: ServerProcess, namespace: str
) -> None:
    server.request("POST", maps(namespace), config_map("a"))
    query = "?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    query += "&allowWatchBookmarks=true&timeoutSeconds=1"

    (first,) = watch_lines(server, maps(namespace) + query, 1)

    assert first["type"] == "BOOKMARK"
    assert "annotations" not in first["object"]["metadata"]


def test_tables_carry_the_metadata_of_their_rows(server: ServerProcess, namespace: str) -> None:
    server.request("POST", maps(namespace), config_map("a", k="v"))

    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    _, table = server.request("GET", maps(namespace), accept=accept)

    assert table["kind"] == "Table"
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 1]
    assert table["rows"][0]["object"]["metadata"]["name"] == "a"


def test_services_do_not_share_addresses_or_node_ports(
    server: ServerProcess, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    spec = {"type": "NodePort", "ports": [{"port": 80}]}
    _, one = server.request("POST", path, {"metadata": {"name": "one"}, "spec": spec})
    taken_port = [{"port": 80, "nodePort": one["spec"]["ports"][0]["nodePort"]}]
    taken_address = {"clusterIP": one["spec"]["clusterIP"], "ports": [{"port": 80}]}

    port_code, port_status = server.request(
        "POST", path, {"metadata": {"name": "two"}, "spec": {**spec, "ports": taken_port}}
    )
    ip_code, ip_status = server.request(
        "POST", path, {"metadata": {"name": "two"}, "spec": taken_address}
    )
    server.request("DELETE", f"{path}/one")
    again, _ = server.request("POST", path, {"metadata": {"name": "two"}, "spec": taken_address})

    assert (port_code, ip_code, again) == (422, 422, 201)
    assert "provided port is already allocated" in port_status["message"]
    assert "provided IP is already allocated" in ip_status["message"]


def test_a_pods_specification_is_fixed_once_made(server: ServerProcess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "c", "image": "x"}]}
    server.request("POST", path, {"metadata": {"name": "p"}, "spec": spec})
    merge = "application/merge-patch+json"

    moved, status = server.request(
        "PATCH", f"{path}/p", {"spec": {"nodeName": "n"}}, content_type=merge
    )
    image = {"spec": {"containers": [{"name": "c", "image": "y"}]}}
    strategic = "application/strategic-merge-patch+json"
    updated, _ = server.request("PATCH", f"{path}/p", image, content_type=strategic)

    assert (moved, updated) == (422, 200)
    assert "pod updates may not change fields other than" in status["message"]


def test_openapi_has_the_lists_of_all_namespaces(server: ServerProcess) -> None:
    """There kubectl 1.27 looks for the kind behind a resource's name."""
    for document, path, kind in (
        ("api/v1", "/api/v1/pods", "Pod"),
        ("api/v1", "/api/v1/nodes", "Node"),
        ("apis/apps/v1", "/apis/apps/v1/deployments", "Deployment"),
    ):
        _, found = server.request("GET", f"/openapi/v3/{document}")

        described = found["paths"][path]["get"]["x-kubernetes-group-version-kind"]
        assert described["kind"] == kind


@pytest.mark.parametrize(
    "path", ["/api/v1/namespaces/default", "/api/v1/pods", "/apis", "/api/v1/pods/none"]
)
def test_answers_are_lines(server: ServerProcess, path: str) -> None:
    """Clients show an error's body as it is, one after the other."""
    request = urllib.request.Request(f"{server.url}{path}")
    try:
        with urllib.request.urlopen(request, context=server.context()) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()

    assert body.endswith(b"}\n")
