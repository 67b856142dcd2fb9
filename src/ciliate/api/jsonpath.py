"""JSONPath as printer columns use it: fields, indexes, wildcards and filters.

Source: k8s.io/client-go `util/jsonpath`, the subset that CustomResourceDefinitions' columns use:
`.spec.addresses[?(@.type=="InternalIP")].ip`, `.status.conditions[0].status`, `['a.b']`, `[*]`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ciliate.errors import CiliateError

Step = Callable[[Any], Iterator[Any]]

_TOKEN: Final = re.compile(
    r"""\.\.?(?P<field>[^.\[\]'"()\s]+)
      | \[\s*'(?P<quoted>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]
      | (?P<all>\[\s*\*\s*\])
      | \[\s*\?\(\s*@(?P<left>[^=!<>)\s]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>[^)]*?))?\s*\)\s*\]
    """,
    re.VERBOSE,
)


class JsonPathError(CiliateError):
    """A path that cannot be understood."""

    def __init__(self, path: str, position: int) -> None:
        self.path = path
        super().__init__(f"JSONPath {path!r}: cannot understand {path[position:]!r}")


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path."""

    text: str
    steps: tuple[Step, ...]

    def find(self, value: Any) -> list[Any]:
        """Return what the path leads to, in order."""
        found = [value]
        for step in self.steps:
            found = [below for one in found for below in step(one)]
        return found


def compile_path(text: str) -> JsonPath:
    """Return a path ready to be followed.

    Raises:
        JsonPathError: It is no path of the subset.
    """
    path = text.strip()
    if path.startswith("{") and path.endswith("}"):
        path = path[1:-1]
    path = path.removeprefix("$").removeprefix("@")
    steps, position = [], 0
    while position < len(path):
        found = _TOKEN.match(path, position)
        if found is None:
            raise JsonPathError(text, position)
        steps.append(_step(found))
        position = found.end()
    return JsonPath(text, tuple(steps))


def _step(found: re.Match[str]) -> Step:
    if found["field"]:
        name = found["field"].replace("\\.", ".")
        return _every if name == "*" else _field(name)
    if found["quoted"] is not None:
        return _field(found["quoted"].replace("\\", ""))
    if found["double"] is not None:
        return _field(found["double"].replace("\\", ""))
    if found["index"]:
        return _index(int(found["index"]))
    if found["all"]:
        return _every
    return _filter(found["left"], found["op"], found["right"])


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _index(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _filter(left: str, operator: str | None, right: str | None) -> Step:
    path = compile_path(left)
    wanted = _literal(right) if right is not None else None

    def holds(element: Any) -> bool:
        found = path.find(element)
        if operator is None:
            return bool(found)
        return bool(found) and _compares(found[0], operator, wanted)

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from (element for element in value if holds(element))

    return step


def _literal(text: str) -> Any:
    if text[:1] in {'"', "'"}:
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _compares(found: Any, operator: str, wanted: Any) -> bool:
    if operator == "==":
        return bool(found == wanted)
    if operator == "!=":
        return bool(found != wanted)
    if isinstance(found, bool) or not isinstance(found, type(wanted) | int):
        return False
    if isinstance(wanted, str) is not isinstance(found, str):
        return False
    order = {"<": found < wanted, ">": found > wanted}
    return order[operator[0]] or (operator.endswith("=") and found == wanted)
