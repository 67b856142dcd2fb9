"""Names of devices, by regular expressions of RE2, in time that is linear in the name. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from ciliate.api.l2_announcement_policy import INTERFACES_MAX, PATTERN_LENGTH_MAX

#: Octets that one compiled expression may take.
_MEMORY_BYTES_MAX: Final = 1 << 20
_KEPT_MAX: Final = 256


def pattern_problem(patterns: Iterable[str]) -> str:
    """Return what is wrong with the expressions of a policy; empty: nothing."""
    found = tuple(patterns)
    if len(found) > INTERFACES_MAX:
        return f"spec.interfaces: {len(found)} expressions, more than {INTERFACES_MAX}: join some"
    for place, pattern in enumerate(found):
        _, problem = _compiled(pattern)
        if problem:
            shown = pattern[:PATTERN_LENGTH_MAX]
            return (
                f"spec.interfaces[{place}]: {shown!r} {problem}: write it in RE2's syntax, such as"
                " ^eth[0-9]+$"
            )
    return ""


def selects_device(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the expressions has a match in the name; without any, every name is meant."""
    if not patterns:
        return True
    compiled = (_compiled(pattern)[0] for pattern in patterns)
    return any(each is not None and each.search(name) for each in compiled)


@lru_cache(maxsize=_KEPT_MAX)
def _compiled(pattern: str) -> tuple[Any, str]:
    """Return the compiled expression, or None and why there is none."""
    if len(pattern) > PATTERN_LENGTH_MAX:
        return None, f"is longer than {PATTERN_LENGTH_MAX} characters"
    import re2  # noqa: PLC0415 - 4 MiB, for policies that have expressions.

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES_MAX
    try:
        return re2.compile(pattern, options), ""
    except re2.error as error:
        text = error.args[0] if error.args else error
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        return None, f"is no regular expression ({text})"
