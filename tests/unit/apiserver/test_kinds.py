"""Every built-in kind takes whatever its schema allows, or says what is wrong with it."""

import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciliate.apiserver.bodies import checked_object
from ciliate.apiserver.bootstrap import bootstrap
from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.requests import RequestTarget, as_object
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import SchemaNode, Shape
from ciliate.apiserver.schemas import node_of
from ciliate.apiserver.server import Parts, assemble
from ciliate.apiserver.settings import ApiServerSettings
from ciliate.apiserver.store import decode
from ciliate.apiserver.versions import loaded

DEPTH = 6
POD_SPEC = node_of("PodSpec")
TEXTS = st.sampled_from(["", "a", "a-b", "A", "10.0.0.1", "10.0.0.0/24", "TCP", "fd00::1", "None"])
SCALARS: dict[Shape, st.SearchStrategy[Any]] = {
    Shape.STRING: TEXTS,
    Shape.INTEGER: st.sampled_from([-1, 0, 1, 80, 70000]),
    Shape.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Shape.BOOLEAN: st.booleans(),
    Shape.INT_OR_STRING: st.sampled_from([0, 1, "25%", "http"]),
    Shape.QUANTITY: st.sampled_from(["1Gi", "100m", 1]),
    Shape.ANY: st.sampled_from([{}, {"a": 1}]),
}


def values(node: SchemaNode, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a shape, with any of its fields left out."""
    if node.shape in SCALARS:
        return SCALARS[node.shape]
    if node is POD_SPEC and depth > 2:  # Of Jobs and their like: Pods and Deployments try it all.
        return st.sampled_from([{}, {"containers": [{"name": "a", "image": "a"}]}])
    if depth > DEPTH:
        return st.just([] if node.shape is Shape.ARRAY else {})
    if node.shape is Shape.ARRAY:
        assert node.items is not None
        return st.lists(st.deferred(lambda: values(node.items, depth + 1)), max_size=2)  # type: ignore[arg-type]
    if node.shape is Shape.MAP:
        assert node.items is not None
        return st.dictionaries(TEXTS, values(node.items, depth + 1), max_size=2)
    fields = {name: values(child, depth + 1) for name, child in node.properties.items()}
    return st.fixed_dictionaries({}, optional=fields)


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with tempfile.TemporaryDirectory() as directory:
        nowhere, authority = Path(directory, "none"), Path(directory, "ca.crt")
        authority.touch()
        made = ApiServerSettings(
            data_dir=Path(directory),
            ca_file=authority,
            cert_file=nowhere,
            key_file=nowhere,
            kubelet_sockets="",
        )
        wired = assemble(made)
        wired.store._flush_due = True  # No event loop here: `settle` writes.
        bootstrap(wired.writer, made)
        wired.store.settle()
        wired.store._flush_due = True
        yield wired
        wired.store.close()


def target_of(resource: ServedResource) -> RequestTarget:
    namespace = "default" if resource.namespaced else ""
    return RequestTarget(resource, namespace, "", "", in_namespace=resource.namespaced)


ACTED_ON = [resource for resource in built_in() if not resource.note]
STORED_ONLY = [resource for resource in built_in() if resource.note]


@pytest.mark.parametrize("resource", ACTED_ON, ids=lambda r: r.id)
@settings(max_examples=40, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_what_the_schema_allows_is_stored_and_shown_or_refused(
    parts: Parts, resource: ServedResource, data: st.DataObject
) -> None:
    check_stored_and_shown_or_refused(parts, resource, data)


@pytest.mark.parametrize("resource", STORED_ONLY, ids=lambda r: r.id)
@settings(max_examples=20, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_kinds_of_the_table_are_stored_and_shown_or_refused(
    parts: Parts, resource: ServedResource, data: st.DataObject
) -> None:
    check_stored_and_shown_or_refused(parts, resource, data)


def check_stored_and_shown_or_refused(
    parts: Parts, resource: ServedResource, data: st.DataObject
) -> None:
    assert resource.node is not None
    obj = data.draw(values(resource.node))
    obj["metadata"] = {"name": "fuzz"}
    obj.pop("apiVersion", None)
    obj.pop("kind", None)
    target = target_of(resource)
    try:
        new = checked_object(target, as_object(deepcopy(obj)), validation="Strict")
        parts.writer.create(resource, target.namespace, new)
    except StatusError as error:
        refused = error.code
        assert refused < 500
        return
    parts.store.settle()
    parts.store._flush_due = True
    stored = parts.store.get(resource.id, (target.namespace, "fuzz"))
    assert stored is not None
    cells = resource.printing.cells(loaded(resource, stored))
    assert len(cells) == len(resource.printing.columns)
    again = parts.writer.update(resource, stored, loaded(resource, stored))
    assert again.raw == stored.raw, "the same object again is another version"
    parts.store.delete(resource.id, target.namespace, decode(stored))
    parts.store.settle()
    parts.store._flush_due = True
