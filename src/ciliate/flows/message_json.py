"""Messages as JSON, the way Hubble writes them: declared names, in the order of declaration.

The JSON mapping of protobuf leaves the order open; Go's writer keeps that of the declaration, and
Python's that of the numbers. This one is also many times as fast as Python's, which a stream of all
flows needs, whether a command prints it or a flow log keeps it. Pure.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS
from google.protobuf.wrappers_pb2 import DoubleValue

from ciliate.errors import CiliateError
from ciliate.flows.harmless import harmless_json

#: These have a form of their own, which is no object of their fields.
_WELL_KNOWN: Final = "google.protobuf."
_WRAPPERS: Final = WRAPPERS.name
_TIMESTAMP: Final = Timestamp.DESCRIPTOR.full_name

#: 64 bits are more than the numbers of JSON's first readers hold.
_AS_TEXT: Final = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_FRACTIONS: Final = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})

_Write = Callable[[Any], Any]

#: Of a field: its place in the declaration, its name, what makes JSON of it; None: it is as it is.
_Plan = tuple[int, str, _Write | None]


class MessageJsonError(CiliateError):
    """A message holds what JSON has no form for, such as an extension that we do not know."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"an answer cannot be written as JSON: {problem}")


def message_object(message: Message) -> dict[str, Any]:
    """Return a message's set fields by name, in the order of declaration.

    Raises:
        MessageJsonError: A field has no form in JSON.
    """
    try:
        return _object(message)
    except (json_format.SerializeToJsonError, TypeError, ValueError) as error:
        raise MessageJsonError(str(error)) from error


def message_line(message: Message) -> str:
    """Return a message as one line, without a line's end.

    Raises:
        MessageJsonError: A field has no form in JSON.
    """
    return harmless_json(msgspec.json.encode(message_object(message)).decode())


def message_array(messages: Iterable[Message]) -> str:
    """Return messages as an array with indentation."""
    objects = [message_object(each) for each in messages]
    return harmless_json(json.dumps(objects, indent=2, ensure_ascii=False))


def _object(message: Message) -> dict[str, Any]:
    plans = _plans(message.DESCRIPTOR)
    fields = [
        (plans.get(field.number) or _plan(field), value) for field, value in message.ListFields()
    ]
    fields.sort(key=_first_by_declaration)
    return {
        name: value if write is None else write(value) for (_index, name, write), value in fields
    }


def _first_by_declaration(field: tuple[_Plan, Any]) -> int:
    return field[0][0]


@cache
def _plans(message: Any) -> Mapping[int, _Plan]:
    """Return what is done with each field that a message declares, by its number."""
    return {field.number: _plan(field) for field in message.fields}


def _plan(field: Any) -> _Plan:
    write = _writer(field)
    if not field.is_repeated:
        return field.index, field.name, write
    return field.index, field.name, list if write is None else _each(write)


def _each(write: _Write) -> _Write:
    return lambda values: [write(each) for each in values]


def _writer(field: Any) -> _Write | None:
    """Return what makes JSON's value out of one value of a field."""
    if field.message_type is not None:
        return _message_writer(field.message_type)
    if field.enum_type is not None:
        names: Mapping[int, str] = {
            number: value.name for number, value in field.enum_type.values_by_number.items()
        }
        return lambda number: names.get(number, number)
    if field.cpp_type in _AS_TEXT:
        return str
    return _fraction if field.cpp_type in _FRACTIONS else None


def _message_writer(message: Any) -> _Write:
    if message.full_name == _TIMESTAMP:
        return _moment
    if message.file.name == _WRAPPERS:
        write = _writer(message.fields_by_name["value"])
        return _value if write is None else lambda wrapped: write(wrapped.value)
    own = message.full_name.startswith(_WELL_KNOWN)
    return json_format.MessageToDict if own else _object


def _value(wrapped: Any) -> Any:
    return wrapped.value


def _moment(value: Timestamp) -> str:
    """Return a time as Go writes it: with no, 3, 6 or 9 digits behind the second."""
    text, nanos = _second(value.seconds), value.nanos
    if not 0 <= nanos < 10**9:
        raise ValueError(f"a time has {nanos} nanoseconds")
    if not nanos:
        return f"{text}Z"
    if nanos % 1000:
        return f"{text}.{nanos:09}Z"
    return f"{text}.{nanos // 1000:06}Z" if nanos % 10**6 else f"{text}.{nanos // 10**6:03}Z"


@lru_cache(maxsize=64)  # Flows come in the order of their times.
def _second(seconds: int) -> str:
    return Timestamp(seconds=seconds).ToJsonString().removesuffix("Z")


def _fraction(value: float) -> Any:
    """Return a number as Go writes it: 46, not 46.0."""
    if not math.isfinite(value):
        return json_format.MessageToDict(DoubleValue(value=value))
    return int(value) if value.is_integer() else value
