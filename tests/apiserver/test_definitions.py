"""CustomResourceDefinitions over the wire: versions, selectable fields, limits, what is refused."""

import itertools
import json
import urllib.request
from copy import deepcopy
from typing import Any

import pytest

from .conftest import DEADLINE_S, Answer, ServerProcess, wait_for

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "things.example.org"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3},
                "mode": {"type": "string"},
                "share": {"type": "number", "multipleOf": 0.1},
                "name": {"type": "string", "pattern": "^[[:alpha:]]+$"},
                "port": {"x-kubernetes-int-or-string": True},
                "note": {"type": "string", "nullable": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}

_plurals = (f"things{number}" for number in itertools.count(1))


def version(name: str, *, storage: bool = False, **more: Any) -> dict[str, Any]:
    made = {"name": name, "served": True, "storage": storage, **more}
    return {"schema": {"openAPIV3Schema": deepcopy(SCHEMA)}, **made}


def definition(plural: str, *versions: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.capitalize()},
            "versions": list(versions),
        },
    }


def define(server: ServerProcess, *versions: dict[str, Any]) -> tuple[str, Answer]:
    """Define a resource and return its plural and the answer."""
    plural = next(_plurals)
    answer = server.exchange("POST", DEFINITIONS, definition(plural, *versions))
    assert answer.code == 201, answer.body
    return plural, answer


def refused(server: ServerProcess, made: dict[str, Any]) -> str:
    code, status = server.request("POST", DEFINITIONS, made)
    assert code == 422, status
    return str(status["message"])


def at(plural: str, api_version: str, name: str = "", query: str = "") -> str:
    path = f"/apis/{GROUP}/{api_version}/namespaces/default/{plural}"
    return path + (f"/{name}" if name else "") + query


def make(server: ServerProcess, plural: str, name: str, in_version: str, **spec: Any) -> Answer:
    body = {"metadata": {"name": name}, "spec": spec}
    return server.exchange("POST", at(plural, in_version), body)


def change_versions(server: ServerProcess, plural: str, *versions: dict[str, Any]) -> Answer:
    path = f"{DEFINITIONS}/{plural}.{GROUP}"
    patch = {"spec": {"versions": list(versions)}}
    return server.exchange("PATCH", path, patch, content_type="application/merge-patch+json")


def test_every_served_version_shows_the_same_objects(server: ServerProcess) -> None:
    plural, _ = define(server, version("v1", storage=True), version("v1beta1"))
    old = make(server, plural, "old", "v1beta1", mode="A")
    new = make(server, plural, "new", "v1", mode="B")

    assert old.body["apiVersion"] == f"{GROUP}/v1beta1"
    assert new.body["apiVersion"] == f"{GROUP}/v1"
    for name in ("v1", "v1beta1"):
        _, listed = server.request("GET", at(plural, name))
        _, one = server.request("GET", at(plural, name, "old"))
        seen = {(i["metadata"]["name"], i["apiVersion"]) for i in [*listed["items"], one]}
        assert seen == {("old", f"{GROUP}/{name}"), ("new", f"{GROUP}/{name}")}
        assert listed["apiVersion"] == f"{GROUP}/{name}"


