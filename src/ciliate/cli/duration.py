"""Spans of time: as arguments of commands ("60s"), and as Cilium's commands print them."""

from datetime import datetime
from typing import Final

import click

from ciliate.config.values import ValueTextError, read_duration_s


class _Duration(click.ParamType[float]):
    """Seconds out of a Go duration."""

    name = "DURATION"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; a text that is no duration is a usage error."""
        if not isinstance(value, str):
            return value
        try:
            return read_duration_s(value)
        except ValueTextError as error:
            self.fail(str(error), param, ctx)


DURATION: Final = _Duration()


def render_duration(seconds: float) -> str:
    """Return whole seconds as "1h2m3s", "2m3s" or "3s"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    if minutes:
        return f"{minutes}m{rest}s"
    return f"{rest}s"


def since(moment: datetime | None, *, now: datetime) -> str:
    """Return how long ago `moment` was, or "never"; clocks that differ never give a minus."""
    if moment is None:
        return "never"
    return f"{render_duration(max(0.0, (now - moment).total_seconds()))} ago"
