"""Spans of time as arguments of commands: "60s", "5m", as Go and cilium-config write them."""

from typing import Final

import click

from ciliate.config.values import ValueTextError, read_duration_s


class _Duration(click.ParamType[float]):
    """Seconds out of a Go duration."""

    name = "DURATION"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; what is no duration is the user's mistake."""
        if not isinstance(value, str):
            return value
        try:
            return read_duration_s(value)
        except ValueTextError as error:
            self.fail(str(error), param, ctx)


DURATION: Final = _Duration()