def test_each_version_has_its_own_schema_and_a_watch_shows_its_own(server: ServerProcess) -> None:
    narrow = version("v1beta1")
    del narrow["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["mode"]
    plural, _ = define(server, version("v1", storage=True), narrow)
    make(server, plural, "one", "v1", mode="A")

    url = f"{server.url}{at(plural, 'v1beta1', query='?watch=1')}"
    with urllib.request.urlopen(url, context=server.context(), timeout=DEADLINE_S) as stream:
        added = json.loads(stream.readline())["object"]
        path = at(plural, "v1", "one")
        patch = {"spec": {"size": 5}}
        server.request("PATCH", path, patch, content_type="application/merge-patch+json")
        changed = json.loads(stream.readline())["object"]

    assert (added["apiVersion"], added["spec"]) == (f"{GROUP}/v1beta1", {"size": 3})
    assert (changed["apiVersion"], changed["spec"]) == (f"{GROUP}/v1beta1", {"size": 5})
    assert server.request("GET", path)[1]["spec"] == {"size": 5, "mode": "A"}


def test_objects_of_a_former_storage_version_are_shown_in_the_new_one(
    server: ServerProcess,
) -> None:
    plural, _ = define(server, version("v1alpha1", storage=True))
    make(server, plural, "one", "v1alpha1", mode="A")
    second = version("v1", storage=True)
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["added"] = {
        "type": "string",
        "default": "yes",
    }

    changed = change_versions(server, plural, version("v1alpha1"), second)

    _, one = server.request("GET", at(plural, "v1", "one"))
    assert (one["apiVersion"], one["spec"]["added"]) == (f"{GROUP}/v1", "yes")
    assert changed.body["status"]["storedVersions"] == ["v1alpha1", "v1"]
    dropped = change_versions(server, plural, second)
    assert "status.storedVersions[0]" in dropped.body["message"]
    assert "must appear in spec.versions" in dropped.body["message"]


def test_a_storage_version_that_is_not_served_is_not_served(server: ServerProcess) -> None:
    hidden = {**version("v1", storage=True), "served": False}
    plural, _ = define(server, hidden, version("v1beta1"))

    assert make(server, plural, "one", "v1beta1").code == 201
    assert server.request("GET", at(plural, "v1", "one"))[0] == 404
    assert server.request("GET", at(plural, "v1beta1", "one"))[0] == 200


def test_discovery_lists_the_newest_stable_version_first(server: ServerProcess) -> None:
    names = ("v1beta1", "v2alpha1", "v1", "v10", "v2", "v1beta2")
    define(server, *(version(name, storage=name == "v1") for name in names))

    _, group = server.request("GET", f"/apis/{GROUP}")
    listed = [v["version"] for v in group["versions"]]

    assert [v for v in listed if v in names] == [
        "v10",
        "v2",
        "v1",
        "v1beta2",
        "v1beta1",
        "v2alpha1",
    ]
    assert group["preferredVersion"]["version"] == "v10"


def test_a_deprecated_version_warns_and_names_the_one_to_use(server: ServerProcess) -> None:
    own: dict[str, Any] = {"deprecated": True, "deprecationWarning": "v1alpha1 goes"}
    plural, _ = define(
        server,
        version("v1", storage=True),
        version("v1beta1", deprecated=True),
        version("v1alpha1", **own),
    )
    kind = plural.capitalize()

    assert server.exchange("GET", at(plural, "v1")).warnings == []
    assert server.exchange("GET", at(plural, "v1alpha1")).warnings == ["v1alpha1 goes"]
    assert make(server, plural, "one", "v1beta1").warnings == [
        f"{GROUP}/v1beta1 {kind} is deprecated; use {GROUP}/v1 {kind}"
    ]


def test_lists_and_watches_select_by_the_fields_a_version_names(server: ServerProcess) -> None:
    fields = [{"jsonPath": ".spec.mode"}, {"jsonPath": ".spec.size"}]
    plural, _ = define(
        server, version("v1", storage=True, selectableFields=fields), version("v1beta1")
    )
    make(server, plural, "a", "v1", mode="A")
    make(server, plural, "b", "v1", mode="B")

    def names(query: str) -> list[str]:
        _, listed = server.request("GET", at(plural, "v1", query=f"?fieldSelector={query}"))
        return [i["metadata"]["name"] for i in listed["items"]]

    assert names("spec.mode%3DA") == ["a"]
    assert names("spec.mode%21%3DA,spec.size%3D3") == ["b"]
    code, status = server.request(
        "GET", at(plural, "v1beta1", query="?fieldSelector=spec.mode%3DA")
    )
    assert (code, status["message"]) == (400, "field label not supported: spec.mode")
    url = f"{server.url}{at(plural, 'v1', query='?watch=1&fieldSelector=spec.mode%3DA')}"
    with urllib.request.urlopen(url, context=server.context(), timeout=DEADLINE_S) as stream:
        assert json.loads(stream.readline())["object"]["metadata"]["name"] == "a"
        server.request(
            *("PATCH", at(plural, "v1", "a"), {"spec": {"mode": "B"}}),
            content_type="application/merge-patch+json",
        )
        left = json.loads(stream.readline())
    assert (left["type"], left["object"]["metadata"]["name"]) == ("DELETED", "a")


def test_fields_become_selectable_for_objects_that_exist(server: ServerProcess) -> None:
    plural, _ = define(server, version("v1", storage=True))
    make(server, plural, "a", "v1", mode="A")

    change_versions(
        server,
        plural,
        version("v1", storage=True, selectableFields=[{"jsonPath": ".spec.mode"}]),
    )

    _, listed = server.request("GET", at(plural, "v1", query="?fieldSelector=spec.mode%3DA"))
    assert [i["metadata"]["name"] for i in listed["items"]] == ["a"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (".metadata.name", "must not point to fields in metadata"),
        (".spec.free", "must point to a field of type string, boolean or integer"),
        (".spec.none", "must point to a field of type string, boolean or integer"),
        (".spec.list[0]", "must be a simple path"),
        ("", "must be a simple path"),
    ],
)
def test_what_cannot_be_selected_by_is_refused(
    server: ServerProcess, path: str, problem: str
) -> None:
    made = version("v1", storage=True, selectableFields=[{"jsonPath": path}])

    message = refused(server, definition("unselectables", made))

    assert "spec.versions[0].selectableFields[0].jsonPath" in message
    assert problem in message


