"""Patches, as values in and out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.patches import JSON_PATCH, MERGE_PATCH, merge, patched
from ciliate.apiserver.schemas import node_of
from ciliate.apiserver.strategic import merge_strategic

POD = node_of("Pod")

VALUES = st.recursive(
    st.integers() | st.text() | st.booleans(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


def containers(*named: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(named)}}


@pytest.mark.parametrize(
    ("name", "target", "patch", "expected"),
    [
        ("a field is set", {"spec": {}}, {"spec": {"nodeName": "n"}}, {"spec": {"nodeName": "n"}}),
        ("null removes", {"spec": {"nodeName": "n"}}, {"spec": {"nodeName": None}}, {"spec": {}}),
        (
            "elements merge by their key",
            containers({"name": "a", "image": "1"}, {"name": "b", "image": "1"}),
            containers({"name": "b", "image": "2"}),
            containers({"name": "a", "image": "1"}, {"name": "b", "image": "2"}),
        ),
        (
            "new elements come last",
            containers({"name": "a"}),
            containers({"name": "b"}),
            containers({"name": "a"}, {"name": "b"}),
        ),
        (
            "elements are deleted by directive",
            containers({"name": "a"}, {"name": "b"}),
            containers({"name": "a", "$patch": "delete"}),
            containers({"name": "b"}),
        ),
        (
            "lists are replaced by directive",
            containers({"name": "a"}),
            containers({"$patch": "replace"}, {"name": "b"}),
            containers({"name": "b"}),
        ),
        (
            "order is the client's",
            containers({"name": "a"}, {"name": "b"}),
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
                    "containers": [{"name": "c"}],
                }
            },
            containers({"name": "c"}, {"name": "b"}, {"name": "a"}),
        ),
        (
            "atomic lists are replaced",
            {"spec": {"tolerations": [{"key": "a"}]}},
            {"spec": {"tolerations": [{"key": "b"}]}},
            {"spec": {"tolerations": [{"key": "b"}]}},
        ),
        (
            "sets are united",
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b", "a"]}},
            {"metadata": {"finalizers": ["a", "b"]}},
        ),
        (
            "values are deleted from sets",
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
        ),
        (
            "maps are replaced by directive",
            {"metadata": {"labels": {"a": "1"}}},
            {"metadata": {"labels": {"$patch": "replace", "b": "2"}}},
            {"metadata": {"labels": {"b": "2"}}},
        ),
        (
            "only named keys are retained",
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
            {
                "spec": {
                    "volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {}}]
                }
            },
            {"spec": {"volumes": [{"name": "v", "secret": {}}]}},
        ),
    ],
)
def test_strategic_merge(
    name: str, target: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merge_strategic(target, patch, POD) == expected


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(StatusError, match="does not contain declared merge key: name"):
        merge_strategic(containers({"name": "a"}), containers({"image": "x"}), POD)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_twice_is_the_same_as_once(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    once = patched(target, patch, MERGE_PATCH, None)

    assert patched(once, patch, MERGE_PATCH, None) == once


def test_the_examples_of_rfc_7386() -> None:
    assert merge({"a": "b", "c": {"d": "e", "f": "g"}}, {"a": "z", "c": {"f": None}}) == {
        "a": "z",
        "c": {"d": "e"},
    }
    assert merge({"a": {"b": "c"}}, {"a": [1]}) == {"a": [1]}
    assert merge({}, {"a": {"bb": {"ccc": None}}}) == {"a": {"bb": {}}}


@pytest.mark.parametrize(
    "patch", [{}, [5], [{"op": "what", "path": "/a"}], [{"op": "remove", "path": "/none"}], [{}]]
)
def test_malformed_json_patches_are_refused(patch: Any) -> None:
    with pytest.raises(StatusError) as refused:
        patched({"a": 1}, patch, JSON_PATCH, None)

    assert refused.value.code in {400, 422}
