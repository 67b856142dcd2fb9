"""A text of JSON objects behind each other: the form of lists of filters. Pure.

Blanks, commas or nothing may stand between two: Cilium's chart joins a list by one or the other, and
its documents show both.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from ciliate.config.values import ValueTextError

_BETWEEN: Final = " \t\r\n,"

_decoder: Final = json.JSONDecoder()


def read_json_objects(text: str) -> tuple[Mapping[str, Any], ...]:
    """Return the objects.

    Raises:
        ValueTextError: There is something else.
    """
    found = []
    text = text.strip(_BETWEEN)
    while text:
        try:
            value, end = _decoder.raw_decode(text)
        except ValueError as error:
            raise ValueTextError(problem=f"is no JSON: {error}", remedy=_REMEDY) from error
        if not isinstance(value, dict):
            raise ValueTextError(problem="holds what is no object", remedy=_REMEDY)
        found.append(value)
        text = text[end:].lstrip(_BETWEEN)
    return tuple(found)


_REMEDY: Final = 'write objects behind each other, such as {"verdict":["DROPPED"]}'