def test_a_webhook_that_converts_is_refused_by_name(server: ServerProcess) -> None:
    made = definition("hooked", version("v1", storage=True))
    made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"clientConfig": {}}}

    message = refused(server, made)

    assert 'spec.conversion.strategy: Invalid value: "Webhook"' in message
    assert "calls no webhooks" in message


def test_rules_that_nothing_evaluates_are_told_when_they_are_defined(
    server: ServerProcess,
) -> None:
    made = version("v1", storage=True)
    properties = made["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["size"]["x-kubernetes-validations"] = [{"rule": "self < 10"}]
    properties["mode"]["x-kubernetes-validations"] = [{"rule": "self == oldSelf"}]

    plural, answer = define(server, made)

    (text,) = answer.warnings
    assert text.startswith(f"{plural}.{GROUP} has x-kubernetes-validations (1 in v1) that")
    assert define(server, version("v1", storage=True))[1].warnings == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"name": "abc", "share": 0.3, "port": "http", "note": None}, ""),
        ({"share": 0.7, "port": 80, "free": {"any": [1]}}, ""),
        ({"share": 0.35}, "should be a multiple of 0.1"),
        ({"name": "[:"}, "should match '^[[:alpha:]]+$'"),
        ({"name": "abc\n"}, "should match '^[[:alpha:]]+$'"),
        ({"port": True}, "must be of type int-or-string"),
        ({"size": "3"}, "must be of type integer"),
    ],
)
def test_objects_keep_to_their_schema(
    server: ServerProcess, spec: dict[str, Any], problem: str
) -> None:
    path = f"{DEFINITIONS}/limits.{GROUP}"
    if server.request("GET", path)[0] == 404:
        made = definition("limits", version("v1", storage=True))
        assert server.request("POST", DEFINITIONS, made)[0] == 201

    answer = server.exchange(
        *("POST", at("limits", "v1"), {"metadata": {"generateName": "l-"}, "spec": spec})
    )

    if problem:
        assert (answer.code, problem in answer.body["message"]) == (422, True), answer.body
    else:
        assert answer.code == 201, answer.body
        assert answer.body["spec"] == {"size": 3, **spec}


def test_a_pattern_that_is_none_of_re2_is_refused_with_its_fault(server: ServerProcess) -> None:
    made = version("v1", storage=True)
    made["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["name"] = {
        "type": "string",
        "pattern": "^(?=a)b",
    }

    message = refused(server, definition("lookaheads", made))

    at = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[name].pattern"
    assert f'{at}: Invalid value: "^(?=a)b"' in message
    assert "invalid perl operator: (?=" in message


def test_versions_and_the_scale_subresource_survive_a_restart(own_server: ServerProcess) -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    plural, _ = define(
        own_server,
        version("v1", storage=True, selectableFields=[{"jsonPath": ".spec.mode"}]),
        version("v1beta1", subresources={"scale": scale, "status": {}}),
    )
    make(own_server, plural, "a", "v1", mode="A")
    own_server.kill()
    own_server.start()

    _, listed = own_server.request("GET", at(plural, "v1", query="?fieldSelector=spec.mode%3DA"))
    _, replicas = own_server.request("GET", f"{at(plural, 'v1beta1', 'a')}/scale")

    assert [i["metadata"]["name"] for i in listed["items"]] == ["a"]
    assert replicas["spec"] == {"replicas": 3}
    assert own_server.request("GET", f"{at(plural, 'v1', 'a')}/scale")[0] == 404


def test_a_watch_ends_when_its_definition_changes(server: ServerProcess) -> None:
    plural, _ = define(server, version("v1", storage=True))
    url = f"{server.url}{at(plural, 'v1', query='?watch=1')}"
    with urllib.request.urlopen(url, context=server.context(), timeout=DEADLINE_S) as stream:
        change_versions(server, plural, version("v1", storage=True), version("v2"))

        assert wait_for(lambda: stream.readline() == b"", what="the end of the watch")


def named(plural: str, **names: Any) -> dict[str, Any]:
    made = definition(plural, version("v1", storage=True))
    made["spec"]["names"] |= names
    return made


def conditions(definition_: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    listed = definition_["status"]["conditions"]
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in listed}


NO_CONFLICTS = ("True", "NoConflicts", "no conflicts found")
NOT_ESTABLISHED = ("False", "NotAccepted", "not all names are accepted")


