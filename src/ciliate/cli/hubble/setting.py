"""Flags that a variable of the environment, and a key of the configuration file, may stand for.

The flag wins, then the variable, then the file. So that a flag can win over a file that turns something
on, each that takes no value has an opposite: `--no-tls`, or `--tls=false` as users of Cilium's command
write it (`root_words`).
"""

import copy
from collections.abc import Sequence
from typing import Any

import click


def variable(flag: str) -> str:
    """Return the variable of the environment that stands for a flag: `HUBBLE_TLS_SERVER_NAME`."""
    return f"HUBBLE_{flag.lstrip('-').replace('-', '_').upper()}"


class Setting(click.Option):
    """Such a flag; `is_listed`: several values in one text, between commas."""

    def __init__(
        self,
        flag: str,
        help_text: str,
        *names: str,
        is_listed: bool = False,
        **settings: Any,
    ) -> None:
        #: What the file calls it.
        self.key = flag.removeprefix("--")
        self.is_listed = is_listed
        shown = f"{flag}/--no-{self.key}" if settings.get("is_flag") else flag
        super().__init__([shown, *names], help=help_text, envvar=variable(flag), **settings)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag's line in the help, without its opposite: that goes without saying."""
        shown = copy.copy(self)
        shown.secondary_opts = []
        return click.Option.get_help_record(shown, ctx)

    def read(self, value: object) -> Any:
        """Return a value of the file as the command gets it.

        Raises:
            UsageError: The flag takes no such value.
            HubbleError: Likewise.
        """
        context = click.Context(click.Command("hubble"))
        try:
            return self.type_cast_value(context, self.as_default(value))
        except click.BadParameter as error:
            if isinstance(self.type, click.types.BoolParamType):
                raise click.BadParameter("write true or false") from error
            raise

    def as_default(self, value: object) -> object:
        """Return a value of the file in the form that click takes for a default."""
        if self.multiple:
            return [str(each) for each in _several(value)]
        if self.is_listed:
            return ",".join(str(each) for each in _several(value))
        if isinstance(value, bool):
            return value if self.is_flag else str(value).lower()
        return str(value)

    def in_file(self, text: str) -> object:
        """Return what a file holds for a text, as Cilium's command writes it."""
        value = self.read([text] if self.multiple else text)
        if self.multiple:
            return [text]
        if self.is_listed:
            return [each.strip() for each in text.split(",")]
        return value if isinstance(value, bool | int) else text

    def offered(self, context: click.Context, start: str) -> list[str]:
        """Return the values that begin so, as far as they are a list."""
        if self.is_flag or isinstance(self.type, click.types.BoolParamType):
            return [each for each in ("true", "false") if each.startswith(start)]
        return [
            str(each.value)
            for each in self.type.shell_complete(context, self, start)
            if each.type == "plain"
        ]


def _several(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]
