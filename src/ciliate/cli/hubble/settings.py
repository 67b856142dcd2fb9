"""What the configuration file may hold, and what of it a command takes.

Every flag with a variable `HUBBLE_…` is a key, with the type that the flag has. Of a key that several
commands have with different values (`output`), a command takes what it knows.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

from ciliate.cli.hubble.errors import HubbleError
from ciliate.cli.hubble.setting import Setting
from ciliate.cli.hubble.settings_file import read_settings
from ciliate.console.nearest import meant


class UnknownKeyError(HubbleError):
    """No flag is called so."""

    def __init__(self, key: str, *, path: Path | None = None) -> None:
        self.key = key
        hint = meant(key, known()) or ": `hubble config view` shows all"
        place = f"{path}: " if path else ""
        super().__init__(f"{place}no key is called {key}{hint}")


class KeyValueError(HubbleError):
    """A key does not take a value."""

    def __init__(
        self, key: str, value: object, problem: Exception, *, path: Path | None = None
    ) -> None:
        self.key = key
        place = f"{path}: " if path else ""
        said = problem.message if isinstance(problem, click.UsageError) else str(problem)
        super().__init__(f"{place}{key} cannot be {value!r}: {said.rstrip('.')}")


@cache
def known() -> Mapping[str, tuple[Setting, ...]]:
    """Return every key with the flags that it stands for, one for each kind of values."""
    # What they import takes a while, and most commands have no file.
    from ciliate.cli.hubble.flow_options import flow_options  # noqa: PLC0415
    from ciliate.cli.hubble.stream_options import (  # noqa: PLC0415
        LIST_FORMS,
        form_option,
        look_options,
    )
    from ciliate.cli.hubble.target import target_settings  # noqa: PLC0415

    found: dict[str, tuple[Setting, ...]] = {}
    for option in (*target_settings(), *look_options(), *flow_options(), form_option(LIST_FORMS)):
        if isinstance(option, Setting):
            found[option.key] = (*found.get(option.key, ()), option)
    return dict(sorted(found.items()))


def setting(key: str, *, path: Path | None = None) -> tuple[Setting, ...]:
    """Return the flags of a key.

    Raises:
        UnknownKeyError: There is none.
    """
    found = known().get(key)
    if found is None:
        raise UnknownKeyError(key, path=path)
    return found


def checked(path: Path, *, needed: bool) -> Mapping[str, Any]:
    """Return what a file holds, once all of it is known to make sense.

    Raises:
        SettingsFileError: It cannot be read.
        UnknownKeyError: It has a key that no flag has.
        KeyValueError: A key does not take its value.
    """
    found = read_settings(path, needed=needed)
    for key, value in found.items():
        options = setting(key, path=path)
        problems = [problem for each in options if (problem := _problem(each, value))]
        if len(problems) == len(options):
            raise KeyValueError(key, value, problems[0], path=path)
    return found


def as_written(key: str, text: str) -> object:
    """Return what a file holds of a key that is set to a text.

    Raises:
        UnknownKeyError: No flag is called so.
        KeyValueError: It does not take this.
    """
    problems: list[Exception] = []
    for option in setting(key):
        try:
            return option.in_file(text)
        except (click.UsageError, HubbleError) as error:
            problems.append(error)
    raise KeyValueError(key, text, problems[0])


def _problem(option: Setting, value: object) -> Exception | None:
    if value is None or isinstance(value, dict):
        return HubbleError("it has no value")
    try:
        option.read(value)
    except (click.UsageError, HubbleError) as error:
        return error
    return None


def has_settings(command: click.Command) -> bool:
    """Whether a command, or one below it, has flags that a file may stand for."""
    return any(isinstance(each, Setting) for each in _params(command))


def _params(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _params(below)


def default_map(command: click.Command, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return click's `default_map` of a command and those below it: what the file says to each."""
    defaults: dict[str, Any] = {
        each.name or "": each.as_default(found[each.key])
        for each in command.params
        if isinstance(each, Setting) and each.key in found and not _problem(each, found[each.key])
    }
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            defaults[name] = default_map(below, found)
    return defaults