@pytest.mark.parametrize(
    ("asked", "reason", "used"),
    [
        ({"kind": "Holder", "listKind": "Others"}, "KindConflict", "Holder"),
        ({"kind": "Holder", "shortNames": ["hd"]}, "ListKindConflict", "HolderList"),
        ({"listKind": "HolderList"}, "ListKindConflict", "HolderList"),
        ({"singular": "holder"}, "SingularConflict", "holder"),
        ({"shortNames": ["free", "hd"]}, "ShortNamesConflict", "hd"),
        ({"singular": "hd"}, "SingularConflict", "hd"),
    ],
)
def test_a_name_that_another_has_is_not_accepted_and_nothing_is_served(
    server: ServerProcess, asked: dict[str, Any], reason: str, used: str
) -> None:
    server.request("POST", DEFINITIONS, named("holders", kind="Holder", shortNames=["hd"]))
    plural = next(_plurals)

    code, made = server.request("POST", DEFINITIONS, named(plural, **asked))

    assert code == 201
    assert conditions(made) == {
        "NamesAccepted": ("False", reason, f'"{used}" is already in use'),
        "Established": NOT_ESTABLISHED,
    }
    assert server.request("GET", at(plural, "v1"))[0] == 404


def test_names_of_other_groups_are_free(server: ServerProcess) -> None:
    plural = next(_plurals)

    _, made = server.request("POST", DEFINITIONS, named(plural, kind="Pod", shortNames=["po"]))

    assert conditions(made)["NamesAccepted"] == NO_CONFLICTS
    assert server.request("GET", at(plural, "v1"))[0] == 200


def test_a_definition_gets_its_names_when_the_one_that_has_them_goes(
    own_server: ServerProcess,
) -> None:
    own_server.request("POST", DEFINITIONS, named("firsts", kind="Wanted"))
    own_server.request("POST", DEFINITIONS, named("seconds", kind="Wanted"))
    own_server.kill()
    own_server.start()  # Who waits, waits on.
    path = f"{DEFINITIONS}/seconds.{GROUP}"
    assert conditions(own_server.request("GET", path)[1])["Established"] == NOT_ESTABLISHED

    own_server.request("DELETE", f"{DEFINITIONS}/firsts.{GROUP}")

    def is_served() -> bool:
        return own_server.request("GET", at("seconds", "v1"))[0] == 200

    wait_for(is_served, what="the second definition's resource")
    assert conditions(own_server.request("GET", path)[1]) == {
        "NamesAccepted": NO_CONFLICTS,
        "Established": (
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
    }


def test_a_served_definition_keeps_its_names_while_new_ones_are_in_use(
    server: ServerProcess,
) -> None:
    taken, own = next(_plurals), next(_plurals)
    server.request("POST", DEFINITIONS, named(taken, shortNames=[f"{taken}x"]))
    server.request("POST", DEFINITIONS, named(own, shortNames=[f"{own}x"]))
    patch = {"spec": {"names": {"shortNames": [f"{taken}x"], "categories": ["all"]}}}

    _, made = server.request(
        *("PATCH", f"{DEFINITIONS}/{own}.{GROUP}", patch),
        content_type="application/merge-patch+json",
    )

    assert conditions(made)["NamesAccepted"][:2] == ("False", "ShortNamesConflict")
    assert conditions(made)["Established"][0] == "True"
    _, served = server.request("GET", f"/apis/{GROUP}/v1")
    (entry,) = [r for r in served["resources"] if r["name"] == own]
    assert (entry["shortNames"], entry["categories"]) == ([f"{own}x"], ["all"])


def test_lists_have_the_kind_that_their_definition_names(server: ServerProcess) -> None:
    plural = next(_plurals)
    server.request("POST", DEFINITIONS, named(plural, listKind=f"{plural}Heap"))

    assert server.request("GET", at(plural, "v1"))[1]["kind"] == f"{plural}Heap"


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ("apps", "should be a domain with at least one dot"),
        ("mine.k8s.io", 'must have approval annotation "api-approved.kubernetes.io"'),
    ],
)
def test_groups_of_kubernetes_own_are_refused(
    server: ServerProcess, group: str, problem: str
) -> None:
    made = named("widgets")
    made["metadata"]["name"] = f"widgets.{group}"
    made["spec"]["group"] = group

    assert problem in refused(server, made)


def test_the_kind_of_a_served_definition_stays(server: ServerProcess) -> None:
    plural, _ = define(server, version("v1", storage=True))
    patch = {"spec": {"names": {"kind": "Renamed", "listKind": "RenamedList"}}}

    code, status = server.request(
        *("PATCH", f"{DEFINITIONS}/{plural}.{GROUP}", patch),
        content_type="application/merge-patch+json",
    )

    assert (code, "spec.names.kind" in status["message"]) == (422, True)
