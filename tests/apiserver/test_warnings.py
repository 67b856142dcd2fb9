"""What answers say beside their result: repeated and unknown fields, and what will not work."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ServerProcess

Kubectl = Callable[..., str]

DUPLICATE = b'{"metadata":{"name":"c"},"data":{"a":"1","a":"2"},"dta":{}}'
PROBLEMS = ['duplicate field "data.a"', 'unknown field "dta"']


def maps(namespace: str, query: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps{query}"


@pytest.mark.parametrize("query", ["", "?fieldValidation=Warn"])
def test_repeated_and_unknown_fields_are_warned_of(
    server: ServerProcess, namespace: str, query: str
) -> None:
    answer = server.exchange("POST", maps(namespace, query), DUPLICATE)

    assert (answer.code, answer.warnings) == (201, PROBLEMS)
    assert answer.body["data"] == {"a": "2"}
    assert "dta" not in answer.body


def test_nothing_is_said_of_them_when_the_client_ignores_them(
    server: ServerProcess, namespace: str
) -> None:
    answer = server.exchange("POST", maps(namespace, "?fieldValidation=Ignore"), DUPLICATE)

    assert (answer.code, answer.warnings) == (201, [])


@pytest.mark.parametrize(
    ("way", "body", "words"),
    [
        ("POST application/json", DUPLICATE, ", ".join(PROBLEMS)),
        ("PUT application/json", DUPLICATE, ", ".join(PROBLEMS)),
        ("PATCH application/merge-patch+json", b'{"data":{"a":"1","a":"2"}}', PROBLEMS[0]),
        ("PATCH application/merge-patch+json", b'{"dta":{}}', PROBLEMS[1]),
        ("PATCH application/strategic-merge-patch+json", b'{"dta":{}}', PROBLEMS[1]),
        (
            "PATCH application/json-patch+json",
            b'[{"op":"add","path":"/dta","value":"x"}]',
            PROBLEMS[1],
        ),
        (
            "PATCH application/apply-patch+yaml",
            b"apiVersion: v1\nkind: ConfigMap\ndata:\n  a: x\n  a: y\n",
            'line 5: key "a" already set in map',
        ),
    ],
)
def test_they_are_refused_when_the_client_is_strict(
    server: ServerProcess, namespace: str, way: str, body: bytes, words: str
) -> None:
    method, _, content_type = way.partition(" ")
    server.request("POST", maps(namespace), {"metadata": {"name": "c"}})
    path = maps(namespace, "" if method == "POST" else "/c")
    query = "?fieldValidation=Strict&fieldManager=m"

    code, status = server.request(method, path + query, body, content_type=content_type)

    assert (code, status["reason"]) == (400, "BadRequest")
    assert status["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        f"{words}"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_another_validation_is_refused(server: ServerProcess, namespace: str, method: str) -> None:
    path = maps(namespace, "" if method == "POST" else "/c")
    server.request("POST", maps(namespace), {"metadata": {"name": "c"}})

    code, status = server.request(
        method, f"{path}?fieldValidation=Loud", {}, content_type="application/merge-patch+json"
    )

    assert (code, status["reason"]) == (422, "Invalid")
    assert (
        'fieldValidation: Unsupported value: "Loud": supported values: "", "Ignore", "Strict", '
        '"Warn"'
    ) in status["message"]


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "x",
                "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
                "resources": {"requests": {"cpu": 0.5, "memory": 1000}, "limits": {"cpu": "1"}},
            }
        ]
    },
}


def test_kubectl_prints_what_the_server_warns_of(kubectl: Kubectl, namespace: str) -> None:
    said = kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(POD), check=False)

    assert 'Warning: spec.containers[0].env[1]: hides previous definition of "A"' in said


def test_endpoints_are_said_to_be_deprecated(kubectl: Kubectl) -> None:
    said = kubectl("get", "endpoints", check=False)

    assert (
        "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    ) in said


def test_quantities_are_stored_in_their_canonical_form_and_classify_the_pod(
    server: ServerProcess, namespace: str
) -> None:
    _, made = server.request("POST", f"/api/v1/namespaces/{namespace}/pods", POD)

    resources = made["spec"]["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "500m", "memory": "1k"}
    assert made["status"]["qosClass"] == "Burstable"

    status = {"status": {"phase": "Running"}}
    path = f"/api/v1/namespaces/{namespace}/pods/p/status"
    _, running = server.request("PUT", path, {**POD, **status})
    assert running["status"] == {"phase": "Running", "qosClass": "Burstable"}


@pytest.mark.parametrize("value", ["much", "1 Gi", "", True, []])
def test_what_is_no_quantity_is_refused(server: ServerProcess, namespace: str, value: Any) -> None:
    requests = {"requests": {"memory": value}}
    container = {"name": "c", "image": "x", "resources": requests}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}

    code, status = server.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)

    assert (code, status["reason"]) == (400, "BadRequest")
    assert 'Pod in version "v1" cannot be handled as a Pod: ' in status["message"]


@pytest.mark.parametrize(("length", "code"), [(253, 201), (254, 422)])
def test_a_name_has_up_to_253_characters(
    server: ServerProcess, namespace: str, length: int, code: int
) -> None:
    got, answer = server.request("POST", maps(namespace), {"metadata": {"name": "n" * length}})

    assert got == code
    if code == 422:
        assert "must be no more than 253 characters" in answer["message"]
