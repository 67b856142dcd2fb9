"""The schema of MasqueradePolicy refuses what the bounds say, and everything has one."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.definitions import custom_resource_definitions
from ciliate.api.masquerade_policy import (
    ADDRESSES_MAX,
    DESTINATIONS_MAX,
    EXCEPTS_MAX,
    LABELS_MAX,
    PORTS_MAX,
    PRIORITY_MAX,
    RULES_MAX,
)
from ciliate.apiserver.schema_rules import schema_causes
from ciliate.apiserver.structural import check, compile_schema

(SCHEMA,) = (
    each.document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for each in custom_resource_definitions()
    if each.name == "masqueradepolicies.ciliate.io"
)


def _nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from _nodes(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


NODES = dict(_nodes(SCHEMA["properties"]["spec"], "spec"))


def test_api_server_takes_the_definition() -> None:
    assert not list(schema_causes(SCHEMA, "schema"))


def test_every_list_map_and_text_of_the_spec_has_a_bound() -> None:
    """An API server refuses rules in CEL whose cost it cannot bound."""
    for path, node in NODES.items():
        bounds = {
            "array": "maxItems",
            "string": "maxLength",
            "integer": "maximum",
            "object": "properties" if "properties" in node else "maxProperties",
        }
        assert bounds[node["type"]] in node, path


def test_bounds_are_those_that_nodes_have() -> None:
    assert NODES["spec.priority"]["maximum"] == PRIORITY_MAX
    assert NODES["spec.rules"]["maxItems"] == RULES_MAX
    rule = "spec.rules[]"
    assert NODES[f"{rule}.destinations"]["maxItems"] == DESTINATIONS_MAX
    assert NODES[f"{rule}.destinations[].except"]["maxItems"] == EXCEPTS_MAX
    assert NODES[f"{rule}.ports"]["maxItems"] == PORTS_MAX
    assert NODES[f"{rule}.addresses"]["maxItems"] == ADDRESSES_MAX
    for selector in ("namespaceSelector", "podSelector"):
        labels = NODES[f"{rule}.{selector}.matchLabels"]
        expressions = NODES[f"{rule}.{selector}.matchExpressions"]
        assert (labels["maxProperties"], expressions["maxItems"]) == (LABELS_MAX, LABELS_MAX)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"source": "pod"}, "source"),
        ({"source": "Address", "addresses": ["192.0.2"]}, "addresses[0]"),
        ({"source": "Address", "addresses": []}, "addresses"),
        ({"source": "Pod", "destinations": []}, "destinations"),
        ({"source": "Pod", "destinations": [{"cidr": "10.0.0.0/33"}]}, "destinations[0].cidr"),
        (
            {"source": "Pod", "destinations": [{"cidr": "10.0.0.0/8", "except": ["10"]}]},
            "destinations[0].except[0]",
        ),
        ({"source": "Pod", "ports": [{"protocol": "tcp"}]}, "ports[0].protocol"),
        ({"source": "Pod", "ports": [{"protocol": "TCP", "port": 65536}]}, "ports[0].port"),
        ({"source": "Pod", "ports": [{"port": 80}]}, "ports[0].protocol"),
        ({"source": "Pod", "name": "No"}, "name"),
        ({"source": "Pod", "pool": "a/b"}, "pool"),
        (
            {
                "source": "Pod",
                "podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]},
            },
            "podSelector.matchExpressions[0].operator",
        ),
    ],
)
def test_schema_refuses_by_the_field(rule: dict[str, Any], path: str) -> None:
    causes = list(check(compile_schema(SCHEMA), {"spec": policy(rule).spec}))

    assert [cause.field for cause in causes] == [f"spec.rules[0].{path}"]


def test_schema_takes_addresses_of_either_family() -> None:
    rule = {"source": "Address", "addresses": ["192.0.2.9", "2001:db8::9"]}

    assert not list(check(compile_schema(SCHEMA), {"spec": policy(rule).spec}))
