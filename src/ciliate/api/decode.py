"""JSON documents of the API as Structs; null stands for a field that is not there.

Go writes a nil list or map as null, and a bookmark is an object of Go's zero values: a Pod's has
`"spec": {"containers": null}`. To Go's own decoder null leaves a field at its zero value, which
here is the field's default. Such documents are rare, so they are read by a second try: the first,
which every object goes through, costs nothing more.
"""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def decode_document(document: bytes, struct: type[T]) -> T:
    """Return `document` as `struct`; fields that are null have their default.

    Raises:
        MsgspecError: It is no JSON, or does not fit even so.
    """
    try:
        return msgspec.json.decode(document, type=struct)
    except msgspec.ValidationError:
        return msgspec.json.decode(without_nulls(document), type=struct)


def without_nulls(document: bytes) -> bytes:
    """Return a JSON document without the fields whose value is null.

    Raises:
        DecodeError: It is no JSON.
    """
    return msgspec.json.encode(without_null_fields(msgspec.json.decode(document)))


def without_null_fields(value: Any) -> Any:
    """Return plain data (dictionaries, lists, scalars) without the fields that are null."""
    if isinstance(value, dict):
        return {key: without_null_fields(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_null_fields(each) for each in value]
    return value
