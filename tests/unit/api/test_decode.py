"""`api/decode.py`: null stands for a field that is not there."""

import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from ciliate.api import (
    apps,
    cilium_identity,
    cilium_node,
    coordination,
    core,
    definitions,
    endpoint_slice,
    service,
)
from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.decode import decode_document, without_nulls
from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS
from ciliate.api.resource import Resource
from ciliate.cluster import views
from ciliate.lab import objects

RESOURCES = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in (
        *(apps, cilium_identity, cilium_node, coordination, core, definitions, views),
        *(endpoint_slice, service, objects),
    )
    for name, value in vars(module).items()
    if isinstance(value, Resource)
} | {"endpoints": CILIUM_ENDPOINTS, "pools": CILIUM_POD_IP_POOLS}


def struct_in(kind: Any) -> type[msgspec.Struct] | None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if isinstance(kind, types.UnionType):
        return next(filter(None, map(struct_in, typing.get_args(kind))), None)
    return None


def null_documents(struct: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    """Yield an object for each field at any depth that is null in it."""
    for field in msgspec.structs.fields(struct):
        yield {field.encode_name: None}
        below = struct_in(field.type)
        if below is not None and not field.required:
            yield from ({field.encode_name: each} for each in null_documents(below))


@contextmanager
def suppress_missing() -> Iterator[None]:
    """Let pass what is refused because a field that must be there is not, and nothing else."""
    try:
        yield
    except msgspec.ValidationError as error:
        if "missing required field" not in str(error):
            raise


@pytest.mark.parametrize("name", RESOURCES)
def test_every_field_of_every_kind_may_be_null(name: str) -> None:
    struct = RESOURCES[name].struct
    for document in null_documents(struct):
        with suppress_missing():
            read = decode_document(msgspec.json.encode(document), struct)
            assert read.metadata.labels == {}, document


def test_nulls_inside_of_lists_of_objects_are_read_too() -> None:
    pod = decode_document(
        b'{"metadata":{"labels":null},"spec":{"containers":[{"name":"a","ports":null}]}}', core.Pod
    )

    assert pod.spec.containers == (core.Container("a"),)


def test_what_does_not_fit_for_another_reason_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="labels"):
        decode_document(b'{"metadata":{"labels":5,"annotations":null}}', core.Pod)
    with pytest.raises(msgspec.DecodeError):
        decode_document(b"{", core.Pod)


def test_only_null_fields_are_left_out() -> None:
    text = b'{"a":null,"b":[null,{"c":null,"d":0}],"e":"","f":{},"g":false}'

    assert without_nulls(text) == b'{"b":[null,{"d":0}],"e":"","f":{},"g":false}'
