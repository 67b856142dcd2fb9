r"""Regular expressions and globs of filters, in RE2: linear in the text, whoever wrote them. Pure."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from ciliate.flows.server.errors import quoted

Matches = Callable[[str], bool]

#: Octets that one compiled pattern may take, its caches included: what a client may ask of a relay
#: at once takes some 60 MiB of each node, at worst.
_MEMORY_BYTES_MAX: Final = 20 * 1024
#: The one escape that RE2 in C++ takes (an octet of UTF-8) and in Go does not.
_OCTET: Final = "\\C"
_GLOB_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_*")
#: Names of which it is kept whether a glob matches: the same come again and again.
_NAMES_KEPT: Final = 256
#: What a star stands for: no underscore.
_STAR: Final = "[-.0-9a-z]*"


def compile_patterns(patterns: list[str]) -> Matches:
    """Return whether any of the patterns is found anywhere in a text.

    Raises:
        ValueError: One is no pattern of RE2, or a larger one than is taken.
    """
    searches = [_compile(each).search for each in patterns]
    return lambda text: any(search(text) is not None for search in searches)


def compile_globs(globs: list[str]) -> Matches:
    """Return whether any of the globs is the whole of a name in DNS.

    Raises:
        ValueError: One is empty, or has other characters than such names and the star.
    """
    canonical = [canonical_glob(each) for each in globs]
    literal = frozenset(each for each in canonical if "*" not in each)
    matches = [_compile(_pattern_of(each)).fullmatch for each in canonical if "*" in each]
    if not matches:
        return literal.__contains__

    @lru_cache(_NAMES_KEPT)
    def is_matched(name: str) -> bool:
        return name in literal or any(match(name) is not None for match in matches)

    return is_matched


def canonical_glob(glob: str) -> str:
    """Return a glob as names are written: lower case, without space around and the last dot.

    Raises:
        ValueError: As for `compile_globs`.
    """
    canonical = glob.strip().removesuffix(".").lower()
    if not canonical:
        raise ValueError(f"{quoted(glob)}: empty pattern: a name is needed, or *")
    if canonical.endswith("."):
        raise ValueError(f"{quoted(glob)}: a name ends with one dot at most")
    if not _GLOB_CHARACTERS.issuperset(canonical):
        raise ValueError(f"{quoted(glob)}: a name has letters, digits, -, _, . and * for any run")
    return canonical


def _pattern_of(glob: str) -> str:
    return glob.replace(".", r"\.").replace("*", _STAR)


def _compile(pattern: str) -> Any:
    import re2  # noqa: PLC0415 - 4 MiB, for requests that have patterns

    if _has_octet_escape(pattern):
        raise ValueError(f"{quoted(pattern)}: invalid escape sequence: {_OCTET}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES_MAX
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        problem = error.args[0] if error.args else error
        text = problem.decode(errors="replace") if isinstance(problem, bytes) else str(problem)
        raise ValueError(f"{quoted(pattern)}: {text}: write it in RE2's syntax") from error


def _has_octet_escape(pattern: str) -> bool:
    r"""Whether a pattern has \C outside of `\Q…\E`."""
    position = 0
    while (position := pattern.find("\\", position)) >= 0:
        escape = pattern[position : position + 2]
        if escape == _OCTET:
            return True
        position += 2
        if escape == r"\Q":
            end = pattern.find(r"\E", position)
            position = len(pattern) if end < 0 else end + 2
    return False
