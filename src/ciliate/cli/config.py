"""`ciliate config`, which is `cilium config`: the ConfigMap that every process reads at its start.

`set` knows the keys: a text of the wrong form is refused before it can stop an agent, and a name
that no process reads is refused with the nearest one that is.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.key_list import render_keys, render_markdown
from ciliate.config import keys
from ciliate.console.installation import installation
from ciliate.console.output import echo_list, output_forms, output_option, render
from ciliate.console.setting_names import offer_keys, offer_values
from ciliate.console.table import align
from ciliate.errors import CiliateError, SettingError

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient


class KeyNotSetError(CiliateError):
    """The ConfigMap does not have the key."""

    def __init__(self, name: str) -> None:
        self.name = name
        known = keys.KEYS.get(name)
        near = keys.nearest(name)
        if known is not None and known.default is not None:
            hint = f"its default is in force: {known.default!r}"
        elif known is None and near:
            hint = f"did you mean {near}?"
        else:
            hint = "`ciliate config view` shows the keys that are set"
        super().__init__(f"{name} is not set in {installation().config_map}: {hint}")


@click.group("config")
def command() -> None:
    """Show and change the settings of the cluster (the ConfigMap, usually cilium-config)."""


def render_settings(settings: Mapping[str, str]) -> str:
    """Return every key, sorted, with its value behind blanks."""
    lines = [f"{name}\t{value}" for name, value in sorted(settings.items())]
    return align(lines, width_min=0, padding=4)


@command.command("view")
@kubeconfig_option
@output_forms("name")
def view(output: str | None, kubeconfig: str) -> None:
    """Show all keys that are set."""
    settings = _read(kubeconfig)
    if output is not None:
        click.echo(
            render(dict(sorted(settings.items())), output, names=sorted(settings)), nl=False
        )
    else:
        echo_list(render_settings(settings), count=len(settings), what="keys")


@command.command("get")
@click.argument("name", metavar="KEY", shell_complete=offer_keys)
@kubeconfig_option
@output_option
def get(name: str, output: str | None, kubeconfig: str) -> None:
    """Show the value of KEY."""
    settings = _read(kubeconfig)
    if name not in settings:
        raise KeyNotSetError(name)
    if output is not None:
        click.echo(render({name: settings[name]}, output), nl=False)
    else:
        click.echo(settings[name])


@command.command("set")
@click.argument("name", metavar="KEY", shell_complete=offer_keys)
@click.argument("value", shell_complete=offer_values)
@click.option(
    "-r/ ", "--restart/--no-restart", default=True, show_default=True, help="Restart who reads it."
)
@click.option("--force", is_flag=True, help="Set a key or value that we do not know.")
@kubeconfig_option
def set_(name: str, value: str, kubeconfig: str, *, restart: bool, force: bool) -> None:
    """Set KEY to VALUE and restart agents or operator: who reads it, at the next start."""
    _check(name, value, force=force)
    change(cluster_client(kubeconfig), {name: value}, restart=restart, force=force)


@command.command("delete")
@click.argument("name", metavar="KEY", shell_complete=offer_keys)
@click.option("--restart/--no-restart", default=True, show_default=True)
@click.option("--force", is_flag=True, help="Also when agents would not start without it.")
@kubeconfig_option
def delete(name: str, kubeconfig: str, *, restart: bool, force: bool) -> None:
    """Remove KEY, so that its default is in force, and restart agents or operator."""
    change(cluster_client(kubeconfig), {name: None}, restart=restart, force=force)


@command.command("keys")
@click.option("-a", "--all", "show_all", is_flag=True, help="Also keys that are known only.")
@click.option("--markdown", is_flag=True, help="As docs/CONFIGURATION.md.")
@output_forms("name")
def list_keys(output: str | None, *, show_all: bool, markdown: bool) -> None:
    """List the keys that may be set, with kind, default and meaning."""
    listed = [key for key in keys.KEYS.values() if key.supported or show_all]
    if markdown:
        click.echo(render_markdown(), nl=False)
    elif output is not None:
        click.echo(render(listed, output, names=(key.name for key in listed)), nl=False)
    else:
        click.echo(render_keys(listed), nl=False)


def _check(name: str, value: str, *, force: bool) -> None:
    """Refuse what cannot work; say so when it works but has no effect."""
    try:
        keys.check(name, value)
    except SettingError as error:
        if not force:
            raise
        click.echo(f"Warning: {error}", err=True)
    for warning in keys.review({name: value}).warnings() if name in keys.KEYS else ():
        click.echo(f"Warning: {warning}", err=True)


def _read(kubeconfig: str) -> Mapping[str, str]:
    from ciliate.cli.config_map import read  # noqa: PLC0415 - the API client: 100 ms.

    return run(read(cluster_client(kubeconfig)))


def change(
    client: "ApiClient",
    changes: Mapping[str, str | None],
    *,
    restart: bool = True,
    force: bool = False,
) -> None:
    """Set keys (None removes one), and say who has read them, or still has to. Closes the client.

    Raises:
        CiliateError: As `config_map.write` says.
    """
    from ciliate.cli.config_map import write  # noqa: PLC0415 - the API client: 100 ms.
    from ciliate.cli.process_agents import restart_by_hand  # noqa: PLC0415 - as above.

    done = run(write(client, changes, restart=restart, force=force))
    # Cilium's words; only now, since agents may refuse it.
    config_map = installation().config_map
    for name, value in changes.items():
        if value is None:
            click.echo(f"✨ Removing {name} from ConfigMap {config_map}...")
        else:
            click.echo(f"✨ Patching ConfigMap {config_map} with {name}={value}...")
    for effect in done.effects:
        click.echo(f"Note: {effect}", err=True)
    if done.pods:
        click.echo("♻️  Restarted Cilium pods")
    if done.operators:
        click.echo("♻️  Restarted Cilium operator")
    if done.without_pod:
        click.echo(f"Not restarted: {restart_by_hand(done.without_pod)}.", err=True)
    scopes = keys.readers(changes) or (keys.Scope.AGENT,)
    counts = {
        keys.Scope.AGENT: done.pods or len(done.without_pod),
        keys.Scope.OPERATOR: done.operators,
    }
    if missing := [scope.value for scope in scopes if not counts[scope]]:
        words = "has been found to restart" if restart else "has read it yet: restart it"
        click.echo(f"Note: no {' and no '.join(missing)} {words}", err=True)
