"""The option `-o` of every command: the same facts as JSON, YAML or a part of them.

`jsonpath={.ipam.status}` takes what `api/jsonpath.py` reads: what Cilium's users write to read one
value. Text outside the braces is kept as it stands.
"""

import re
from typing import Any, Final

import click
import msgspec

from ciliate.api.jsonpath import JsonPathDeadEndError, JsonPathError, compile_path
from ciliate.errors import CiliateError

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
    try:
        found = compile_path(path).follow(plain)
    except JsonPathError as error:
        problem = f"has a path we cannot read: {error.rest!r}"
        raise OutputFormatError(wanted=wanted, problem=problem) from error
    except JsonPathDeadEndError as error:
        problem = f"leads nowhere at {error.step!r}"
        raise OutputFormatError(wanted=wanted, problem=problem) from error
    return " ".join(
        item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in found
    )
