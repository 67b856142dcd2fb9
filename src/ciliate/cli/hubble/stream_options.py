"""The flags of a stream: how many events, of when, and how they look."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ciliate.cli.hubble.errors import FlagConflictError, FlagError
from ciliate.cli.hubble.moment import DEFAULT_LAYOUT, LAYOUTS
from ciliate.cli.hubble.selection import NUMBER, Selection, read_selection
from ciliate.cli.hubble.setting import Setting
from ciliate.cli.hubble.style import Form, Style

#: What `-o` takes.
FORMS: Final[Mapping[str, Form]] = {
    "compact": Form.COMPACT,
    "dict": Form.DICT,
    "json": Form.JSON,
    "jsonpb": Form.JSON,
    "tab": Form.TABLE,
    "table": Form.TABLE,
}

#: What it takes where a list is printed.
LIST_FORMS: Final = ("table", "wide", "json")


@dataclass(frozen=True, slots=True)
class Stream:
    """What the flags say."""

    selection: Selection
    form: Form
    style: Style
    quiet: bool


class _FormName(click.ParamType[str]):
    """One of the names that `-o` takes."""

    name = "FORM"

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; users of kubectl write -o=json."""
        del param, ctx
        form = value.removeprefix("=")
        if form not in self._names:
            problem = f"is no form of output: {', '.join(self._names)}"
            raise FlagError(flag="output", value=form, problem=problem)
        return form

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so."""
        del ctx, param
        return [CompletionItem(each) for each in self._names if each.startswith(incomplete)]


def form_option(names: tuple[str, ...] = tuple(FORMS)) -> click.Option:
    """Return `-o`, which takes these names, the first where it is not given."""
    return Setting(
        "--output",
        "The form of the output.",
        "-o",
        type=_FormName(names),
        default=names[0],
        show_default=True,
        metavar="|".join(names),
    )


def selection_options() -> list[click.Parameter]:
    """Return the flags that say how many events, and of when."""
    count = click.IntRange(min=0)
    return [
        click.Option(
            ["--last"],
            type=count,
            default=0,
            metavar="N",
            help=f"The newest N.  [default: {NUMBER}]",
        ),
        click.Option(["--first"], type=count, default=0, metavar="N", help="The oldest N."),
        click.Option(["--all", "everything"], is_flag=True, help="All that are still known."),
        click.Option(["-f", "--follow"], is_flag=True, help="Go on with new ones."),
        click.Option(
            ["--since"], metavar="TIME", help="From then on: 5m ago, or 2025-08-02T07:11:40Z."
        ),
        click.Option(["--until"], metavar="TIME", help="Until then; not with --follow."),
    ]


def look_options() -> list[click.Parameter]:
    """Return the flags that say how events look."""
    return [
        form_option(),
        Setting(
            "--time-format",
            f"How times are written: {', '.join(LAYOUTS)}; not in JSON.",
            "layout",
            type=click.Choice(tuple(LAYOUTS)),
            default=DEFAULT_LAYOUT,
            show_default=True,
            metavar="NAME",
        ),
        Setting("--print-node-name", "Print the node where it was seen.", "node", is_flag=True),
        Setting(
            "--color",
            "Whether lines have colours.",
            type=click.Choice(("auto", "always", "never")),
            default="auto",
            show_default=True,
        ),
        click.Option(
            ["-s", "--silent-errors", "quiet"],
            is_flag=True,
            help="Say nothing of nodes that do not answer.",
        ),
    ]


def read_stream(flags: Mapping[str, Any], *, debug: bool, default: int = NUMBER) -> Stream:
    """Return what the flags say; `default` is how many events without any.

    Raises:
        FlagConflictError: Two flags contradict each other.
        FlagError: A moment cannot be read.
    """
    form = FORMS[flags["output"]]
    if form is Form.TABLE and flags["follow"]:
        raise FlagConflictError("output table", "follow", "a table is printed at its end")
    return Stream(
        selection=read_selection(
            last=flags["last"],
            first=flags["first"],
            everything=flags["everything"],
            follow=flags["follow"],
            since=flags["since"],
            until=flags["until"],
            now_ns=time.time_ns(),
            default=default,
        ),
        form=form,
        style=Style(
            names=flags.get("ip_translation", True) and not flags.get("numeric", False),
            node=flags["node"],
            policies=flags.get("policies", False),
            layout=flags["layout"],
            colours=_coloured(flags["color"]),
            debug=debug,
        ),
        quiet=flags["quiet"],
    )


def _coloured(wanted: str) -> bool:
    if wanted != "auto":
        return wanted == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
