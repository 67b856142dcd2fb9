"""Names and numbers as findings write them. Pure."""

from collections.abc import Sequence
from typing import Final

#: Names in a sentence.
_LISTED_MAX: Final = 6


def family_name(version: int) -> str:
    """Return "IPv4" or "IPv6"."""
    return f"IPv{version}"


def listed(names: Sequence[str]) -> str:
    """Return names in a sentence; of many the first, and how many more there are."""
    if len(names) == 1:
        return names[0]
    if len(names) > _LISTED_MAX:
        more = len(names) - _LISTED_MAX + 1
        return f"{', '.join(names[: _LISTED_MAX - 1])} and {more} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def counted(number: int, noun: str) -> str:
    """Return the number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
