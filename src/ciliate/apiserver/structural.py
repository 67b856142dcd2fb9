"""Schemas of custom resources: from OpenAPI v3 (structural) to shapes with limits.

Types, enums, bounds, patterns, formats, required fields and the composition words (allOf, anyOf,
oneOf, not) are checked in kube-apiserver's words; so are the Kubernetes extensions for unknown
fields, embedded resources, int-or-string and lists that are sets or maps. Of
`x-kubernetes-validations` the transition rule `self == oldSelf` (immutable) is enforced; other CEL
expressions are stored and shown, not evaluated.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sized
from fractions import Fraction
from functools import partial
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.formats import format_problem
from ciliate.apiserver.names import invalid_value, required_value
from ciliate.apiserver.patterns import compile_pattern
from ciliate.apiserver.schema import (
    ANY,
    MISSING,
    Check,
    SchemaNode,
    Shape,
    holds,
    note_defaults,
    type_name,
)

Schema = Mapping[str, Any]

_SHAPES: Final = {
    "object": Shape.OBJECT,
    "array": Shape.ARRAY,
    "string": Shape.STRING,
    "integer": Shape.INTEGER,
    "number": Shape.NUMBER,
    "boolean": Shape.BOOLEAN,
}
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"


def compile_schema(schema: Schema) -> SchemaNode:
    """Return the shape of a structural schema."""
    node = _compiled(schema)
    note_defaults(node)
    return node


def _compiled(schema: Schema) -> SchemaNode:
    node = SchemaNode(_shape(schema))
    node.is_open = bool(schema.get(_PRESERVE)) or node.shape is Shape.ANY
    node.is_embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    node.nullable = bool(schema.get("nullable"))
    node.default = schema.get("default", MISSING)
    node.required = tuple(schema.get("required") or ())
    node.properties = {n: _compiled(s) for n, s in (schema.get("properties") or {}).items()}
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        node.items = _compiled(additional)
    elif isinstance(schema.get("items"), dict):
        node.items = _compiled(schema["items"])
    elif node.shape is Shape.MAP:
        node.items = ANY
    if schema.get("x-kubernetes-map-type") == "atomic":
        node.list_type = "atomic-map"
    elif schema.get("x-kubernetes-list-type") == "set":
        node.list_type = "set"
    elif schema.get("x-kubernetes-list-type") == "map":
        node.list_type = "map"
        node.list_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    node.checks = tuple(_checks(schema, node))
    return node


def _shape(schema: Schema) -> Shape:
    if schema.get("x-kubernetes-int-or-string"):
        return Shape.INT_OR_STRING
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") and not schema.get("properties"):
        return Shape.MAP
    return _SHAPES.get(kind, Shape.ANY) if isinstance(kind, str) else Shape.ANY


def check(node: SchemaNode, value: Any, path: str = "") -> Iterator[Cause]:
    """Yield what is wrong with a value, all the way down."""
    if value is None and node.nullable:
        return
    if not holds(node, value):
        found = type_name(value)
        wanted = "object" if node.shape is Shape.MAP else node.shape.value
        problem = f'{path} in body must be of type {wanted}: "{found}"'
        yield Cause(path, "FieldValueTypeInvalid", f'Invalid value: "{found}": {problem}')
        return
    for one in node.checks:
        yield from one(value, path)
    yield from _check_below(node, value, path)


def _check_below(node: SchemaNode, value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, dict):
        for name in node.required:
            if name not in value:
                yield required_value(_join(path, name))
        for name, child in value.items():
            shape = node.child(name)
            if shape is not None:
                yield from check(shape, child, _join(path, name))
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            yield from check(node.items, item, f"{path}[{index}]")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def unevaluated_rules(schema: Schema) -> Iterator[str]:
    """Yield the rules of `x-kubernetes-validations` that `check_transition` does not enforce."""
    yield from _rules(schema, transitions=False)


def _rules(schema: Schema, *, transitions: bool) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations") or ():
        text = str(rule.get("rule", ""))
        if transitions or not _is_immutability(text):
            yield text
    for below in (schema.get("properties") or {}).values():
        yield from _rules(below, transitions=transitions)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from _rules(schema[word], transitions=True)


def _is_immutability(rule: str) -> bool:
    return re.sub(r"\s", "", rule) == "self==oldSelf"


def check_transition(schema: Schema, new: Any, old: Any, path: str = "") -> Iterator[Cause]:
    """Yield fields that may not change (`x-kubernetes-validations: self == oldSelf`) and did."""
    for rule in schema.get("x-kubernetes-validations") or ():
        if _is_immutability(str(rule.get("rule", ""))) and new != old:
            problem = rule.get("message") or f"failed rule: {rule['rule']}"
            yield invalid_value(path, type_name(new), problem)
    if isinstance(new, dict) and isinstance(old, dict):
        for name, below in (schema.get("properties") or {}).items():
            if name in new and name in old:
                yield from check_transition(below, new[name], old[name], _join(path, name))


def _checks(schema: Schema, node: SchemaNode) -> Iterator[Check]:
    """Yield the limits a schema sets beyond its type."""
    if schema.get("enum"):
        yield _enumerated(schema["enum"])
    yield from _number_checks(schema)
    yield from _text_checks(schema)
    yield from _size_checks(schema)
    if node.list_type == "set":
        yield _distinct(lambda item: item)
    elif node.list_keys:
        keys = node.list_keys
        yield _distinct(
            lambda item: {k: item.get(k) for k in keys} if isinstance(item, dict) else item
        )
    yield from _composed(schema)


def _enumerated(values: list[Any]) -> Check:
    listed = ", ".join(json.dumps(v) for v in values)

    def checked(value: Any, path: str) -> Iterator[Cause]:
        if value not in values:
            message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
            yield Cause(path, "FieldValueNotSupported", message)

    return checked


def _limit(holds_for: Callable[[Any], bool], problem: str) -> Check:
    """Return a check whose message begins with the field, as go-openapi's do."""

    def checked(value: Any, path: str) -> Iterator[Cause]:
        if not holds_for(value):
            yield invalid_value(path, value, f"{path} in body {problem}")

    return checked


