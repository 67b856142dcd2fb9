"""JSONPath as printer columns and `-o jsonpath=` use it: fields, indexes, wildcards, filters.

Source: k8s.io/client-go `util/jsonpath`, the subset that CustomResourceDefinitions' columns use:
`.spec.addresses[?(@.type=="InternalIP")].ip`, `.status.conditions[0].status`, `['a.b']`, `[*]`.
Where a path leads nowhere, columns show nothing (`find`) and users see where it ends (`follow`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ciliate.errors import CiliateError

#: Yields what a step leads to from one value.
_Find = Callable[[Any], Iterator[Any]]

_TOKEN: Final = re.compile(
    r"""\.(?P<deep>\.)?(?P<field>(?:\\.|[^.\[\]'"()\s\\])+)
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
        self.rest = path[position:]
        super().__init__(f"JSONPath {path!r}: cannot understand {self.rest!r}")


class JsonPathDeadEndError(CiliateError):
    """A path that leads nowhere in the value that it is followed through."""

    def __init__(self, path: str, step: str) -> None:
        self.path = path
        self.step = step
        super().__init__(f"JSONPath {path!r}: leads nowhere at {step!r}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path; one that chooses among many may find none."""

    text: str
    find: _Find
    chooses: bool = False


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path."""

    text: str
    steps: tuple[Step, ...]

    def find(self, value: Any) -> list[Any]:
        """Return what the path leads to, in order."""
        found = [value]
        for step in self.steps:
            found = [below for one in found for below in step.find(one)]
        return found

    def follow(self, value: Any) -> list[Any]:
        """Return what the path leads to, in order, from everything on its way.

        Raises:
            JsonPathDeadEndError: A field or element that it names is not there.
        """
        found = [value]
        for step in self.steps:
            reached = [list(step.find(one)) for one in found]
            for one, below in zip(found, reached, strict=True):
                if not below and not (step.chooses and isinstance(one, dict | list | tuple)):
                    raise JsonPathDeadEndError(self.text, step.text)
            found = [one for below in reached for one in below]
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
    if path == ".":
        path = ""
    steps, position = [], 0
    while position < len(path):
        found = _TOKEN.match(path, position)
        if found is None:
            raise JsonPathError(text, position)
        steps.append(_step(found))
        position = found.end()
    return JsonPath(text, tuple(steps))


def _step(found: re.Match[str]) -> Step:
    text = found[0]
    if found["all"] or found["field"] == "*":
        return Step(text, _every, chooses=True)
    if found["deep"]:
        return Step(text, _anywhere(_unescaped(found["field"])), chooses=True)
    if found["index"]:
        return Step(text, _index(int(found["index"])))
    for way in ("field", "quoted", "double"):
        if found[way] is not None:
            return Step(text, _field(_unescaped(found[way])))
    return Step(text, _filter(found["left"], found["op"], found["right"]), chooses=True)


def _unescaped(name: str) -> str:
    return name.replace("\\", "")


def _field(name: str) -> _Find:
    def find(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return find


def _anywhere(name: str) -> _Find:
    def find(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]
        for below in _every(value):
            yield from find(below)

    return find


def _index(index: int) -> _Find:
    def find(value: Any) -> Iterator[Any]:
        if isinstance(value, list | tuple) and -len(value) <= index < len(value):
            yield value[index]

    return find


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _filter(left: str, operator: str | None, right: str | None) -> _Find:
    path = compile_path(left)
    wanted = _literal(right) if right is not None else None

    def holds(element: Any) -> bool:
        found = path.find(element)
        if operator is None:
            return bool(found)
        return bool(found) and _compares(found[0], operator, wanted)

    def find(value: Any) -> Iterator[Any]:
        if isinstance(value, list | tuple):
            yield from (element for element in value if holds(element))

    return find


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
