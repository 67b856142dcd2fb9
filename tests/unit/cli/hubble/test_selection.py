"""How many events are asked for, and of when."""

from typing import Any

import pytest

from ciliate.cli.hubble.errors import FlagConflictError
from ciliate.cli.hubble.selection import Selection, read_selection

ALL = (1 << 64) - 1


def selection(**flags: Any) -> Selection:
    usual = {"last": 0, "first": 0, "everything": False, "follow": False}
    return read_selection(**(usual | {"since": None, "until": None, "now_ns": 10**18} | flags))


@pytest.mark.parametrize(
    ("flags", "number", "first", "follow"),
    [
        ({}, 20, False, False),
        ({"last": 5}, 5, False, False),
        ({"first": 5}, 5, True, False),
        ({"everything": True}, ALL, False, False),
        ({"follow": True}, 0, False, True),
        ({"follow": True, "last": 5}, 5, False, True),
        ({"since": "5m"}, 0, False, False),
        ({"until": "5m"}, 0, False, False),
        ({"since": "5m", "first": 3}, 3, True, False),
        ({"default": 0}, 0, False, False),
    ],
)
def test_number_is_twenty_where_nothing_else_bounds_it(
    flags: dict[str, Any], number: int, *, first: bool, follow: bool
) -> None:
    found = selection(**flags)

    assert (found.number, found.first, found.follow) == (number, first, follow)


def test_stream_that_goes_on_has_no_end() -> None:
    assert selection(until="5m").until is not None
    assert selection(until="5m", follow=True).until is None


@pytest.mark.parametrize(
    "flags",
    [
        {"first": 1, "last": 1},
        {"first": 1, "everything": True},
        {"first": 1, "follow": True},
        {"last": 1, "everything": True},
    ],
)
def test_two_counts_are_refused(flags: dict[str, Any]) -> None:
    with pytest.raises(FlagConflictError):
        selection(**flags)
