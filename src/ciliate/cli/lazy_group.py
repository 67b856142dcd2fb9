"""A group whose subcommands are imported when they run: a command pays for its own imports only."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group with subcommands given as "package.module:attribute" beside those it has."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, imported or not."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing it at its first use."""
        path = self._lazy.get(cmd_name)
        if path is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = path.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the words; the nearest name to a wrong one may be a lazy one."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from error


class ListedGroup(LazyGroup):
    """A lazy group that knows its commands' lines in the help: it lists them without any import."""

    def __init__(
        self, name: str, *, listed: Mapping[str, tuple[str, str]], **settings: Any
    ) -> None:
        """Take `listed`: command -> where it lives, and its line."""
        lazy = {command: path for command, (path, _) in listed.items()}
        super().__init__(name, lazy=lazy, **settings)
        self._lines = {command: line for command, (_, line) in listed.items() if line}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table; what has no line is hidden."""
        del ctx
        return list(self._lines)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help's list of commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what the shell offers after the group's name."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for name, line in self._lines.items()
            if name.startswith(incomplete)
        ]
