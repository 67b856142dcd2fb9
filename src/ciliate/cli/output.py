"""The option `-o` of every command: the same facts as JSON, YAML or a part of them.

`jsonpath={.ipam.status}` takes field names, `['name']`, `[0]` and `[*]`: what Cilium's users write
to read one value. Text outside the braces is kept as it stands.
"""

import re
from typing import Any, Final

import click
import msgspec

from ciliate.errors import CiliateError

_STEP: Final = re.compile(r"\.([\w/-]+)|\['([^']+)'\]|\[(\d+)\]|(\.\*|\[\*\])")
_BRACES: Final = re.compile(r"\{([^{}]*)\}")


class OutputFormatError(CiliateError):
    """`-o` was given something we cannot print."""

    def __init__(self, *, wanted: str, problem: str) -> None:
        self.wanted = wanted
        self.problem = problem
        super().__init__(
            f"output format {wanted!r} {problem}: use json, yaml or 'jsonpath={{.field[0].name}}'"
        )


#: Gives a command the option, passed on as `output`: None is the form for people.
output_option: Final = click.option(
    "-o", "--output", metavar="json|yaml|jsonpath=…", help="Print the facts in this form."
)


def render(value: object, output: str) -> str:
    """Return `value` (Structs included) in the form that `-o` asked for.

    Raises:
        OutputFormatError: No such form, or a path that leads nowhere.
    """
    plain = msgspec.to_builtins(value, str_keys=True)
    if output == "json":
        return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"
    if output == "yaml":
        import yaml  # noqa: PLC0415 - only this form needs it, and it costs 20 ms.

        return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    form, _, expression = output.partition("=")
    if form == "jsonpath" and expression:
        return _BRACES.sub(lambda part: _select_text(plain, part[1], wanted=output), expression)
    raise OutputFormatError(wanted=output, problem="is not known")


def _select_text(plain: Any, path: str, *, wanted: str) -> str:
    """Return what `path` selects: texts as they are, everything else as JSON."""
    if path.startswith('"'):
        return path.strip('"').encode().decode("unicode_escape")
    return " ".join(
        item if isinstance(item, str) else msgspec.json.encode(item).decode()
        for item in _select(plain, path.strip(), wanted=wanted)
    )


def _select(plain: Any, path: str, *, wanted: str) -> list[Any]:
    path = "" if path == "." else path.removeprefix("$")
    found = [plain]
    while path:
        step = _STEP.match(path)
        if step is None:
            raise OutputFormatError(wanted=wanted, problem=f"has a path we cannot read: {path!r}")
        name, quoted, index, _every = step.groups()
        path = path[step.end() :]
        try:
            found = [value for item in found for value in _children(item, name or quoted, index)]
        except (KeyError, IndexError, TypeError):
            raise OutputFormatError(
                wanted=wanted, problem=f"leads nowhere at {step[0]!r}"
            ) from None
    return found


def _children(item: Any, name: str | None, index: str | None) -> list[Any]:
    if name is not None:
        return [item[name]]
    if index is not None:
        return [item[int(index)]]
    return list(item.values() if isinstance(item, dict) else item)
