"""Strategic merge patch: a merge patch that knows which lists are maps by a key.

Source: k8s.io/apimachinery `pkg/util/strategicpatch`. Directives: `$patch` (replace, delete,
merge), `$retainKeys`, `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`.
"""

from typing import Any, Final

from ciliate.apiserver import errors
from ciliate.apiserver.schema import SchemaNode
from ciliate.apiserver.store import JsonObject

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_VALUES: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


def merge_strategic(target: JsonObject, patch: JsonObject, node: SchemaNode | None) -> JsonObject:
    """Return `target` after the patch, changing it in place.

    Raises:
        StatusError: A directive is unknown, or a list's element lacks its key (400).
    """
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        replaced: JsonObject = _plain({k: v for k, v in patch.items() if k != _DIRECTIVE})
        return replaced
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise errors.bad_request(f"unknown patch type found: {directive}")
    _retain(target, patch.get(_RETAIN))
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(target, name, value, _child(node, name))
        elif name.startswith(_DELETE_VALUES):
            _delete_values(target, name.removeprefix(_DELETE_VALUES), value)
    # Only now: an order names elements that this patch adds.
    for name, order in patch.items():
        if name.startswith(_ORDER):
            field = name.removeprefix(_ORDER)
            _reorder(target, field, order, _child(node, field))
    return target


def _retain(target: JsonObject, names: Any) -> None:
    if isinstance(names, list):
        for name in [n for n in target if n not in names]:
            del target[name]


def _child(node: SchemaNode | None, name: str) -> SchemaNode | None:
    return node.child(name) if node is not None else None


def _delete_values(target: JsonObject, field: str, values: Any) -> None:
    if isinstance(target.get(field), list) and isinstance(values, list):
        target[field] = [v for v in target[field] if v not in values]


def _merge_field(target: JsonObject, name: str, value: Any, child: SchemaNode | None) -> None:
    current = target.get(name)
    if value is None:
        target.pop(name, None)
    elif isinstance(value, dict):
        if value.get(_DIRECTIVE) == "delete":
            target.pop(name, None)
            return
        base = current if isinstance(current, dict) else {}
        target[name] = merge_strategic(base, value, child)
    elif isinstance(value, list):
        target[name] = _merge_list(current if isinstance(current, list) else [], value, child)
    else:
        target[name] = value


def _merge_list(current: list[Any], patch: list[Any], node: SchemaNode | None) -> list[Any]:
    if node is not None and node.patch_set:
        return current + [v for v in patch if v not in current]
    if node is None or not node.patch_key:
        return [_plain(v) for v in patch if not _is_directive(v)]
    if any(_is_directive(v) and v[_DIRECTIVE] == "replace" for v in patch):
        return [_plain(v) for v in patch if not _is_directive(v)]
    return _merge_keyed(current, patch, node)


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {_DIRECTIVE}


def _merge_keyed(current: list[Any], patch: list[Any], node: SchemaNode) -> list[Any]:
    key, merged = node.patch_key, list(current)
    for element in patch:
        if not isinstance(element, dict) or key not in element:
            raise errors.bad_request(f"map: {element} does not contain declared merge key: {key}")
        places = [
            i for i, e in enumerate(merged) if isinstance(e, dict) and e.get(key) == element[key]
        ]
        if element.get(_DIRECTIVE) == "delete":
            merged = [e for i, e in enumerate(merged) if i not in places]
        elif places:
            merged[places[0]] = merge_strategic(merged[places[0]], element, node.items)
        else:
            merged.append(merge_strategic({}, element, node.items))
    return merged


def _reorder(target: JsonObject, field: str, order: Any, node: SchemaNode | None) -> None:
    """Put a list's elements in the order the client has them; those it does not name go last."""
    elements = target.get(field)
    if not isinstance(elements, list) or not isinstance(order, list):
        return
    key = node.patch_key if node is not None else ""

    def identity(value: Any) -> Any:
        return value.get(key) if key and isinstance(value, dict) else value

    wanted = [identity(v) for v in order]
    named = {id(e): wanted.index(identity(e)) for e in elements if identity(e) in wanted}
    elements.sort(key=lambda e: named.get(id(e), len(wanted)))


def _plain(value: Any) -> Any:
    """Return a value without directives: what an absent target becomes."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not k.startswith("$") and v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value if not _is_directive(v)]
    return value
