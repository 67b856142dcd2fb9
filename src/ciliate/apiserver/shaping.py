"""Bringing a client's object into its built-in kind's shape, as Go's decoder does.

Nulls say the same as absence, unknown fields go, values have their types, quantities and octets
their one form; what cannot be brought there is refused. Custom kinds keep what their schema allows
(`schema.prune`, `structural`).
"""

import re
from typing import Any, Final

from ciliate.apiserver import errors
from ciliate.apiserver.quantities import QuantityError, canonical
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import SchemaNode, Shape, holds, type_name
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import parse

#: Where a value is: the step to it, after where its parent is.
_Place = tuple[Any, str]

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_NO_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]")


def shape(resource: ServedResource, obj: JsonObject) -> list[str]:
    """Shape an object in place and return the paths of fields that its kind does not know.

    Raises:
        StatusError: A value has the wrong type or form (400).
    """
    assert resource.node is not None
    shaping = _Shaping(resource)
    shaping.fields(resource.node, obj, None)
    return shaping.unknown


class _Shaping:
    """One object's way into its shape."""

    def __init__(self, resource: ServedResource) -> None:
        self._kind = resource.kind
        self._version = resource.version
        self.unknown: list[str] = []

    def fields(self, node: SchemaNode, value: JsonObject, at: _Place | None) -> None:
        is_map, properties = node.shape is Shape.MAP, node.properties
        for name, child in list(value.items()):
            below = node.items if is_map else properties.get(name)
            if below is None:
                if not node.is_open:
                    self.unknown.append(_path((at, name)))
                    del value[name]
            elif child is None:
                del value[name]
            elif below.shape is Shape.STRING and not below.format and isinstance(child, str):
                continue  # Most values are such, and every write comes by here.
            else:
                value[name] = self._shaped(below, child, (at, name))

    def _shaped(self, node: SchemaNode, value: Any, at: _Place) -> Any:
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
