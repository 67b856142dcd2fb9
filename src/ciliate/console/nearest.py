"""What a wrong name was meant to be, in an error's words. Pure."""

import difflib
from collections.abc import Iterable


def meant(name: str, names: Iterable[str]) -> str:
    """Return " (did you mean NAME?)" with the nearest of `names`, or an empty text."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
