"""Bringing a client's object into its built-in kind's shape, as Go's decoder does.

Nulls say the same as absence, unknown fields go, values have their types, quantities and octets
their one form; what cannot be brought there is refused. Custom kinds keep what their schema allows
(`schema.prune`, `structural`).
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.quantities import QuantityError, canonical
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import SchemaNode, Shape, holds, type_name
from ciliate.apiserver.schemas import node_of
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import parse

#: Where a value is: the step to it, after where its parent is.
_Place = tuple[Any, str]

#: Values that are as they should be, once their type is.
_PLAIN: Final = {
    Shape.BOOLEAN: bool,
    Shape.INTEGER: int,
    Shape.MAP: dict,
    Shape.OBJECT: dict,
}

#: Specifications shaped before, and the octets of one.
_KEPT_MAX: Final = 1024
_KEPT_BYTES_MAX: Final = 4096

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_NO_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]")


def shape(resource: ServedResource, obj: JsonObject) -> list[str]:
    """Shape an object in place and return the paths of fields that its kind does not know.

    Raises:
        StatusError: A value has the wrong type or form (400).
    """
    assert resource.node is not None
    shaping = _Shaping(resource.kind, resource.version)
    spec = obj.get("spec")
    if isinstance(spec, dict):
        # The most of it, and the same in many: pods come by the thousand, of few templates.
        raw = _encode(spec)
        if len(raw) <= _KEPT_BYTES_MAX and (shaped := _spec_before(resource.schema_name, raw)):
            shaping.fields(resource.node, obj, None, but="spec")
            obj["spec"] = _decode(shaped)
            return shaping.unknown
    shaping.fields(resource.node, obj, None)
    return shaping.unknown


@lru_cache(maxsize=_KEPT_MAX)
def _spec_before(schema_name: str, raw: bytes) -> bytes:
    """Return a specification in its shape, as JSON; empty where there is something to say of it."""
    node, spec = node_of(schema_name.rpartition(".")[2]).child("spec"), _decode(raw)
    shaping = _Shaping("", "")
    if node is None or not holds(node, spec):
        return b""
    try:
        shaping.fields(node, spec, None)
    except errors.StatusError:
        return b""
    return b"" if shaping.unknown else _encode(spec)


class _Shaping:
    """One object's way into its shape."""

    def __init__(self, kind: str, version: str) -> None:
        self._kind = kind
        self._version = version
        self.unknown: list[str] = []

    def fields(
        self, node: SchemaNode, value: JsonObject, at: _Place | None, *, but: str = ""
    ) -> None:
        is_map, properties = node.shape is Shape.MAP, node.properties
        for name, child in list(value.items()):
            below = node.items if is_map else properties.get(name)
            if below is None:
                if not node.is_open:
                    self.unknown.append(_path((at, name)))
                    del value[name]
            elif child is None:
                del value[name]
            elif name == but:
                continue
            elif below.shape is Shape.STRING and not below.format and isinstance(child, str):
                continue  # Most values are such, and every write comes by here.
            else:
                value[name] = self._shaped(below, child, (at, name))

    def _shaped(self, node: SchemaNode, value: Any, at: _Place) -> Any:
        if type(value) is _PLAIN.get(node.shape):  # Without further questions: every write again.
            if isinstance(value, dict):
                self.fields(node, value, at)
            return value
        if not holds(node, value):
            raise self._refused(
                f"json: cannot unmarshal {type_name(value)} into Go struct field "
                f"{self._kind}.{_path(at)} of type {node.shape.value}"
            )
        if isinstance(value, dict):
            self.fields(node, value, at)
        elif isinstance(value, list):
            if node.items is not None:
                items = node.items
                value[:] = [
                    self._shaped(items, item, (at, f"[{index}]"))
                    for index, item in enumerate(value)
                ]
        elif node.shape is Shape.QUANTITY:
            return self._quantity(value)
        elif node.shape is Shape.INTEGER:
            return int(value)
        elif node.format:
            return self._formatted(node.format, value)
        return value

    def _quantity(self, value: Any) -> str:
        try:
            return canonical(value)
        except QuantityError as error:
            raise self._refused(str(error)) from error

    def _formatted(self, name: str, value: Any) -> Any:
        if name == "byte":
            return self._octets(value)
        if name == "date-time" and parse(value) is None:
            layout = "2006-01-02T15:04:05Z07:00"
            raise self._refused(f'parsing time "{value}" as "{layout}": cannot parse it')
        return value

    def _octets(self, value: str) -> str:
        """Return base64 without line breaks. The message has a place, never the value."""
        text = value.replace("\r", "").replace("\n", "")
        if _BASE64.fullmatch(text):
            return text
        wrong = _NO_BASE64.search(text)
        place = wrong.start() if wrong is not None else len(text) // 4 * 4
        raise self._refused(f"illegal base64 data at input byte {place}")

    def _refused(self, problem: str) -> errors.StatusError:
        return errors.bad_request(
            f'{self._kind} in version "{self._version}" cannot be handled as a {self._kind}: '
            f"{problem}"
        )


def _path(at: _Place | None) -> str:
    steps: list[str] = []
    while at is not None:
        at, step = at
        steps.append(step if step.startswith("[") or at is None else f".{step}")
    return "".join(reversed(steps))
