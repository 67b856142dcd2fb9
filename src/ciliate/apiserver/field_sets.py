"""Sets of fields, as managedFields keeps them (FieldsV1).

A set is a tree of dicts: `f:NAME` for a field, `k:{…}` for an element of a list that merges by
keys, `v:…` for a value of a set. A leaf is a member; what has something below it is one only with
a `.` beside. Source: KEP-555 and sigs.k8s.io/structured-merge-diff `fieldpath`. What an object's
fields are says `field_values`.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF: Final = "."

#: Sets parsed and changed before, by their JSON: equal writes of many objects meet here.
_CACHED_SETS: Final = 1024

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder(FieldSet).decode


def encode_set(fields: FieldSet) -> bytes:
    """Return a set as JSON, equal sets as equal octets."""
    return _encode(fields)


@lru_cache(maxsize=_CACHED_SETS)
def decode_set(raw: bytes) -> FieldSet:
    """Return the set of some JSON that `encode_set` made; it is shared, so nobody changes it."""
    return _decode(raw)


def is_member(fields: FieldSet) -> bool:
    """Return whether the root of a set below some step is a member itself."""
    return not fields or SELF in fields


def _tree(below: FieldSet, *, member: bool) -> FieldSet | None:
    """Return the tree of what is below a step; None when nothing of it is a member."""
    if not below:
        return {} if member else None
    return {SELF: {}, **below} if member else below


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in either set."""
    merged = {step: below for step, below in left.items() if step != SELF}
    for step, below in right.items():
        if step == SELF:
            continue
        mine = merged.get(step)
        if mine is None:
            merged[step] = below
        elif mine is not below:
            member = is_member(mine) or is_member(below)
            merged[step] = _tree(union(mine, below), member=member)
    return merged


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in both sets."""
    shared: FieldSet = {}
    for step, below in left.items():
        other = right.get(step)
        if step == SELF or other is None:
            continue
        member = is_member(below) and is_member(other)
        tree = _tree(intersection(below, other), member=member)
        if tree is not None:
            shared[step] = tree
    return shared


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in `left` alone."""
    rest: FieldSet = {}
    for step, below in left.items():
        other = right.get(step)
        if step == SELF:
            continue
        if other is None:
            rest[step] = below
            continue
        member = is_member(below) and not is_member(other)
        tree = _tree(difference(below, other), member=member)
        if tree is not None:
            rest[step] = tree
    return rest


@lru_cache(maxsize=_CACHED_SETS)
def after_change(fields: bytes, taken: bytes, gone: bytes, *, takes: bool) -> bytes:
    """Return an owner's set after a write took some fields and removed others.

    `takes` says whether the owner is who wrote.
    """
    mine, change = decode_set(fields), decode_set(taken)
    kept = difference(mine, decode_set(gone))
    return encode_set(union(kept, change) if takes else difference(kept, change))


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Yield the paths of a set's members."""
    for step, below in fields.items():
        if step == SELF:
            continue
        path = (*prefix, step)
        if is_member(below):
            yield path
        yield from paths(below, path)


def display(path: Path) -> str:
    """Return a path as people read it: `.spec.containers[name="a"].image`."""
    text = ""
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            text += f".{rest}"
        elif kind == "k:":
            keys = _decode(rest)
            text += "[" + ",".join(f"{k}={_encode(v).decode()}" for k, v in keys.items()) + "]"
        elif kind == "v:":
            text += f"[={rest}]"
    return text


def normalized_set(value: Any) -> bytes | None:
    """Return a set that a client sent as `encode_set` has it; None when it is none."""
    if not _is_set(value):
        return None
    # A mark of its own beside nothing says no more than the leaf.
    return encode_set(_plain({k: v for k, v in value.items() if k != SELF}))


def _is_set(value: Any) -> bool:
    return isinstance(value, dict) and all(
        (step == SELF or step[:2] in {"f:", "k:", "v:", "i:"}) and _is_set(below)
        for step, below in value.items()
    )


def _plain(fields: FieldSet) -> FieldSet:
    return {step: {} if set(below) == {SELF} else _plain(below) for step, below in fields.items()}
