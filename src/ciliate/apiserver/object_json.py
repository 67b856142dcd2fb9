"""An object's JSON as it is stored, and where its managedFields stand in it.

They can be as long as the rest and few read them: they are written into the JSON and cut out of it
without ever being part of the object that the server works on (see `store.decode`).
"""

from typing import Any, Final

import msgspec

from ciliate.apiserver.history import Stored

#: What comes before them: a name always does, so there is a comma.
_MANAGED: Final = b',"managedFields":'
NOWHERE: Final = (0, 0)

_encode: Final = msgspec.json.Encoder().encode


class _Metadata(msgspec.Struct):
    managedFields: msgspec.Raw = msgspec.Raw()  # noqa: N815 - the API's name


class _Object(msgspec.Struct):
    metadata: _Metadata


_decode: Final = msgspec.json.Decoder(_Object).decode


def encode(obj: dict[str, Any], managed_fields: bytes) -> bytes:
    """Return an object's JSON with its managedFields; metadata comes before all that is data."""
    first = {name: obj[name] for name in ("kind", "apiVersion", "metadata") if name in obj}
    if managed_fields:
        metadata = {**obj["metadata"], "managedFields": msgspec.Raw(managed_fields)}
        return _encode({**first, **obj, "metadata": metadata})
    return _encode({**first, **obj})


def placed(raw: bytes, managed_fields: bytes) -> tuple[int, int]:
    """Return where `encode` has put them, from the comma on: the first such list is the object's."""
    if not managed_fields:
        return NOWHERE
    start = raw.find(_MANAGED + managed_fields)
    return (start, start + len(_MANAGED) + len(managed_fields))


def located(raw: bytes) -> tuple[int, int]:
    """Return where they stand in JSON that was read from disk."""
    if _MANAGED not in raw:
        return NOWHERE
    found = bytes(_decode(raw).metadata.managedFields)  # The words may also stand in its data.
    start = raw.find(_MANAGED + found)
    return placed(raw, found) if found and start >= 0 else NOWHERE


def managed_fields(stored: Stored) -> bytes:
    """Return an object's managedFields as JSON, empty when it has none."""
    start, end = stored.managed_at
    return stored.raw[start + len(_MANAGED) : end]


def without_managed_fields(stored: Stored) -> bytes:
    """Return an object's JSON but for them."""
    start, end = stored.managed_at
    return stored.raw[:start] + stored.raw[end:] if end else stored.raw
