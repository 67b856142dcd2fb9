"""Schemas of custom resources, selectors and paths: values in, problems out."""

from typing import Any

import pytest

from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.history import Stored
from ciliate.apiserver.schema import fill_defaults, prune
from ciliate.apiserver.selectors import Selection, parse_fields, parse_labels
from ciliate.apiserver.structural import check, check_transition, compile_schema
from ciliate.apiserver.timestamps import human_duration


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    node = compile_schema({"type": "object", "properties": {"x": schema}})
    return [f"{c.field}: {c.message}" for c in check(node, {"x": value})]


@pytest.mark.parametrize(
    ("schema", "good", "bad", "message"),
    [
        ({"type": "integer"}, 1, "1", 'x: Invalid value: "string": x in body must be of type'),
        ({"type": "integer"}, 1.0, 1.5, 'must be of type integer: "number"'),
        ({"type": "boolean"}, True, 1, 'must be of type boolean: "integer"'),
        ({"type": "string"}, "", None, 'must be of type string: "null"'),
        ({"type": "string", "nullable": True}, None, 1, "must be of type string"),
        ({"type": "integer", "minimum": 1}, 1, 0, "should be greater than or equal to 1"),
        ({"type": "integer", "maximum": 3}, 3, 4, "should be less than or equal to 3"),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, 0.1, 0, "greater than 0"),
        ({"type": "integer", "multipleOf": 4}, 8, 9, "should be a multiple of 4"),
        ({"type": "number", "multipleOf": 0.1}, 0.3, 0.35, "should be a multiple of 0.1"),
        ({"type": "number", "multipleOf": 0.01}, 1e300, 0.001, "should be a multiple of 0.01"),
        ({"type": "string", "minLength": 2}, "ab", "a", "should be at least 2 chars long"),
        ({"type": "string", "maxLength": 2}, "ab", "abc", "Too long: may not be more than 2"),
        ({"type": "string", "pattern": "^a"}, "ab", "b", "should match '^a'"),
        ({"type": "string", "enum": ["a"]}, "a", "b", 'Unsupported value: "b"'),
        ({"type": "string", "format": "cidr"}, "10.0.0.0/8", "10.0.0.0", "must be of type cidr"),
        ({"type": "string", "format": "ipv4"}, "10.0.0.1", "::1", "must be of type ipv4"),
        ({"type": "string", "format": "ipv6"}, "::1", "10.0.0.1", "must be of type ipv6"),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z", "now", "date-time"),
        ({"type": "string", "format": "duration"}, "1h30m", "1 hour", "must be of type duration"),
        ({"type": "integer", "format": "int32"}, 1, 1 << 40, "must be of type int32"),
        ({"type": "array", "items": {}, "minItems": 1}, [1], [], "at least 1 items"),
        ({"type": "array", "items": {}, "maxItems": 1}, [1], [1, 2], "Too many: 2: must have"),
        ({"type": "array", "items": {}, "x-kubernetes-list-type": "set"}, [1, 2], [1, 1],
         "x[1]: Duplicate value: 1"),
        ({"x-kubernetes-int-or-string": True}, "25%", True, "must be of type int-or-string"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, True, "at least one schema"),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object",
          "x-kubernetes-preserve-unknown-fields": True}, {"a": 1}, {"a": 1, "b": 2},
         "one and only one schema"),
        ({"not": {"enum": [1]}}, 2, 1, "must not validate the schema"),
        ({"type": "object", "required": ["a"], "properties": {"a": {}}}, {"a": 1}, {},
         "x.a: Required value"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"k": 1}, {"k": "v"},
         "x.k in body must be of type integer"),
    ],
)  # fmt: skip
def test_limits(schema: dict[str, Any], good: Any, bad: Any, message: str) -> None:
    assert problems(schema, good) == []
    assert any(message in problem for problem in problems(schema, bad))


def test_unknown_fields_are_pruned_except_where_kept() -> None:
    node = compile_schema(
        {
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"b": {"type": "string"}}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "list": {"type": "array", "items": {"type": "object", "properties": {"k": {}}}},
            },
        }
    )
    value = {"a": {"b": "", "c": 1}, "open": {"x": 1}, "list": [{"k": 1, "l": 2}], "z": 1}

    unknown = prune(node, value)

    assert value == {"a": {"b": ""}, "open": {"x": 1}, "list": [{"k": 1}]}
    assert unknown == ["a.c", "list[0].l", "z"]


def test_defaults_fill_what_is_absent_below_what_is_there() -> None:
    node = compile_schema(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "default": {},
                    "properties": {
                        "size": {"type": "integer", "default": 3},
                        "items": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"on": {"type": "boolean", "default": True}},
                            },
                        },
                    },
                }
            },
        }
    )
    empty: dict[str, Any] = {}
    value: dict[str, Any] = {"spec": {"size": None, "items": [{}, {"on": False}]}}

    fill_defaults(node, empty)
    fill_defaults(node, value)

    assert empty == {"spec": {"size": 3}}
    assert value == {"spec": {"size": 3, "items": [{"on": True}, {"on": False}]}}


def test_immutable_fields_stay() -> None:
    rules = [{"rule": "self == oldSelf", "message": "size is immutable"}]
    schema = {"properties": {"size": {"type": "integer", "x-kubernetes-validations": rules}}}

    assert list(check_transition(schema, {"size": 1}, {"size": 1})) == []
    assert list(check_transition(schema, {"size": 1}, {})) == []
    (cause,) = check_transition(schema, {"size": 1}, {"size": 2})
    assert (cause.field, "size is immutable" in cause.message) == ("size", True)


def stored(name: str, **labels: str) -> Stored:
    return Stored("ns", name, 1, b"", "", labels, {"spec.nodeName": "n1"}, (), (0, 0))


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("", True),
        ("a=1", True),
        ("a==1,b=2", False),
        ("a!=2", True),
        ("b!=2", True),
        ("a in (1, 2)", True),
        ("a notin (1)", False),
        ("b notin (1)", True),
        ("a", True),
        ("!b", True),
        ("! a", False),
        ("a>0", True),
        ("a<1", False),
        ("k8s.io/a-b=1", False),
    ],
)
def test_label_selectors(selector: str, holds: bool) -> None:  # noqa: FBT001 - a table's column
    assert Selection(labels=parse_labels(selector)).holds(stored("x", a="1")) is holds


@pytest.mark.parametrize("selector", ["a in", "a b", "=a", "a=(b)", "a,,b"])
def test_label_selectors_that_are_none_are_refused(selector: str) -> None:
    with pytest.raises(StatusError, match="unable to parse requirement"):
        parse_labels(selector)


def test_field_selectors() -> None:
    supported = frozenset({"spec.nodeName"})

    def holds(text: str) -> bool:
        return Selection(fields=parse_fields(text, supported)).holds(stored("x"))

    assert holds("metadata.name=x,spec.nodeName=n1")
    assert not holds("metadata.name!=x")
    with pytest.raises(StatusError, match=r"field label not supported: spec\.other"):
        parse_fields("spec.other=1", supported)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (49 * 3600, "2d1h"),
        (10 * 86400, "10d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
