"""Times as the API writes them (RFC 3339, UTC) and ages as tables show them."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_YEAR_DAYS: Final = 365


def now() -> str:
    """Return the time now, to the second, as metadata carries it."""
    return _text(int(time.time()))


@lru_cache(maxsize=1)  # Many writes are of one second.
def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: Any) -> datetime | None:
    """Return an RFC 3339 time; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def age(text: Any) -> str:
    """Return how long ago a time is, as kubectl's AGE column shows it."""
    moment = parse(text)
    if moment is None:
        return "<unknown>"
    return human_duration((datetime.now(tz=UTC) - moment).total_seconds())


def human_duration(duration_s: float) -> str:
    """Return a duration in at most two units (k8s.io/apimachinery `duration.HumanDuration`)."""
    seconds = int(duration_s)
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * _MINUTE:
        return f"{max(seconds, 0)}s"
    if seconds < 10 * _MINUTE:
        return _two(seconds // _MINUTE, "m", seconds % _MINUTE, "s")
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 8 * _HOUR:
        return _two(seconds // _HOUR, "h", seconds // _MINUTE % 60, "m")
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    if seconds < 8 * _DAY:
        return _two(seconds // _DAY, "d", seconds // _HOUR % 24, "h")
    days = seconds // _DAY
    if days < 2 * _YEAR_DAYS:
        return f"{days}d"
    if days < 8 * _YEAR_DAYS:
        return _two(days // _YEAR_DAYS, "y", days % _YEAR_DAYS, "d")
    return f"{days // _YEAR_DAYS}y"


def _two(count: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{count}{unit}{rest}{rest_unit}" if rest else f"{count}{unit}"
