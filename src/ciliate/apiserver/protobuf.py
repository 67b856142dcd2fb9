r"""Bodies in protobuf: what kubectl's typed commands and Go clients send for built-in kinds.

Only reading: every such client also takes JSON answers. A body is the magic `k8s\0` and an
envelope (runtime.Unknown: type, raw object). Field numbers are in `schemas/wire.json`; types come
from the tables beside it. Proto2 as Go's generator writes it: fields that are no pointers in Go are
always sent, so an empty text, a zero or a false says nothing unless the field is a pointer.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.schemas import fields_of, type_names
from ciliate.apiserver.store import JsonObject

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Go's pointers to numbers, booleans and IntOrString: here a zero is a value.
_POINTERS: Final = frozenset(
    [
        "activeDeadlineSeconds",
        "allowPrivilegeEscalation",
        "allowVolumeExpansion",
        "attachRequired",
        "automountServiceAccountToken",
        "averageUtilization",
        "backoffLimit",
        "backoffLimitPerIndex",
        "blockOwnerDeletion",
        "borrowingLimitPercent",
        "completions",
        "controller",
        "defaultMode",
        "deletionGracePeriodSeconds",
        "enableServiceLinks",
        "expirationSeconds",
        "failedJobsHistoryLimit",
        "fsGroup",
        "gracePeriodSeconds",
        "hostUsers",
        "immutable",
        "leaseDurationSeconds",
        "leaseTransitions",
        "lendablePercent",
        "manualSelector",
        "maxFailedIndexes",
        "maxSurge",
        "maxUnavailable",
        "minAvailable",
        "minReplicas",
        "mode",
        "nominalConcurrencyShares",
        "optional",
        "orphanDependents",
        "parallelism",
        "podInfoOnMount",
        "priority",
        "privileged",
        "progressDeadlineSeconds",
        "readOnlyRootFilesystem",
        "ready",
        "replicas",
        "requiresRepublish",
        "revisionHistoryLimit",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seLinuxMount",
        "serving",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "stabilizationWindowSeconds",
        "startingDeadlineSeconds",
        "storageCapacity",
        "successfulJobsHistoryLimit",
        "suspend",
        "terminating",
        "terminationGracePeriodSeconds",
        "tolerationSeconds",
        "ttlSecondsAfterFinished",
    ]
)

Wire = tuple[int, int | bytes]  # Field number and value: a number, or octets.


class _Malformed(Exception):  # noqa: N818 - never leaves this module
    """The octets are no protobuf of the type."""


@dataclass(frozen=True, slots=True)
class _Message:
    """The fields of a type by number; inlined structs are one level below theirs."""

    fields: dict[int, tuple[str, str]]  # Number -> JSON name and type.
    inlined: dict[int, "_Message"]


@cache
def _messages() -> dict[str, _Message]:
    text = files("ciliate.apiserver.schemas").joinpath("wire.json").read_bytes()
    numbers = msgspec.json.decode(text, type=dict[str, str])
    known = set(type_names())
    return {name: _message(name, numbers[name]) for name in numbers if name in known}


def _message(type_name: str, line: str) -> _Message:
    message = _Message({}, {})
    kinds = {f.name: f.type for f in fields_of(type_name)}
    for entry in line.split():
        name, _, numbers = entry.partition("=")
        *outer, number = (int(part) for part in numbers.split("."))
        into = message
        for one in outer:
            into = into.inlined.setdefault(one, _Message({}, {}))
        into.fields[number] = (name, kinds[name])
    return message


def decode_protobuf(body: bytes, type_name: str) -> JsonObject:
    """Return the object of a body as its JSON would have it, with apiVersion and kind.

    Raises:
        StatusError: It is no such object, or of a type that is not read from protobuf (400).
    """
    try:
        envelope = dict(_split(_unmarked(body)))
        kind = dict(_split(_octets(envelope.get(1, b""))))
        raw = _octets(envelope.get(2, b""))
        obj = _decoded(_messages()[type_name], raw) if type_name else {}
    except (_Malformed, KeyError, UnicodeDecodeError, OverflowError) as error:
        problem = f"the protobuf body cannot be read as {type_name}: {error}: send JSON instead"
        raise errors.bad_request(problem) from error
    for number, name in ((1, "apiVersion"), (2, "kind")):
        if kind.get(number):
            obj[name] = _octets(kind[number]).decode()
    return obj


def _unmarked(body: bytes) -> bytes:
    if not body.startswith(_MAGIC):
        raise _Malformed("no k8s\\0 at its start")
    return body[len(_MAGIC) :]


def _split(data: bytes) -> Iterator[Wire]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        match wire_type:
            case 0:
                value, position = _varint(data, position)
                yield number, value
            case 2:
                size, position = _varint(data, position)
                if position + size > len(data):
                    raise _Malformed("it ends inside of a field")
                yield number, data[position : position + size]
                position += size
            case 1 | 5:
                size = 8 if wire_type == 1 else 4
                yield number, data[position : position + size]
                position += size
            case _:
                raise _Malformed(f"wire type {wire_type} is unknown")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _Malformed("it ends inside of a number")
        octet = data[position]
        position += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, position
    raise _Malformed("a number has more than ten octets")


def _octets(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _Malformed("a number stands where a message is expected")
    return value


def _decoded(message: _Message, data: bytes) -> JsonObject:
    obj: JsonObject = {}
    for number, value in _split(data):
        if number in message.inlined:
            obj |= _decoded(message.inlined[number], _octets(value))
        elif number in message.fields:
            name, kind = message.fields[number]
            _add(obj, name, kind, value)
    return obj


def _add(obj: JsonObject, name: str, kind: str, value: int | bytes) -> None:
    if kind.startswith("[]"):
        element = kind[2:].partition("[")[0].partition("{")[0]
        obj.setdefault(name, []).append(_value(element, value))
    elif kind.startswith("{}"):
        entry = dict(_split(_octets(value)))
        key = _octets(entry.get(1, b"")).decode()
        obj.setdefault(name, {})[key] = _value(kind[2:], entry.get(2, b""))
    else:
        decoded = _value(kind, value)
        if decoded is not None and (decoded or isinstance(decoded, dict) or name in _POINTERS):
            obj[name] = decoded


def _value(kind: str, value: int | bytes) -> Any:
    match kind:
        case "integer":
            number = _number(value)
            return number - (1 << 64) if number >= 1 << 63 else number
        case "boolean":
            return bool(_number(value))
        case "string":
            return _octets(value).decode()
        case "bytes":
            return b64encode(_octets(value)).decode()
        case "quantity":
            return _octets(dict(_split(_octets(value))).get(1, b"0")).decode()
        case "time" | "microTime":
            return _moment(_octets(value), micro=kind == "microTime")
        case "intOrString":
            parts = dict(_split(_octets(value)))
            return _octets(parts.get(3, b"")).decode() if parts.get(1) else parts.get(2, 0)
        case "fields":  # The one field that is JSON there too.
            return _json(dict(_split(_octets(value))).get(1, b"{}"))
        case _ if kind in _messages():
            return _decoded(_messages()[kind], _octets(value))
        case _:
            raise _Malformed(f"a field of type {kind} is not read from protobuf")


def _json(value: int | bytes) -> Any:
    try:
        return msgspec.json.decode(_octets(value))
    except msgspec.DecodeError as error:
        raise _Malformed(str(error)) from error


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise _Malformed("octets stand where a number is expected")
    return value


def _moment(data: bytes, *, micro: bool) -> str | None:
    """Return a Time; Go's zero time is none."""
    parts = dict(_split(data))
    seconds = _value("integer", parts.get(1, 0))
    if seconds <= 0:
        return None
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=_number(parts.get(2, 0)) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
