"""The flags that choose flows, as options of a command, and the order in which they were given.

`--not` turns the next such flag around. Click keeps the values of an option, not their places among
those of others, so the words are parsed once more for the order alone.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ciliate.cli.hubble.errors import HubbleError
from ciliate.cli.hubble.filter_flags import FILTER_FLAGS, FilterFlag
from ciliate.cli.hubble.flow_filters import FlagUse
from ciliate.cli.name_completion import (
    complete_namespaces,
    complete_nodes,
    complete_pods,
    complete_services,
)
from ciliate.console.installation import Offer

_KEY: Final = "ciliate.hubble.filters"
_NOT: Final = "negation"

#: Flags whose values are names of the cluster.
_OFFERS: Final[Mapping[str, Offer]] = {
    "pod": complete_pods,
    "namespace": complete_namespaces,
    "service": complete_services,
    "node-name": complete_nodes,
}


class TrailingNotError(HubbleError):
    """`--not` stands before no flag that it could turn around."""

    def __init__(self) -> None:
        super().__init__("--not stands before no flag that chooses flows: write --not --pod NAME")


class FilterCommand(click.Command):
    """A command with flags that choose flows; the words may be those of a group before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, and keep the uses of such flags in their order."""
        if not ctx.resilient_parsing and not set(args) & set(ctx.help_option_names):
            values, _, order = self.make_parser(ctx).parse_args(args=list(args))
            ctx.meta[_KEY] = _uses(values, [each.name or "" for each in order])
        return super().parse_args(ctx, args)


class FilterGroup(FilterCommand, click.Group):
    """The same that has subcommands too; to one of them go all words, as in Cilium's command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, after the name of a subcommand has been brought to their front."""
        if not ctx.resilient_parsing:
            _, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
            if rest and rest[0] in self.commands:
                before = args[: len(args) - len(rest)]
                args = [rest[0], *before, *rest[1:]]
        return super().parse_args(ctx, args)


def _uses(values: dict[str, Any], order: list[str]) -> list[FlagUse]:
    seen: Counter[str] = Counter()
    uses = []
    negated = False
    for name in order:
        flag = FILTER_FLAGS.get(name.removeprefix("filter_").replace("_", "-"))
        if name == _NOT:
            negated = True
        elif flag is not None and name.startswith("filter_"):
            value = "" if flag.constant is not None else values[name][seen[name]]
            uses.append(FlagUse(flag.name, value, negated))
            seen[name] += 1
            negated = False
    if negated:
        raise TrailingNotError
    return uses


def filter_uses() -> list[FlagUse]:
    """Return the flags that the running command was given, in their order."""
    return list(click.get_current_context().meta.get(_KEY, ()))


def filter_options() -> list[click.Parameter]:
    """Return the options."""
    negation = click.Option(
        ["--not", _NOT],
        is_flag=True,
        expose_value=False,
        help="Turn the next flag that chooses flows around.",
    )
    return [negation, *(_option(flag) for flag in FILTER_FLAGS.values())]


def _offer(flag: FilterFlag) -> Offer | None:
    """Return what a shell offers as a flag's value."""

    def offer(*asked: object) -> list[CompletionItem]:
        return [CompletionItem(each) for each in flag.choices if each.startswith(str(asked[-1]))]

    bare = flag.name.removeprefix("from-").removeprefix("to-")
    return _OFFERS.get(bare) or (offer if flag.choices else None)


def _option(flag: FilterFlag) -> click.Option:
    names = [f"--{flag.name}", f"filter_{flag.name.replace('-', '_')}"]
    if flag.short:
        names.insert(0, flag.short)
    help_text = f"Flows {flag.help}."
    if flag.constant is not None:
        return click.Option(names, is_flag=True, expose_value=False, help=help_text)
    return click.Option(
        names,
        multiple=True,
        expose_value=False,
        metavar=flag.metavar,
        help=help_text,
        shell_complete=_offer(flag),
    )