def _number_checks(schema: Schema) -> Iterator[Check]:
    low, high = schema.get("minimum"), schema.get("maximum")

    def numeric(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    if low is not None:
        if schema.get("exclusiveMinimum"):
            yield _limit(lambda v: not numeric(v) or v > low, f"should be greater than {low}")
        else:
            problem = f"should be greater than or equal to {low}"
            yield _limit(lambda v: not numeric(v) or v >= low, problem)
    if high is not None:
        if schema.get("exclusiveMaximum"):
            yield _limit(lambda v: not numeric(v) or v < high, f"should be less than {high}")
        else:
            problem = f"should be less than or equal to {high}"
            yield _limit(lambda v: not numeric(v) or v <= high, problem)
    factor = schema.get("multipleOf")
    if factor:
        # As decimals: in binary 0.3 is no multiple of 0.1.
        step = Fraction(str(factor))
        yield _limit(
            lambda v: not numeric(v) or (Fraction(str(v)) / step).denominator == 1,
            f"should be a multiple of {factor}",
        )


def _text_checks(schema: Schema) -> Iterator[Check]:
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if shortest:
        problem = f"should be at least {shortest} chars long"
        yield _limit(lambda v: not isinstance(v, str) or len(v) >= shortest, problem)
    if longest is not None:

        def short_enough(value: Any, path: str) -> Iterator[Cause]:
            if isinstance(value, str) and len(value) > longest:
                message = f"Too long: may not be more than {longest} bytes"
                yield Cause(path, "FieldValueTooLong", message)

        yield short_enough
    if schema.get("pattern"):
        matches = compile_pattern(schema["pattern"])
        problem = f"should match '{schema['pattern']}'"
        yield _limit(lambda v: not isinstance(v, str) or matches(v), problem)
    if schema.get("format"):
        yield _formatted(schema["format"])


def _formatted(name: str) -> Check:
    def checked(value: Any, path: str) -> Iterator[Cause]:
        problem = format_problem(name, value)
        if problem:
            yield invalid_value(path, value, f"{path} in body {problem}")

    return checked


def _size_checks(schema: Schema) -> Iterator[Check]:
    for word, kind, noun in (("Items", list, "items"), ("Properties", dict, "properties")):
        fewest, most = schema.get(f"min{word}"), schema.get(f"max{word}")
        if fewest is not None:
            yield _sized(kind, fewest, f"at least {fewest} {noun}", most=False)
        if most is not None:
            yield _sized(kind, most, f"at most {most} {noun}", most=True)


def _sized(kind: type[Sized], bound: int, text: str, *, most: bool) -> Check:
    def checked(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, kind):
            return
        if (len(value) <= bound) if most else (len(value) >= bound):
            return
        if most:
            message = f"Too many: {len(value)}: must have {text}"
            yield Cause(path, "FieldValueTooMany", message)
        else:
            yield invalid_value(path, len(value), f"{path} in body should have {text}")

    return checked


def _distinct(identity: Callable[[Any], Any]) -> Check:
    def checked(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, list):
            return
        seen: set[str] = set()
        for index, item in enumerate(value):
            text = json.dumps(identity(item), sort_keys=True)
            if text in seen:
                yield Cause(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {text}")
            seen.add(text)

    return checked


def _composed(schema: Schema) -> Iterator[Check]:
    """Yield checks of the composition words; their parts may only add limits."""
    for part in schema.get("allOf") or ():
        yield partial(check, _compiled(part))
    for word, text in (("anyOf", "at least one"), ("oneOf", "one and only one")):
        parts = [_compiled(part) for part in schema.get(word) or ()]
        if parts:
            yield _counted(parts, text, exactly_one=word == "oneOf")
    if schema.get("not"):
        unwanted = _compiled(schema["not"])
        yield _limit(
            lambda v: next(check(unwanted, v), None) is not None,
            "must not validate the schema (not)",
        )


def _counted(parts: list[SchemaNode], text: str, *, exactly_one: bool) -> Check:
    def checked(value: Any, path: str) -> Iterator[Cause]:
        valid = sum(next(check(part, value, path), None) is None for part in parts)
        if valid == 0 or (exactly_one and valid != 1):
            problem = f"{path} in body must validate {text} schema"
            word = "oneOf" if exactly_one else "anyOf"
            yield invalid_value(path, type_name(value), f"{problem} ({word})")

    return checked
