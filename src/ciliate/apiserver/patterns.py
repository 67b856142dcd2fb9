r"""Patterns of schemas: regular expressions as kube-apiserver's Go reads them (RE2).

Python's `re` is another language: `[[:alpha:]]` and `\pL` mean something else there, `$` also
stands before a last newline, `\d` takes digits of every script, and a pattern with look-aheads,
back references or possessive repetition is taken that Go refuses. It also backtracks, so that a
definition and an object could hold the server for ever; RE2's time is linear in the text.
"""

from collections.abc import Callable
from typing import Any, Final

#: Octets that one compiled pattern may take, its caches included.
_MEMORY_BYTES_MAX: Final = 8 * 1024 * 1024
#: The one escape that RE2 in C++ takes (an octet of UTF-8) and Go does not.
_OCTET: Final = "\\C"


class PatternError(ValueError):
    """A pattern that Go's regexp package does not take."""

    def __init__(self, pattern: str, problem: str) -> None:
        self.pattern = pattern
        super().__init__(f"pattern {pattern!r}: {problem}: write it in RE2's syntax")


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return whether a text has a match of a pattern anywhere.

    Raises:
        PatternError: It is no pattern of RE2, or a larger one than is taken.
    """
    import re2  # noqa: PLC0415 - 4 MiB, for definitions that have patterns

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES_MAX
    try:
        compiled: Any = re2.compile(pattern, options)
    except re2.error as error:
        problem = error.args[0] if error.args else error
        text = problem.decode(errors="replace") if isinstance(problem, bytes) else str(problem)
        raise PatternError(pattern, text) from error
    if _OCTET in _escapes(pattern):
        raise PatternError(pattern, f"invalid escape sequence: {_OCTET}")
    return lambda text: compiled.search(text) is not None


def _escapes(pattern: str) -> set[str]:
    r"""Return the escapes that a pattern has outside of `\Q…\E`."""
    found, position = set(), 0
    while (position := pattern.find("\\", position)) >= 0:
        escape = pattern[position : position + 2]
        found.add(escape)
        position += 2
        if escape == r"\Q":
            end = pattern.find(r"\E", position)
            position = len(pattern) if end < 0 else end + 2
    return found
