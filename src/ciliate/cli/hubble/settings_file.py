"""The file that keeps flags of `hubble` for next time: `config.yaml` in the user's configuration.

As Cilium's command has it: flags by their names, without dashes in front. What is in it is judged
elsewhere (`settings`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ciliate.cli.hubble.errors import HubbleError
from ciliate.system.atomic_file import replace_file

#: A password may stand in it.
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700

#: A file of settings has less than a kilobyte.
_BYTES_MAX: Final = 1024 * 1024

_NAME: Final = "config.yaml"


class SettingsFileError(HubbleError):
    """The file cannot be read or written, or is no mapping in YAML."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


def settings_path(named: str | None, environment: Mapping[str, str]) -> tuple[Path, bool]:
    """Return where the file is, and whether somebody has said so.

    Of the places where it is looked for otherwise, the first that has one, else the first.
    """
    if named:
        return Path(named), True
    home = Path(environment.get("HOME") or "~").expanduser()
    above = environment.get("XDG_CONFIG_HOME", "")
    config = Path(above) if os.path.isabs(above) else home / ".config"
    places = (config / "hubble" / _NAME, home / ".hubble" / _NAME)
    return next((each for each in places if each.exists()), places[0]), False


def read_settings(path: Path, *, needed: bool = False) -> dict[str, Any]:
    """Return what a file holds, by key; nothing if there is none, unless it is `needed`.

    Raises:
        SettingsFileError: It cannot be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES_MAX)
    except FileNotFoundError as error:
        if not needed:
            return {}
        problem = "there is no such file: `hubble config set KEY VALUE` makes it"
        raise SettingsFileError(path, problem) from error
    except OSError as error:
        raise SettingsFileError(path, error.strerror or str(error)) from error
    import yaml  # noqa: PLC0415 - 15 ms, for who has a file.

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = f"{_first(error)}: correct it, or begin anew with `hubble config reset`"
        raise SettingsFileError(path, problem) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        problem = "no settings: write a line KEY: VALUE for each, or use `hubble config set`"
        raise SettingsFileError(path, problem)
    return {str(key): value for key, value in found.items()}


def _first(error: Exception) -> str:
    """Return what is wrong with a text, and where, in a line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"not YAML, line {mark.line + 1}: {problem}" if mark else f"not YAML: {problem}"


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Make this what a file holds, in one step; comments in it are lost.

    Raises:
        SettingsFileError: It cannot be written; it is as before.
    """
    import yaml  # noqa: PLC0415 - as above.

    text = yaml.safe_dump(dict(settings), sort_keys=True) if settings else ""
    try:
        real = path.resolve()  # A link stays one.
        real.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        replace_file(real, text.encode(), mode=_MODE, durable=True)
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise SettingsFileError(path, problem) from error
