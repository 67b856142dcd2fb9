"""Cells of a table: how a column reads one field of an object.

Most columns of kinds without rules of their own show a field as it is, so their printing is a list
of columns with what each shows.
"""

from collections.abc import Callable
from typing import Any, Final

from ciliate.apiserver.columns import AGE, NAME, created_age
from ciliate.apiserver.resources import Column, Printing
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import age

#: What a column shows of an object.
Show = Callable[[JsonObject], Any]

NONE: Final = "<none>"


def at(obj: Any, path: str) -> Any:
    """Return what is at a path of fields; None when nothing is."""
    value = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def field(path: str, absent: Any = "") -> Show:
    """Show a value as it is."""

    def show(obj: JsonObject) -> Any:
        value = at(obj, path)
        return absent if value is None or value == "" else value

    return show


def text(path: str, absent: str = NONE) -> Show:
    """Show a value as text; booleans as Go writes them."""

    def show(obj: JsonObject) -> str:
        value = at(obj, path)
        if isinstance(value, bool):
            return "true" if value else "false"
        return absent if value is None or value == "" else str(value)

    return show


def count(path: str) -> Show:
    """Show how many elements a list has."""
    return lambda obj: len(at(obj, path) or ())


def name_of(obj: JsonObject) -> str:
    """Show the object's name."""
    return str(obj["metadata"]["name"])


def printing(*columns: tuple[Column | str, Show]) -> Printing:
    """Return a printing that begins with the name."""
    shown = [Column(c) if isinstance(c, str) else c for c, _ in columns]
    shows = [show for _, show in columns]
    return Printing((NAME, *shown), lambda obj: [name_of(obj), *(show(obj) for show in shows)])


#: The column of the age.
SINCE: Final = (AGE, created_age)


def integer(name: str) -> Column:
    """Return a column of numbers."""
    return Column(name, type="integer")


def since(path: str) -> Show:
    """Show how long ago a time is."""
    return lambda obj: age(at(obj, path)) if at(obj, path) else NONE
