"""`ciliate hubble`, which is `hubble`: flows of the cluster.

Each command is a module of its own, imported when it is used: gRPC is slow to import. Flags of the
server may stand before a command or behind it, and a file may stand for them (`settings`).
"""

import os
from pathlib import Path
from typing import Any, Final

import click

from ciliate.cli.cluster_hubble_commands import CLUSTER_HUBBLE
from ciliate.cli.lazy_group import ListedGroup
from ciliate.console.version_option import version_option

#: Command -> where its click command lives, and its line in the help; hidden without one.
_COMMANDS: Final = {
    "observe": ("ciliate.cli.hubble.observe:command", "Show flows, as they happen or happened."),
    "status": ("ciliate.cli.hubble.status:command", "Show whether the server is well."),
    "list": ("ciliate.cli.hubble.lists:command", "List nodes and namespaces."),
    "watch": ("ciliate.cli.hubble.watch:command", ""),
    **CLUSTER_HUBBLE,
    "config": ("ciliate.cli.hubble.config:command", "Keep flags for next time, in a file."),
    "version": ("ciliate.cli.hubble.version:command", "Show this command's version."),
    "completion": ("ciliate.cli.app:completion", "Print a shell's completion script."),
}

_FILE: Final = "ciliate.hubble.config"


class HubbleGroup(ListedGroup):
    """The root: puts words into their order, and gives commands what the file says."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before the command."""
        from ciliate.cli.hubble.root_words import ordered  # noqa: PLC0415 - not for the help.
        from ciliate.cli.hubble.target import target_settings  # noqa: PLC0415

        return super().parse_args(ctx, ordered(args, target_settings()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and have it begin with what the file says instead of its defaults."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None and not ctx.resilient_parsing:
            ctx.default_map = {name: _defaults(ctx, command)}
        return name, command, rest


def _defaults(ctx: click.Context, command: click.Command) -> dict[str, Any]:
    from ciliate.cli.hubble.settings_file import settings_path  # noqa: PLC0415 - for commands alone.

    path, is_named = settings_path(ctx.meta.get(_FILE), os.environ)
    if not is_named and not path.exists():
        return {}
    from ciliate.cli.hubble import settings  # noqa: PLC0415 - most have no file.

    if not settings.has_settings(command):
        return {}
    return settings.default_map(command, settings.checked(path, needed=is_named))


def chosen_file() -> Path:
    """Return the configuration file of the running command, whether or not it is there."""
    from ciliate.cli.hubble.settings_file import settings_path  # noqa: PLC0415 - as above.

    named = click.get_current_context().meta.get(_FILE)
    return settings_path(named, os.environ)[0]


def _keep(ctx: click.Context, _parameter: click.Parameter, path: str | None) -> None:
    ctx.meta[_FILE] = path


_config: Final = click.Option(
    ["--config"],
    envvar="HUBBLE_CONFIG",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    expose_value=False,
    is_eager=True,
    callback=_keep,
    help="The file with flags for every time (`hubble config`).  [default: ~/.config/hubble/config.yaml]",
)

command: Final = HubbleGroup(
    "hubble",
    listed=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[_config, version_option()],
    help="See flows: who talks to whom in the cluster, and what is dropped.",
    epilog="\b\nExamples:\n  hubble status -P\n  hubble observe -P -f\n"
    "  hubble observe --pod default/curl-pod --verdict DROPPED",
)
