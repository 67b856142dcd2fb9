"""The option `-o` of every command: the same facts as JSON, YAML, names or a part of them.

`jsonpath={.ipam.status}` takes what `api/jsonpath.py` reads: what Cilium's users write to read one
value. Text outside the braces is kept as it stands. A form that a command does not have is refused
before it asks anybody. `-o text`, or none, is the form for people.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

from ciliate.api.jsonpath import JsonPathDeadEndError, JsonPathError, compile_path
from ciliate.console.table import align
from ciliate.errors import CiliateError

F = TypeVar("F", bound=Callable[..., Any])

_BRACES: Final = re.compile(r"\{([^{}]*)\}")

_PEOPLE: Final = "text"
_JSONPATH: Final = "jsonpath="
#: What every command has; a list has names too, and some have forms of their own.
_FORMS: Final = ("json", "yaml", _JSONPATH)


class OutputFormatError(CiliateError):
    """`-o` was given something we cannot print."""

    def __init__(self, *, wanted: str, problem: str, forms: Iterable[str] = _FORMS) -> None:
        self.wanted = wanted
        self.problem = problem
        words = [f"'{_JSONPATH}{{.field[0].name}}'" if f == _JSONPATH else f for f in forms]
        super().__init__(
            f"output format {wanted!r} {problem}: use {', '.join(words[:-1])} or {words[-1]}"
        )


def output_forms(*further: str) -> Callable[[F], F]:
    """Give a command the option with forms beyond those of all, passed on as `output`.

    None is the form for people.
    """
    forms = (*further, *_FORMS)

    def read(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
        form = (text or _PEOPLE).removeprefix("=")  # Users of kubectl write -o=json.
        if form == _PEOPLE:
            return None
        has_path = form.startswith(_JSONPATH) and form != _JSONPATH
        if form not in (*further, *_FORMS[:-1]) and not has_path:
            near = difflib.get_close_matches(form, forms, n=1)
            problem = "is not known" + (f" (did you mean {near[0]}?)" if near else "")
            raise OutputFormatError(wanted=form, problem=problem, forms=forms)
        return form

    def offer(*_asked: object) -> list[CompletionItem]:
        start = str(_asked[-1])
        return [CompletionItem(form) for form in (*forms, _PEOPLE) if form.startswith(start)]

    return click.option(
        "-o",
        "--output",
        metavar="|".join((*further, *_FORMS[:-1], f"{_JSONPATH}…")),
        callback=read,
        shell_complete=offer,
        help="Print the facts in this form.",
    )


output_option: Final = output_forms()


def render(value: object, output: str, *, names: Iterable[str] = ()) -> str:
    """Return `value` (Structs included) in the form that `-o` asked for; `names` are its items'.

    Raises:
        OutputFormatError: A path that cannot be read, or leads nowhere.
    """
    if output == "name":
        return "".join(f"{name}\n" for name in names)
    plain = msgspec.to_builtins(value, str_keys=True)
    if output == "json":
        return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"
    if output == "yaml":
        import yaml  # noqa: PLC0415 - only this form needs it, and it costs 20 ms.

        return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    expression = output.removeprefix(_JSONPATH)
    return _BRACES.sub(lambda part: _select_text(plain, part[1], wanted=output), expression)


def echo_list(text: str, *, count: int, what: str) -> None:
    """Print a list for people; of an empty one, as kubectl does, a word on standard error alone."""
    if count:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        click.echo(f"No {what} found", err=True)


def echo_pairs(
    rows: Mapping[str, Sequence[str]], header: tuple[str, str], output: str | None
) -> None:
    """Print key and value columns under `header`, as Cilium prints its hash maps."""
    if output is not None:
        click.echo(render(rows, output, names=rows), nl=False)
        return
    lines = [f"{header[0]}\t{header[1]}\t"]
    lines += [f"{key}\t{value}\t" for key, values in rows.items() for value in values]
    text = align(lines, width_min=5, padding=3)
    shown = "\n".join(line.rstrip() for line in text.splitlines())
    echo_list(shown, count=len(rows), what="entries")


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
