"""A page that a command serves, shown in a browser where there is a screen for one."""

import os
import webbrowser
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

#: One of them says that there is a screen for a browser, or which program shows pages.
_SCREENS: Final = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def open_browser_option(function: F) -> F:
    """Give a command `--open-browser`, as Cilium's has it."""
    return click.option(
        "--open-browser",
        type=bool,
        is_flag=False,
        flag_value="true",
        default=True,
        metavar="[=false]",
        help="Open a browser, where there is one.  [default: true]",
    )(function)


def has_browser(environment: Mapping[str, str]) -> bool:
    """Whether a page would be shown beside this terminal: not in it, and not on another's screen."""
    if not any(environment.get(each) for each in _SCREENS):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def show_page(url: str, *, wanted: bool, opening: str, available: str) -> None:
    """Open a page where that is wanted and there is a browser; say which of both was done."""
    shown = wanted and has_browser(os.environ)
    click.echo(opening if shown else available)
    if shown:
        webbrowser.open(url)
