"""Who set which fields of an object: its metadata.managedFields, with every write.

Each manager has an entry for what it applied and one for what it wrote otherwise, apart by
subresource. A write takes the fields it changes from all other entries; only an apply asks them
first (`apply`). Writes of the server itself leave the entries as they are. Source: KEP-555 and
k8s.io/apimachinery `pkg/util/managedfields`.

Entries are kept as JSON, as they stand in the object: most writes change little of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from ciliate.apiserver import field_values
from ciliate.apiserver.field_sets import after_change, encode_set, normalized_set
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import now

APPLY: Final = "Apply"
UPDATE: Final = "Update"
_FIELDS_TYPE: Final = "FieldsV1"
_NO_FIELDS: Final = b"{}"
#: Entries of updates that an object keeps; the oldest are merged into one beyond it.
_UPDATERS_MAX: Final = 10
_MERGED_UPDATERS: Final = "ancient-changes"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One manager's fields."""

    manager: str = ""
    operation: str = ""
    apiVersion: str = ""  # noqa: N815 - the API's name
    time: str = ""
    fieldsType: str = ""  # noqa: N815
    fieldsV1: msgspec.Raw = msgspec.Raw(_NO_FIELDS)  # noqa: N815
    subresource: str = ""

    @property
    def fields(self) -> bytes:
        """The set, as `field_sets` keeps it."""
        return bytes(self.fieldsV1)

    @property
    def owner(self) -> tuple[str, str, str, str]:
        """What tells entries apart: an applier has one for all versions."""
        version = "" if self.operation == APPLY else self.apiVersion
        return (self.operation, self.manager, self.subresource, version)

    def with_fields(self, fields: bytes, *, time: str = "") -> "Entry":
        """Return the entry with other fields."""
        changes = {"time": time} if time else {}
        return msgspec.structs.replace(self, fieldsV1=msgspec.Raw(fields), **changes)


Entries = tuple[Entry, ...]

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Entries).decode


def decode_entries(raw: bytes) -> Entries:
    """Return the entries of stored JSON."""
    return _decode(raw) if raw else ()


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """Return entries as they are stored: in the API's order, without empty ones."""
    kept = [e for e in entries if e.fields != _NO_FIELDS]
    kept.sort(key=lambda e: (e.operation, e.time, e.manager, e.apiVersion, e.subresource))
    return _encode(kept) if kept else b""


def new_entry(
    resource: ServedResource, manager: str, operation: str, fields: bytes, subresource: str
) -> Entry:
    """Return an entry of now."""
    return Entry(
        manager=manager,
        operation=operation,
        apiVersion=resource.api_version,
        time=now(),
        fieldsType=_FIELDS_TYPE,
        fieldsV1=msgspec.Raw(fields),
        subresource=subresource,
    )


class Tracking(Protocol):
    """How a write shows in the managedFields; `before` and the result are `encode_entries`'s."""

    def of_created(self, resource: ServedResource, obj: JsonObject) -> bytes:
        """Return the entries of a new object."""

    def of_updated(
        self, resource: ServedResource, before: bytes, old: JsonObject, new: JsonObject
    ) -> bytes:
        """Return the entries of an object after a change."""


@dataclass(frozen=True, slots=True)
class Untracked:
    """A write of the server itself: nobody gets or loses a field."""

    def of_created(self, resource: ServedResource, obj: JsonObject) -> bytes:
        """Return none."""
        del resource, obj
        return b""

    def of_updated(
        self, resource: ServedResource, before: bytes, old: JsonObject, new: JsonObject
    ) -> bytes:
        """Return those there are."""
        del resource, old, new
        return before


UNTRACKED: Final = Untracked()


@dataclass(frozen=True, slots=True)
class Author:
    """A write by create, update or a patch: its author takes what it changes."""

    manager: str
    subresource: str = ""

    def of_created(self, resource: ServedResource, obj: JsonObject) -> bytes:
        """Return one entry: the author set everything, defaults included."""
        fields = field_values.created(obj, resource)
        entry = new_entry(resource, self.manager, UPDATE, fields, self.subresource)
        return encode_entries([entry])

    def of_updated(
        self, resource: ServedResource, before: bytes, old: JsonObject, new: JsonObject
    ) -> bytes:
        """Return the entries after a change, which an object without any does not begin to have."""
        taken, gone = field_values.compared(old, new, resource.node)
        if not before or not (taken or gone):
            return before
        change, removed = encode_set(taken), encode_set(gone)
        mine = new_entry(resource, self.manager, UPDATE, change, self.subresource)
        entries, is_new = [], bool(taken)
        for entry in decode_entries(before):
            takes = entry.owner == mine.owner
            is_new = is_new and not takes
            fields = after_change(entry.fields, change, removed, takes=takes)
            moment = mine.time if takes and taken else ""
            entries.append(entry.with_fields(fields, time=moment))
        return encode_entries(_capped([*entries, mine] if is_new else entries))


def _capped(entries: list[Entry]) -> list[Entry]:
    """Return entries with no more than `_UPDATERS_MAX` of updates."""
    updates = [e for e in entries if e.operation == UPDATE and e.fields != _NO_FIELDS]
    if len(updates) <= _UPDATERS_MAX:
        return entries
    updates.sort(key=lambda e: (e.manager != _MERGED_UPDATERS, e.time))
    merged = updates[: len(updates) - _UPDATERS_MAX + 1]
    fields = _NO_FIELDS
    for entry in merged:
        fields = after_change(fields, entry.fields, _NO_FIELDS, takes=True)
    oldest = msgspec.structs.replace(
        merged[-1], manager=_MERGED_UPDATERS, subresource="", fieldsV1=msgspec.Raw(fields)
    )
    return [e for e in entries if e not in merged] + [oldest]


def given_entries(value: Any) -> bytes | None:
    """Return the entries that a client sent with an object; None where it sent none.

    A list of one empty entry asks to forget all (`b""`); what cannot be understood is none.
    """
    if not value:
        return None
    if value == [{}]:
        return b""
    entries = []
    for one in value:
        fields = normalized_set(one.get("fieldsV1") or {}) if isinstance(one, dict) else None
        if fields is None:
            return None
        try:
            known = {k: v for k, v in one.items() if k != "fieldsV1"}
            entry = msgspec.convert(known, Entry)
        except msgspec.ValidationError:
            return None
        if entry.operation not in {APPLY, UPDATE} or entry.fieldsType != _FIELDS_TYPE:
            return None
        entries.append(entry.with_fields(fields))
    return encode_entries(entries)


def shown_entries(raw: bytes) -> Any:
    """Return stored entries as the list of a JSON object."""
    return msgspec.json.decode(raw) if raw else None
