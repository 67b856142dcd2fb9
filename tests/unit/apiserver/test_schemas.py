"""The tables of the built-in kinds, held against the official client's models."""

import typing
from typing import Any

import pytest
from kubernetes.client import models

from ciliate.apiserver.crds import definition_resource
from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.openapi_v2 import encode_v2, render_v2
from ciliate.apiserver.protobuf import _split, decode_protobuf
from ciliate.apiserver.resources import Registry
from ciliate.apiserver.schemas import (
    definition_name,
    definitions,
    fields_of,
    node_of,
    type_names,
)
from ciliate.apiserver.shaping import shape

#: Types whose name in the client's models differs from the API reference's.
RENAMED = {
    "Event": "CoreV1Event",
    "EventSeries": "CoreV1EventSeries",
    "EndpointPort": "CoreV1EndpointPort",
    "SlicePort": "DiscoveryV1EndpointPort",
    "SliceEndpoint": "V1Endpoint",
    "SliceEndpointConditions": "V1EndpointConditions",
    "SliceEndpointHints": "V1EndpointHints",
    "ContainerResourceClaim": "CoreV1ResourceClaim",
    "APIServiceReference": "ApiregistrationV1ServiceReference",
    "HorizontalPodAutoscalerV1": "V1HorizontalPodAutoscaler",
    "HorizontalPodAutoscalerV1Spec": "V1HorizontalPodAutoscalerSpec",
    "HorizontalPodAutoscalerV1Status": "V1HorizontalPodAutoscalerStatus",
    "FlowSchemaSubject": "FlowcontrolV1Subject",
    "ServiceReference": "AdmissionregistrationV1ServiceReference",
    "Subject": "RbacV1Subject",
    "AccountTokenRequest": "AuthenticationV1TokenRequest",
    "TokenRequest": "StorageV1TokenRequest",
    "WebhookClientConfig": "AdmissionregistrationV1WebhookClientConfig",
}


def model_of(type_name: str) -> Any:
    if definition_name(type_name).startswith("io.k8s.api.autoscaling.v2."):
        return getattr(models, f"V2{type_name}")
    return getattr(models, RENAMED.get(type_name, f"V1{type_name}"), None)


@pytest.mark.parametrize("type_name", type_names())
def test_every_field_is_one_of_the_api(type_name: str) -> None:
    model = model_of(type_name)
    if model is None:
        pytest.skip(f"the client has no model of {type_name}")
    known = {f.serialization_alias or f.alias or n for n, f in model.model_fields.items()}

    assert {f.name for f in fields_of(type_name)} <= known


def test_the_fields_of_a_pod_are_all_there() -> None:
    model = model_of("Container")
    known = {f.serialization_alias or f.alias or n for n, f in model.model_fields.items()}

    # Of the Kubernetes after the one whose tables these are.
    assert known - {f.name for f in fields_of("Container")} <= {"restartPolicyRules"}


@pytest.mark.parametrize("resource", built_in(), ids=lambda r: r.id)
def test_openapi_definitions_refer_only_to_each_other(resource: Any) -> None:
    found = definitions(resource.kind, prefix="#/")

    def references(value: Any) -> typing.Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"].removeprefix("#/")
            for child in value.values():
                yield from references(child)
        elif isinstance(value, list):
            for child in value:
                yield from references(child)

    assert set(references(found)) <= set(found)


def test_lists_that_merge_name_their_keys() -> None:
    ports = node_of("Container").properties["ports"]

    assert (ports.list_keys, ports.patch_key) == (("containerPort", "protocol"), "containerPort")
    assert node_of("ObjectMeta").properties["finalizers"].patch_set


def message(*fields: tuple[int, Any]) -> bytes:
    """Encode a protobuf message of texts, numbers and messages."""
    data = b""
    for number, value in fields:
        if isinstance(value, int):
            data += bytes([number << 3]) + varint(value)
        else:
            octets = value.encode() if isinstance(value, str) else value
            data += varint(number << 3 | 2) + varint(len(octets)) + octets
    return data


def varint(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def body(raw: bytes, *, kind: str) -> bytes:
    return b"k8s\x00" + message((1, message((1, "v1"), (2, kind))), (2, raw))


def test_protobuf_bodies_become_the_json_they_stand_for() -> None:
    metadata = message((1, "c"), (2, ""), (7, 0), (8, b""), (11, message((1, "k"), (2, "v"))))
    container = message((1, "a"), (2, "x"), (6, message((3, 80), (4, "TCP"))))
    volume = message((1, "v"), (2, message((2, message((1, ""))))))
    spec = message((1, volume), (2, container), (4, 0), (11, 0))

    pod = decode_protobuf(body(message((1, metadata), (2, spec)), kind="Pod"), "Pod")

    assert pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "c", "labels": {"k": "v"}},
        "spec": {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [
                {"name": "a", "image": "x", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
            ],
            "terminationGracePeriodSeconds": 0,
        },
    }


def test_managed_fields_are_json_within_protobuf() -> None:
    entry = message((1, "m"), (2, "Update"), (6, "FieldsV1"), (7, message((1, '{"f:data":{}}'))))
    metadata = message((1, "c"), (17, entry))

    obj = decode_protobuf(body(message((1, metadata)), kind="ConfigMap"), "ConfigMap")

    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "m",
            "operation": "Update",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {}},
        }
    ]


@pytest.mark.parametrize(
    "data", [b"", b"k8s", b"k8s\x00\xff", b"k8s\x00\x12\x05ab", b"k8s\x00\x12\x02\x0b\x00", b"{}"]
)
def test_malformed_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        decode_protobuf(data, "Pod")

    assert refused.value.code == 400


def test_version_2_in_protobuf_names_every_definition() -> None:
    registry = Registry()
    registry.add([*built_in(), definition_resource()])
    document = render_v2(registry)

    schemas = dict(_split(encode_v2(document)))[9]

    assert isinstance(schemas, bytes)
    named = [dict(_split(entry))[1] for _, entry in _split(schemas) if isinstance(entry, bytes)]
    assert [name.decode() for name in named if isinstance(name, bytes)] == list(
        document["definitions"]
    )


def test_specifications_of_one_template_are_objects_of_their_own() -> None:
    pods = next(resource for resource in built_in() if resource.id == "pods")
    made: list[dict[str, Any]] = [
        {
            "metadata": {},
            "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": 1}}}]},
        }
        for _ in range(3)
    ]
    shape(pods, made[0])
    shape(pods, made[1])
    made[1]["spec"]["containers"][0]["name"] = "other"
    shape(pods, made[2])

    limits = {"limits": {"cpu": "1"}}
    assert [pod["spec"]["containers"] for pod in made] == [
        [{"name": name, "resources": limits}] for name in ("c", "other", "c")
    ]


def test_what_a_specification_does_not_know_is_told_each_time() -> None:
    pods = next(resource for resource in built_in() if resource.id == "pods")

    told = [
        shape(pods, {"metadata": {}, "spec": {"containers": [], "color": 1}}) for _ in range(2)
    ]

    assert told == [["spec.color"], ["spec.color"]]
