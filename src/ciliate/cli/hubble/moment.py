"""Moments: as flags give them (`--since 5m`), and as lines begin with them.

Everything printed is UTC. Fractions are cut, never rounded: a line is not later than its event. Pure.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.cli.hubble.errors import FlagError
from ciliate.config.values import ValueTextError, read_duration_s

_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The years 1 to 9999, as protobuf's definition of a Timestamp has it.
_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)

_MONTHS: Final = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())  # noqa: SIM905
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_ISO: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d))?"
)
_RFC1123: Final = re.compile(
    rf"(?:{'|'.join(_DAYS)}), (?P<day>\d\d) (?P<name>{'|'.join(_MONTHS)}) (?P<year>\d{{4}})"
    r" (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) (?P<zone>[+-]\d{4})"
)


def _fraction(digits: int, *, trimmed: bool = False) -> Callable[[int], str]:
    def render(nanos: int) -> str:
        text = f".{nanos:09}"[: digits + 1]
        return text.rstrip("0").rstrip(".") if trimmed else text

    return render


_NANOS: Final = _fraction(9, trimmed=True)
_MICROS: Final = _fraction(6)
_MILLIS: Final = _fraction(3)

#: What `--time-format` knows, by the names of Cilium's command.
LAYOUTS: Final[Mapping[str, Callable[[datetime, int], str]]] = {
    "StampMilli": lambda t, nanos: (
        f"{_MONTHS[t.month - 1]} {t.day:2} {t:%H:%M:%S}{_MILLIS(nanos)}"
    ),
    "YearMonthDay": lambda t, _: t.date().isoformat(),
    "YearMonthDayHour": lambda t, _: f"{t.date()}T{t:%H}Z",
    "YearMonthDayHourMinute": lambda t, _: f"{t.date()}T{t:%H:%M}Z",
    "RFC3339": lambda t, _: f"{t.date()}T{t:%H:%M:%S}Z",
    "RFC3339Milli": lambda t, nanos: f"{t.date()}T{t:%H:%M:%S}{_MILLIS(nanos)}Z",
    "RFC3339Micro": lambda t, nanos: f"{t.date()}T{t:%H:%M:%S}{_MICROS(nanos)}Z",
    "RFC3339Nano": lambda t, nanos: f"{t.date()}T{t:%H:%M:%S}{_NANOS(nanos)}Z",
    "RFC1123Z": lambda t, _: (
        f"{_DAYS[t.weekday()]}, {t.day:02} {_MONTHS[t.month - 1]} {t.year:04} {t:%H:%M:%S} +0000"
    ),
}
DEFAULT_LAYOUT: Final = "StampMilli"


def render_moment(moment: Timestamp | None, layout: str = DEFAULT_LAYOUT) -> str:
    """Return a moment in a layout of `LAYOUTS`, or "N/A" for none and for one that is impossible."""
    if moment is None or moment.seconds not in _SECONDS or not 0 <= moment.nanos < _NS:
        return "N/A"
    return LAYOUTS[layout](_EPOCH + timedelta(seconds=moment.seconds), moment.nanos)


def read_moment(flag: str, text: str, *, now_ns: int) -> Timestamp:
    """Return the moment that a flag names: a span before now, or a date with or without a time.

    Raises:
        FlagError: It is neither.
    """
    try:
        before_ns = int(read_duration_s(text.removeprefix("+")) * _NS)
    except ValueTextError:
        pass
    else:
        return Timestamp(seconds=(now_ns - before_ns) // _NS, nanos=(now_ns - before_ns) % _NS)
    found = _ISO.fullmatch(text) or _RFC1123.fullmatch(text)
    try:
        if found is not None:
            return _moment(found.groupdict())
    except ValueError:
        pass  # Such as the 31st of February.
    raise FlagError(
        flag=flag,
        value=text,
        problem="is no span such as 5m or 1h30m, and no moment such as 2025-08-02,"
        " 2025-08-02T07:11Z, 2025-08-02T07:11:40.494+09:00 or Sat, 02 Aug 2025 07:11:40 +0000",
    )


def _moment(parts: Mapping[str, str | None]) -> Timestamp:
    name = parts.get("name")
    month = _MONTHS.index(name) + 1 if name else int(parts.get("month") or 0)
    year, day, hour, minute, second = (
        int(parts[part] or 0) for part in ("year", "day", "hour", "minute", "second")
    )
    written = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    since = written - _EPOCH - _offset(parts["zone"])
    fraction = parts.get("fraction") or ""
    return Timestamp(
        seconds=since.days * 86400 + since.seconds, nanos=int(fraction.ljust(9, "0") or 0)
    )


def _offset(zone: str | None) -> timedelta:
    if not zone or zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset
