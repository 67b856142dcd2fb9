"""Schemas of definitions are structural, or refused at the field that is not."""

from typing import Any

import pytest

from ciliate.apiserver.schema_rules import schema_causes

EITHER = [{"type": "integer"}, {"type": "string"}]


def problems(schema: dict[str, Any]) -> list[str]:
    return [f"{c.field}: {c.message}" for c in schema_causes(schema, "s")]


def holding(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^[[:alpha:]]+$", "default": "a"},
        {"x-kubernetes-int-or-string": True, "anyOf": EITHER},
        {"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": EITHER}, {"pattern": "^a"}]},
        {"x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
         "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
         "oneOf": [{"required": ["a"]}, {"not": {"required": ["b"]}}]},
        {"type": "integer", "nullable": True, "default": None},
    ],
)  # fmt: skip
def test_structural_schemas_are_taken(schema: dict[str, Any]) -> None:
    assert problems(holding(schema)) == []


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "s.properties[x].type: Required value: must not be empty for specified object fields"),
        ({"type": "text"}, 's.properties[x].type: Unsupported value: "text"'),
        ({"type": "array"}, "s.properties[x].items: Required value"),
        ({"type": "array", "items": {}}, "s.properties[x].items.type: Required value"),
        ({"type": "array", "items": [{"type": "string"}]}, "s.properties[x].items: Forbidden"),
        ({"type": "object", "additionalProperties": False}, "additionalProperties: Forbidden"),
        ({"type": "object", "additionalProperties": {}}, "additionalProperties.type: Required"),
        ({"type": "object", "properties": {"a": {"type": "string"}},
          "additionalProperties": {"type": "string"}}, "additionalProperties: Forbidden"),
        ({"type": "object", "$ref": "#/a"}, "$ref: Forbidden: $ref is not supported"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True},
         "uniqueItems: Forbidden"),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"},
         'x-kubernetes-list-type: Unsupported value: "bag"'),
        ({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
         "x-kubernetes-list-map-keys: Required value"),
        ({"type": "string", "x-kubernetes-list-type": "set"}, "type: Invalid value"),
        ({"type": "string", "pattern": "a++"}, 's.properties[x].pattern: Invalid value: "a++"'),
        ({"type": "string", "anyOf": [{"type": "string"}]},
         "s.properties[x].anyOf[0].type: Forbidden: must be empty to be structural"),
        ({"type": "string", "not": {"pattern": "(?=a)"}}, "s.properties[x].not.pattern: Invalid"),
        ({"type": "integer", "default": "three"}, "s.properties[x].default: Invalid value"),
        ({"type": "string", "x-kubernetes-preserve-unknown-fields": False},
         "must be true or undefined"),
    ],
)  # fmt: skip
def test_what_is_not_structural_is_refused_at_its_field(
    schema: dict[str, Any], problem: str
) -> None:
    assert any(problem in found for found in problems(holding(schema))), problems(holding(schema))


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "s.type: Required value: must not be empty at the root"),
        ({"type": "string"}, 's.type: Invalid value: "string": must be object at the root'),
    ],
)
def test_the_root_is_an_object(schema: dict[str, Any], problem: str) -> None:
    assert problems(schema) == [problem]
