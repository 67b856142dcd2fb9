"""Which installation a command speaks of: flags that every command of a cluster has.

`--namespace`, `--k8s-namespace` and CILIUM_K8S_NAMESPACE are one thing; each further name has a flag
and a variable of the form CILIUM_CONFIG_MAP. They may stand before the subcommand or behind it.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from ciliate.config.installation import Installation, parse_selector

F = TypeVar("F", bound=Callable[..., Any])

_ENVIRONMENT: Final = ParameterSource.ENVIRONMENT

_KEY: Final = "ciliate.installation"
_HELP: Final = {"namespace": "The namespace of agents, operator and their settings."}


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


def _declarations(name: str) -> tuple[str, ...]:
    flag = f"--{name.replace('_', '-')}"
    return ("-n", flag, "--k8s-namespace", name) if name == "namespace" else (flag, name)


def _option(name: str, default: str) -> click.Option:
    # Shown is the one that many need; docs/CILIUM.md lists all.
    variable = "CILIUM_K8S_NAMESPACE" if name == "namespace" else f"CILIUM_{name.upper()}"
    return click.Option(
        _declarations(name),
        envvar=variable,
        metavar="NAME",
        help=f"{_HELP.get(name, '')}  [default: {default}]",
        hidden=name not in _HELP,
        expose_value=False,
        callback=_keep,
    )


def installation_options() -> list[click.Parameter]:
    """Return the options, one for each name."""
    return [_option(each.name, str(each.default)) for each in fields(Installation)]


def with_installation(function: F) -> F:
    """Give a command the options; it asks `installation` for what they say."""
    # As `click.option` does for a function that is no command yet.
    known = getattr(function, "__click_params__", [])
    function.__click_params__ = [*known, *reversed(installation_options())]  # type: ignore[attr-defined]
    return function
