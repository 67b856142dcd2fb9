"""Which fields of a flow a client wants (google.protobuf.FieldMask). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.printed_fields import ASKED_BY_HUBBLE, PRINTED
from ciliate.flows.server.errors import FieldMaskError

#: By field: what of it, or None: all.
Tree = Mapping[str, "Tree | None"]

PATHS_MAX: Final = 1000

_BY_HUBBLE: Final = frozenset(ASKED_BY_HUBBLE)


def mask_tree(paths: Iterable[str]) -> Tree | None:
    """Return the fields of `flow.Flow` that paths name; None: there are none, so all.

    Raises:
        FieldMaskError: One is no path of a flow, or there are too many.
    """
    tree: dict[str, Tree | None] = {}
    asked = set[str]()
    for count, path in enumerate(paths, start=1):
        if count > PATHS_MAX:
            raise FieldMaskError(path, f"is one more than the {PATHS_MAX} that are taken")
        _enter(tree, path)
        asked.add(path)
    if asked == _BY_HUBBLE:
        for path in PRINTED:
            _enter(tree, path)
    return tree or None


def keep(message: Message, tree: Tree) -> None:
    """Clear every field of a message that a tree does not name."""
    for field, value in message.ListFields():
        if field.name not in tree:
            message.ClearField(field.name)
            continue
        below = tree[field.name]
        if below is not None:
            keep(value, below)


def _enter(tree: dict[str, "Tree | None"], path: str) -> None:
    descriptor: Any = flow_pb2.Flow.DESCRIPTOR
    names = path.split(".")
    for depth, name in enumerate(names):
        field = descriptor.fields_by_name.get(name)
        if field is None:
            raise FieldMaskError(path, "is no field of flow.Flow")
        if depth + 1 == len(names):
            tree[name] = None
            return
        if field.message_type is None or field.is_repeated:
            raise FieldMaskError(path, f"goes on behind {name}, which has no fields of its own")
        if name in tree and tree[name] is None:
            return  # All of it is wanted already.
        below = tree.setdefault(name, {})
        assert isinstance(below, dict), "only made here"
        tree, descriptor = below, field.message_type
