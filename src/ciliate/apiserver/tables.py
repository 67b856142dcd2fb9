"""Tables: how `kubectl get` shows objects (meta.k8s.io/v1 Table), and metadata alone."""

from collections.abc import Iterable
from typing import Any

from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject


def partial_metadata(obj: JsonObject) -> JsonObject:
    """Return an object's metadata as an object of its own."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def table(
    resource: ServedResource,
    objects: Iterable[JsonObject],
    metadata: Any,
    *,
    include_object: str,
    with_columns: bool = True,
) -> JsonObject:
    """Return objects as a Table.

    `include_object` is None, Metadata or Object: what rows carry of their object. A watch sends
    the columns with its first event alone.
    """
    columns = resource.printing.columns
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [c.definition() for c in columns] if with_columns else None,
        "rows": [_row(resource, obj, include_object) for obj in objects],
    }


def _row(resource: ServedResource, obj: JsonObject, include_object: str) -> JsonObject:
    row: JsonObject = {"cells": resource.printing.cells(obj)}
    if include_object == "Object":
        row["object"] = obj
    elif include_object != "None":
        # Nothing that shows rows reads managedFields, and they would be most of the table.
        obj["metadata"].pop("managedFields", None)
        row["object"] = partial_metadata(obj)
    return row
