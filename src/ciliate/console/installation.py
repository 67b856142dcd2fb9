"""Which installation a command or a process belongs to: the flags of its names.

`--namespace`, `--k8s-namespace` and CILIUM_K8S_NAMESPACE are one thing; each further name has a flag
and a variable of the form CILIUM_CONFIG_MAP. They may stand before the subcommand or behind it. Agent,
operator and commands take them all, so that one environment serves the three; each shows in its help
those that it is for.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ciliate.config.installation import Installation, parse_selector

F = TypeVar("F", bound=Callable[..., Any])

#: Completes a word in a shell.
Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

NOTHING: Final[Mapping[str, Offer]] = {}

_ENVIRONMENT: Final = ParameterSource.ENVIRONMENT

_KEY: Final = "ciliate.installation"
_HELP: Final = {
    "namespace": "The namespace of agents, operator and their settings.",
    "config_map": "The ConfigMap with the settings.",
    "agent_daemonset_name": "The DaemonSet that runs the agents, if one does.",
    "agent_pod_selector": "The agents' pods; one without a ready pod speaks for itself.",
    "operator_lease": "The Lease that the leading operator holds.",
}

#: What a name's flag is called too.
_ALIASES: Final = {
    "namespace": ("-n", "--k8s-namespace"),
    "agent_pod_selector": ("--cilium-pod-labels",),
    "operator_lease": ("--lease",),
}

#: Shown in the help of commands; docs/CILIUM.md lists all.
_FOR_COMMANDS: Final = ("namespace",)


def installation() -> Installation:
    """Return the installation that the running command was given, or Cilium's own names."""
    context = click.get_current_context(silent=True)
    found = context.find_root().meta.get(_KEY) if context is not None else None
    return found if isinstance(found, Installation) else Installation()


def _keep(context: click.Context, parameter: click.Parameter, text: str | None) -> None:
    assert parameter.name is not None, "an option has a name"
    if not text:
        return
    if context.parent and context.get_parameter_source(parameter.name) is _ENVIRONMENT:
        return  # The root has read it, and may have been given a flag, which wins.
    if parameter.name.endswith("_selector"):
        try:
            parse_selector(text)
        except ValueError as error:
            raise click.BadParameter(str(error), context, parameter) from error
    meta = context.find_root().meta
    meta[_KEY] = replace(meta.get(_KEY) or Installation(), **{parameter.name: text})


def _option(name: str, default: str, *, hidden: bool, offer: Offer | None) -> click.Option:
    variable = "CILIUM_K8S_NAMESPACE" if name == "namespace" else f"CILIUM_{name.upper()}"
    return click.Option(
        [f"--{name.replace('_', '-')}", *_ALIASES.get(name, ()), name],
        envvar=variable,
        metavar="NAME",
        help=f"{_HELP.get(name, '')}  [default: {default}]",
        hidden=hidden,
        expose_value=False,
        callback=_keep,
        shell_complete=offer,
    )


def installation_options(
    shown: Collection[str] = _FOR_COMMANDS, *, offers: Mapping[str, Offer] = NOTHING
) -> list[click.Parameter]:
    """Return the options, one for each name; the help has those that are `shown`.

    `offers` completes values in a shell, by name.
    """
    return [
        _option(
            each.name,
            str(each.default),
            hidden=each.name not in shown,
            offer=offers.get(each.name),
        )
        for each in fields(Installation)
    ]


def with_installation(*shown: str, offers: Mapping[str, Offer] = NOTHING) -> Callable[[F], F]:
    """Give a command the options; it asks `installation` for what they say."""

    def decorate(function: F) -> F:
        # As `click.option` does for a function that is no command yet.
        known = getattr(function, "__click_params__", [])
        options = installation_options(shown or _FOR_COMMANDS, offers=offers)
        function.__click_params__ = [*known, *reversed(options)]  # type: ignore[attr-defined]
        return function

    return decorate
