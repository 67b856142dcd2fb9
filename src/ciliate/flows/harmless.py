"""Texts of others on a terminal: nothing in a flow may move the cursor or turn a line around.

A name of DNS, a URL or a header comes from whoever sent the packet. Pure.
"""

import re
from typing import Final

#: Controls of ASCII and Latin-1, the separators of lines that are not ASCII, and the marks that turn
#: the direction of writing (Unicode Standard Annex 9).
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_SHORT: Final = {"\x1b": "^[", "\r": "\\r", "\n": "\\n", "\t": "\\t"}


def harmless(text: str) -> str:
    """Return `text` with what a terminal would obey as visible characters: ESC as `^[`."""
    return _UNSAFE.sub(_visible, text)


def harmless_json(text: str) -> str:
    r"""Return JSON with what a terminal would obey as `\uXXXX`: the same values.

    What stands between values, ends of lines, stays.
    """
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}"


def _visible(found: re.Match[str]) -> str:
    number = ord(found[0])
    short = _SHORT.get(found[0])
    return short or (f"\\x{number:02x}" if number < 1 << 8 else f"\\u{number:04x}")
