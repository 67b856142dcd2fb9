"""Who has which fields after which writes: server-side apply and all others."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciliate.apiserver.apply import Applier, applied
from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.field_sets import difference, intersection, paths, union
from ciliate.apiserver.field_values import appeared, compared
from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.managed_fields import Author, given_entries
from ciliate.apiserver.resources import ServedResource

KINDS = {resource.id: resource for resource in built_in()}
PODS = KINDS["pods"]
DEPLOYMENTS = KINDS["deployments.apps"]

LEAVES = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"y"'])
TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.just({}),
    lambda below: st.builds(
        lambda mark, tree: {**mark, **tree},
        st.sampled_from([{}, {".": {}}]),
        st.dictionaries(LEAVES, below, min_size=1, max_size=2),
    ),
    max_leaves=5,
)
SETS = st.dictionaries(LEAVES, TREES, max_size=3)


@dataclass
class Object:
    """One object and its managedFields, as a store has them."""

    resource: ServedResource = PODS
    obj: dict[str, Any] | None = None
    managed: bytes = b""

    def apply(self, manager: str, *, force: bool = False, **content: Any) -> "Object":
        config = {"metadata": {"name": "x"}, **content}
        applier = Applier(manager, force=force)
        result = applied(self.resource, self.obj, self.managed, config, applier)
        self.obj, self.managed = result.obj, result.managed
        return self

    def write(self, manager: str, subresource: str = "", **content: Any) -> "Object":
        obj = {"metadata": {"name": "x"}, **deepcopy(content)}
        author = Author(manager, subresource)
        if self.obj is None:
            self.managed = author.of_created(self.resource, obj)
        else:
            self.managed = author.of_updated(self.resource, self.managed, self.obj, obj)
        self.obj = obj
        return self

    def entries(self) -> dict[tuple[str, str], dict[str, Any]]:
        listed = msgspec.json.decode(self.managed) if self.managed else []
        return {(e["operation"], e["manager"]): e["fieldsV1"] for e in listed}

    def spec(self) -> dict[str, Any]:
        assert self.obj is not None
        found: dict[str, Any] = self.obj["spec"]
        return found


def conflicts(obj: Object, manager: str, **content: Any) -> list[str]:
    """Return the message of each conflict that an apply meets, and that nothing has changed."""
    before = deepcopy(obj)
    with pytest.raises(StatusError) as refused:
        obj.apply(manager, **content)
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert (obj.obj, obj.managed) == (before.obj, before.managed)
    assert refused.value.details is not None
    causes = refused.value.details["causes"]
    assert {c["reason"] for c in causes} == {"FieldManagerConflict"}
    return [f"{c['message']}: {c['field']}" for c in causes]


@given(SETS, SETS)
def test_sets_of_fields_follow_the_laws_of_sets(left: Any, right: Any) -> None:
    ours, theirs = set(paths(left)), set(paths(right))

    assert set(paths(union(left, right))) == ours | theirs
    assert set(paths(intersection(left, right))) == ours & theirs
    assert set(paths(difference(left, right))) == ours - theirs


def test_whoever_makes_an_object_has_its_fields_and_marks_what_contains_some() -> None:
    made = Object().write(
        "kubelet",
        spec={"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]},
        metadata={"name": "x", "uid": "u", "labels": {"app": "web"}},
        status={"phase": "Pending"},
    )

    assert made.entries() == {
        ("Update", "kubelet"): {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"a"}': {
                        ".": {},
                        "f:name": {},
                        "f:ports": {
                            ".": {},
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                            },
                        },
                    },
                }
            },
        }
    }


def test_an_update_takes_what_it_changes_and_no_more() -> None:
    obj = Object().write("one", spec={"hostname": "h", "nodeName": "n"})

    obj.write("two", spec={"hostname": "other", "nodeName": "n"})
    assert obj.entries() == {
        ("Update", "one"): {"f:spec": {"f:nodeName": {}}},
        ("Update", "two"): {"f:spec": {"f:hostname": {}}},
    }

    obj.write("three", spec={"nodeName": "n"})
    assert set(obj.entries()) == {("Update", "one")}


def test_subresources_have_entries_of_their_own() -> None:
    obj = Object().write("me", spec={"hostname": "h"})

    obj.write("me", "status", spec={"hostname": "h"}, status={"phase": "Running"})

    listed = msgspec.json.decode(obj.managed)
    assert [(e["manager"], e.get("subresource", "")) for e in listed] == [
        ("me", ""),
        ("me", "status"),
    ]


def test_a_write_that_changes_nothing_leaves_the_entries_and_their_times() -> None:
    obj = Object().write("one", spec={"hostname": "h"})
    before = obj.managed

    assert obj.write("two", spec={"hostname": "h"}).managed == before


def test_the_oldest_of_many_updaters_are_merged() -> None:
    obj = Object(KINDS["configmaps"]).write("w0", data={"k0": "v"})
    for n in range(1, 15):
        obj.write(f"w{n}", data={f"k{i}": "v" for i in range(n + 1)})

    names = [manager for _, manager in obj.entries()]
    assert len(names) == 10
    assert "ancient-changes" in names
    assert "w14" in names
    have = {p for tree in obj.entries().values() for p in paths(tree) if len(p) > 1}
    assert have == {("f:data", f"f:k{n}") for n in range(15)}


def test_applying_again_changes_nothing() -> None:
    spec = {"containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}]}
    obj = Object().apply("me", spec=spec)
    before = deepcopy(obj)

    obj.apply("me", spec=spec)

    assert (obj.obj, obj.managed) == (before.obj, before.managed)


def test_what_two_managers_apply_stays_until_both_leave_it_out() -> None:
    obj = Object().apply("one", spec={"hostname": "h", "nodeName": "n"})
    obj.apply("two", spec={"hostname": "h"})

    obj.apply("one", spec={"nodeName": "n"})
    assert obj.spec() == {"hostname": "h", "nodeName": "n"}

    obj.apply("two", spec={"subdomain": "s"})
    assert obj.spec() == {"nodeName": "n", "subdomain": "s"}


def test_what_an_updater_has_stays_when_its_applier_leaves_it_out() -> None:
    obj = Object(DEPLOYMENTS).apply("me", spec={"replicas": 1, "paused": True})
    obj.write("scaler", "scale", spec={"replicas": 5, "paused": True})

    obj.apply("me", spec={"paused": True})

    assert obj.spec() == {"replicas": 5, "paused": True}


def test_another_value_is_a_conflict_that_names_manager_and_field() -> None:
    obj = Object().apply("one", spec={"hostname": "h", "nodeName": "n"})

    assert conflicts(obj, "two", spec={"hostname": "other", "nodeName": "m"}) == [
        'conflict with "one": .spec.hostname',
        'conflict with "one": .spec.nodeName',
    ]


def test_a_conflict_with_a_plain_write_names_its_version_and_path() -> None:
    obj = Object(DEPLOYMENTS).apply("me", spec={"replicas": 1})
    obj.write("hpa", "scale", spec={"replicas": 5})

    assert conflicts(obj, "me", spec={"replicas": 1}) == [
        'conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas'
    ]


def test_the_message_of_many_conflicts_lists_them_by_manager() -> None:
    obj = Object().apply("one", spec={"hostname": "h"}).apply("two", spec={"nodeName": "n"})

    with pytest.raises(StatusError) as refused:
        obj.apply("three", spec={"hostname": "x", "nodeName": "y"})

    assert refused.value.message == (
        "Apply failed with 2 conflicts: "
        'conflicts with "one":\n- .spec.hostname\nconflicts with "two":\n- .spec.nodeName'
    )


def test_force_takes_the_fields() -> None:
    obj = Object().apply("one", spec={"hostname": "h"})

    obj.apply("two", force=True, spec={"hostname": "other"})

    assert obj.spec() == {"hostname": "other"}
    assert set(obj.entries()) == {("Apply", "two")}


def test_elements_left_out_are_removed_and_others_elements_stay() -> None:
    obj = Object().apply("one", spec={"containers": [{"name": "a"}, {"name": "b"}]})
    obj.apply("two", spec={"containers": [{"name": "c"}]})

    obj.apply("one", spec={"containers": [{"name": "b", "image": "x"}]})

    assert obj.spec()["containers"] == [{"name": "b", "image": "x"}, {"name": "c"}]


def test_an_element_goes_with_the_defaults_in_it() -> None:
    obj = Object().apply("me", spec={"containers": [{"name": "a"}, {"name": "b"}]})
    assert obj.obj is not None
    for container in obj.obj["spec"]["containers"]:
        container["imagePullPolicy"] = "Always"  # As defaulted: nobody's.

    obj.apply("me", spec={"containers": [{"name": "a"}]})

    assert obj.spec()["containers"] == [{"name": "a", "imagePullPolicy": "Always"}]


def test_the_configurations_order_of_elements_holds_and_others_stay_in_place() -> None:
    obj = Object().write("other", spec={"containers": [{"name": n} for n in "axby"]})

    obj.apply("me", spec={"containers": [{"name": "b"}, {"name": "n"}, {"name": "a"}]})

    assert [c["name"] for c in obj.spec()["containers"]] == ["x", "b", "y", "n", "a"]


def test_values_of_sets_have_owners() -> None:
    obj = Object().apply("one", metadata={"name": "x", "finalizers": ["a.b/c"]})
    obj.apply("two", metadata={"name": "x", "finalizers": ["d.e/f"]})

    obj.apply("one", metadata={"name": "x"})

    assert obj.obj is not None
    assert obj.obj["metadata"]["finalizers"] == ["d.e/f"]


def test_an_atomic_value_has_one_owner_whatever_is_in_it() -> None:
    labels = {"matchLabels": {"a": "b"}}
    obj = Object(DEPLOYMENTS).apply("one", spec={"selector": labels})

    assert conflicts(obj, "two", spec={"selector": {"matchLabels": {"a": "c"}}}) == [
        'conflict with "one": .spec.selector'
    ]


def test_an_object_of_nobody_is_owned_from_before_the_first_apply() -> None:
    obj = Object(DEPLOYMENTS, obj={"metadata": {"name": "x"}, "spec": {"replicas": 1}})

    assert conflicts(obj, "me", spec={"replicas": 2}) == [
        'conflict with "before-first-apply" using apps/v1: .spec.replicas'
    ]


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def applied_by_client(**spec: Any) -> Object:
    config = {"metadata": {"name": "x"}, "spec": spec}
    annotations = {LAST_APPLIED: msgspec.json.encode(config).decode()}
    metadata = {"name": "x", "annotations": annotations}
    return Object(DEPLOYMENTS).write("kubectl-client-side-apply", metadata=metadata, spec=spec)


def test_kubectl_takes_over_what_its_client_side_apply_wrote() -> None:
    obj = applied_by_client(replicas=1, paused=True)

    obj.apply("kubectl", spec={"replicas": 2, "paused": False})

    assert obj.obj is not None
    again = msgspec.json.decode(obj.obj["metadata"]["annotations"][LAST_APPLIED])
    assert again["spec"] == {"replicas": 2, "paused": False}


def test_kubectl_still_conflicts_with_what_others_wrote() -> None:
    obj = applied_by_client(replicas=1)
    assert obj.obj is not None
    obj.write("other", metadata=obj.obj["metadata"], spec={"replicas": 1, "paused": True})

    assert conflicts(obj, "kubectl", spec={"replicas": 2, "paused": False}) == [
        'conflict with "other" using apps/v1: .spec.paused'
    ]


def test_other_managers_do_not_take_over_from_client_side_apply() -> None:
    obj = applied_by_client(replicas=1)

    assert conflicts(obj, "flux", spec={"replicas": 2}) == [
        'conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'
    ]


@pytest.mark.parametrize(
    "containers", [[{"image": "a"}], [{"name": "a"}, {"name": "a", "image": "b"}]]
)
def test_elements_that_cannot_be_told_apart_are_refused(containers: list[Any]) -> None:
    with pytest.raises(StatusError, match=r"\.spec\.containers") as refused:
        Object().apply("me", spec={"containers": containers})

    assert refused.value.code == 400


ENTRY = {"manager": "m", "operation": "Apply", "fieldsType": "FieldsV1"}


@pytest.mark.parametrize(
    "entries",
    [
        None,
        [],
        "text",
        [5],
        [{**ENTRY, "operation": "Remove", "fieldsV1": {}}],
        [{**ENTRY, "fieldsType": "FieldsV2", "fieldsV1": {"f:a": {}}}],
        [{**ENTRY, "fieldsV1": {"a": {}}}],
        [{**ENTRY, "fieldsV1": {"f:a": 5}}],
        [{**ENTRY, "manager": 5, "fieldsV1": {"f:a": {}}}],
    ],
)
def test_entries_that_cannot_be_understood_are_as_none_sent(entries: Any) -> None:
    assert given_entries(entries) is None


def test_one_empty_entry_forgets_all_and_others_are_kept_in_order() -> None:
    later = {**ENTRY, "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:b": {".": {}}, "f:a": {}}}
    update = {**ENTRY, "operation": "Update", "fieldsV1": {"f:a": {}}}

    assert given_entries([{}]) == b""
    kept = given_entries([update, later])
    assert kept is not None
    assert [e["operation"] for e in msgspec.json.decode(kept)] == ["Apply", "Update"]
    assert b'"fieldsV1":{"f:a":{},"f:b":{}}' in kept


def name_of(container: Any) -> str:
    return str(container["name"])


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "hostname": st.sampled_from(["a", "b"]),
        "securityContext": st.sampled_from([{}, {"runAsUser": 1}, {"runAsGroup": 2}]),
        "nodeSelector": st.dictionaries(st.sampled_from("ab"), st.sampled_from("cd"), max_size=2),
        "containers": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from("xyz")}, optional={"image": st.sampled_from("12")}
            ),
            max_size=3,
            unique_by=name_of,
        ),
    },
)


@given(SPECS, SPECS)
def test_a_comparison_finds_what_came_and_what_went(before: Any, after: Any) -> None:
    old: dict[str, Any] = {"metadata": {}, "spec": before}
    new: dict[str, Any] = {"metadata": {}, "spec": after}

    taken, gone = compared(old, new, PODS.node)

    had, has = set(paths(appeared(old, PODS.node))), set(paths(appeared(new, PODS.node)))
    came, went = set(paths(taken)), set(paths(gone))
    assert came.isdisjoint(went)
    # A list or map that is emptied stays a field.
    assert {p for p in has - had if p not in came} <= {p for p in has if p[-1].startswith("f:")}
    assert went <= had
    assert compared(new, new, PODS.node) == ({}, {})


def test_element_that_another_manager_has_a_field_of_keeps_its_name() -> None:
    obj = Object().apply("me", spec={"containers": [{"name": "x"}]})
    obj.write("other", spec={"containers": [{"name": "x", "image": "1"}]})

    obj.apply("me", force=True, spec={"containers": []})

    assert obj.obj is not None
    assert obj.obj["spec"]["containers"] == [{"name": "x", "image": "1"}]


@settings(max_examples=30)
@given(SPECS, SPECS, SPECS)
def test_force_always_leaves_what_was_applied(first: Any, other: Any, last: Any) -> None:
    obj = Object().apply("me", spec=first)
    obj.write("other", spec=other)

    obj.apply("me", force=True, spec=last)

    again = deepcopy(obj)
    again.apply("me", spec=last)
    assert (again.obj, again.managed) == (obj.obj, obj.managed)
    applied_spec: dict[str, Any] = last
    for name, value in applied_spec.items():
        if not isinstance(value, (dict, list)):
            assert obj.spec()[name] == value
