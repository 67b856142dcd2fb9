"""Patches and server-side apply, as values in and out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.apiserver.apply import applied
from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.patches import JSON_PATCH, MERGE_PATCH, merge, patched
from ciliate.apiserver.schemas import node_of
from ciliate.apiserver.strategic import merge_strategic

POD = node_of("Pod")
PODS = next(r for r in built_in() if r.id == "pods")

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


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": spec}


def apply(
    live: dict[str, Any] | None, config: dict[str, Any], manager: str, *, force: bool = False
) -> dict[str, Any]:
    return applied(PODS, live, config, manager=manager, subresource="", force=force)


def test_applying_again_changes_nothing() -> None:
    config = pod(containers=[{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}])
    once = apply(None, config, "me")

    assert apply(once, config, "me") == once


def test_what_two_managers_apply_stays_until_both_leave_it_out() -> None:
    live = apply(None, pod(hostname="h", nodeName="n"), "one")
    live = apply(live, pod(hostname="h"), "two")

    live = apply(live, pod(nodeName="n"), "one")
    assert live["spec"] == {"hostname": "h", "nodeName": "n"}

    live = apply(live, pod(subdomain="s"), "two")
    assert live["spec"] == {"nodeName": "n", "subdomain": "s"}


def test_another_value_is_a_conflict_unless_forced() -> None:
    live = apply(None, pod(hostname="h"), "one")

    with pytest.raises(StatusError, match=r'conflict with "one": .spec.hostname') as refused:
        apply(live, pod(hostname="other"), "two")
    forced = apply(live, pod(hostname="other"), "two", force=True)

    assert refused.value.code == 409
    assert forced["spec"]["hostname"] == "other"
    assert [e["manager"] for e in forced["metadata"]["managedFields"]] == ["two"]


def test_elements_left_out_are_removed_and_others_elements_stay() -> None:
    live = apply(None, pod(containers=[{"name": "a"}, {"name": "b"}]), "one")
    live = apply(live, pod(containers=[{"name": "c"}]), "two")

    live = apply(live, pod(containers=[{"name": "b", "image": "x"}]), "one")

    assert live["spec"]["containers"] == [{"name": "b", "image": "x"}, {"name": "c"}]
