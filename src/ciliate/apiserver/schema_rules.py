"""What a CustomResourceDefinition's schema must be: structural, of patterns and defaults that hold.

A schema is refused where kube-apiserver refuses it, so that a definition that was written in a lab
goes into a cluster: each value has one type, the composition words only add limits, and what lists
merge by is said. Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/validation.go` and
`pkg/apis/apiextensions/validation/validation.go`, the rules people meet.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import invalid_value, required_value
from ciliate.apiserver.patterns import PatternError, compile_pattern
from ciliate.apiserver.structural import check, compile_schema
from ciliate.apiserver.validation import unsupported_value

Schema = Mapping[str, Any]

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES: Final = ("atomic", "map", "set")
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_LIST_TYPE: Final = "x-kubernetes-list-type"
_LIST_KEYS: Final = "x-kubernetes-list-map-keys"
_COMPOSITIONS: Final = ("allOf", "anyOf", "oneOf")
#: Words that say what a value is: none of them may stand below a composition word.
_GENERIC: Final = (
    *("additionalProperties", "default", "description", "nullable", "title", "type"),
    *("x-kubernetes-embedded-resource", _INT_OR_STRING, _LIST_KEYS, _LIST_TYPE, _PRESERVE),
)
#: How an int-or-string says so a second time, for clients that do not know the extension.
_EITHER: Final = [{"type": "integer"}, {"type": "string"}]


def schema_causes(schema: Any, at: str) -> Iterator[Cause]:
    """Yield what is wrong with the schema of one version."""
    if not schema.get("type"):
        yield required_value(f"{at}.type", "must not be empty at the root")
    elif schema["type"] != "object":
        yield invalid_value(f"{at}.type", schema["type"], "must be object at the root")
    yield from _node_causes(schema, at)


def _node_causes(schema: Schema, at: str) -> Iterator[Cause]:
    kind = schema.get("type")
    if kind and kind not in _TYPES:
        yield unsupported_value(f"{at}.type", kind, _TYPES)
    yield from _forbidden(schema, at)
    yield from _list_causes(schema, at)
    yield from _pattern_causes(schema, at)
    yield from _composed_causes(schema, at)
    yield from _default_causes(schema, at)
    for name, below in (schema.get("properties") or {}).items():
        yield from _child_causes(below, f"{at}.properties[{name}]", "object fields")
    if isinstance(schema.get("additionalProperties"), dict):
        below = schema["additionalProperties"]
        yield from _child_causes(below, f"{at}.additionalProperties", "object fields")
    if isinstance(schema.get("items"), dict):
        yield from _child_causes(schema["items"], f"{at}.items", "array items")


def _child_causes(schema: Any, at: str, what: str) -> Iterator[Cause]:
    if not isinstance(schema, dict):
        yield invalid_value(at, schema, "must be a schema")
        return
    if not (schema.get("type") or schema.get(_INT_OR_STRING) or schema.get(_PRESERVE)):
        yield required_value(f"{at}.type", f"must not be empty for specified {what}")
    yield from _node_causes(schema, at)


def _forbidden(schema: Schema, at: str) -> Iterator[Cause]:
    refused = {
        "$ref": "$ref" in schema,
        "uniqueItems": schema.get("uniqueItems") is True,
        "items": isinstance(schema.get("items"), list),
        "additionalProperties": schema.get("additionalProperties") is False
        or ("additionalProperties" in schema and bool(schema.get("properties"))),
        _PRESERVE: schema.get(_PRESERVE) is False,
    }
    problems = {
        "$ref": "$ref is not supported",
        "uniqueItems": "uniqueItems cannot be set to true: set x-kubernetes-list-type to set",
        "items": "items must be a schema object and not an array",
        "additionalProperties": "additionalProperties cannot be false, nor stand beside properties",
        _PRESERVE: "must be true or undefined",
    }
    for word, is_refused in refused.items():
        if is_refused:
            yield Cause(f"{at}.{word}", "FieldValueForbidden", f"Forbidden: {problems[word]}")


def _list_causes(schema: Schema, at: str) -> Iterator[Cause]:
    kind, keys = schema.get(_LIST_TYPE), schema.get(_LIST_KEYS)
    if schema.get("type") == "array" and "items" not in schema:
        yield required_value(f"{at}.items", "must be specified")
    if kind is not None and kind not in _LIST_TYPES:
        yield unsupported_value(f"{at}.{_LIST_TYPE}", kind, _LIST_TYPES)
    if kind is not None and schema.get("type") != "array":
        yield invalid_value(f"{at}.type", schema.get("type", ""), f"must be array if {_LIST_TYPE}")
    if kind == "map" and not keys:
        problem = f"must not be empty if {_LIST_TYPE} is map"
        yield required_value(f"{at}.{_LIST_KEYS}", problem)
    if keys and kind != "map":
        yield invalid_value(f"{at}.{_LIST_TYPE}", kind or "", f"must be map if {_LIST_KEYS}")


def _pattern_causes(schema: Schema, at: str) -> Iterator[Cause]:
    pattern = schema.get("pattern")
    if not pattern:
        return
    try:
        compile_pattern(pattern)
    except PatternError as error:
        yield invalid_value(f"{at}.pattern", pattern, str(error))


def _composed_causes(schema: Schema, at: str) -> Iterator[Cause]:
    for word in _COMPOSITIONS:
        if schema.get(_INT_OR_STRING) and schema.get(word) == _EITHER:
            continue
        for index, part in enumerate(schema.get(word) or ()):
            if schema.get(_INT_OR_STRING) and part == {"anyOf": _EITHER}:
                continue
            yield from _part_causes(part, f"{at}.{word}[{index}]")
    if schema.get("not"):
        yield from _part_causes(schema["not"], f"{at}.not")


def _part_causes(schema: Schema, at: str) -> Iterator[Cause]:
    for word in _GENERIC:
        if schema.get(word):
            message = "Forbidden: must be empty to be structural"
            yield Cause(f"{at}.{word}", "FieldValueForbidden", message)
    yield from _pattern_causes(schema, at)
    yield from _composed_causes(schema, at)
    for name, below in (schema.get("properties") or {}).items():
        yield from _part_causes(below, f"{at}.properties[{name}]")
    if isinstance(schema.get("items"), dict):
        yield from _part_causes(schema["items"], f"{at}.items")


def _default_causes(schema: Schema, at: str) -> Iterator[Cause]:
    if "default" in schema and not any(True for _ in _pattern_causes(schema, at)):
        yield from check(compile_schema(schema), schema["default"], f"{at}.default")
