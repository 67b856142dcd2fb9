"""`hubble config`: flags that are meant for every time, kept in a file.

`view` and `get` show what is in force, wherever it comes from; `set` and `reset` change the file.
"""

import os

import click
from click.shell_completion import CompletionItem

from ciliate.cli.hubble import settings
from ciliate.cli.hubble.group import chosen_file
from ciliate.cli.hubble.in_force import in_force, plain, shown
from ciliate.cli.hubble.settings_file import read_settings, write_settings


def offer_keys(
    _context: click.Context, _parameter: click.Parameter, start: str
) -> list[CompletionItem]:
    """Return the keys that begin so."""
    return [
        CompletionItem(key, help=options[0].help)
        for key, options in settings.known().items()
        if key.startswith(start)
    ]


def offer_values(
    context: click.Context, _parameter: click.Parameter, start: str
) -> list[CompletionItem]:
    """Return what a key may be that begins so, as far as that is a list."""
    options = settings.known().get(str(context.params.get("key") or ""), ())
    known = [value for option in options for value in option.offered(context, start)]
    return [CompletionItem(each) for each in dict.fromkeys(known)]


@click.group(
    "config",
    epilog="\b\nExamples:\n  hubble config set port-forward true\n"
    "  hubble config set server tls://relay.example.org:443\n  hubble config view",
)
def command() -> None:
    """Keep flags for every time in a file, and show what is in force.

    A flag wins over its variable (HUBBLE_TLS_SERVER_NAME for --tls-server-name), that over the file,
    and the file over the default. `--config FILE` or HUBBLE_CONFIG names another file.
    """


@command.command("view", epilog="\b\nExamples:\n  hubble config view")
def view() -> None:
    """Show every key with the value in force, and where that comes from."""
    path = chosen_file()
    found = read_settings(path)
    lines = [shown(key, in_force(key, found, os.environ)) for key in settings.known()]
    click.echo("\n".join([f"# {path}{'' if path.exists() else ': not there'}", *lines]))


@command.command(
    "get", epilog="\b\nExamples:\n  hubble config get server\n  hubble config get tls"
)
@click.argument("key", metavar="KEY", shell_complete=offer_keys)
def get(key: str) -> None:
    """Show the value of KEY that is in force."""
    settings.setting(key)
    click.echo(plain(in_force(key, read_settings(chosen_file()), os.environ).value))


@command.command(
    "set",
    epilog="\b\nExamples:\n  hubble config set port-forward true\n"
    "  hubble config set timeout 10s\n"
    "  hubble config set tls-ca-cert-files ca.crt,other-ca.crt",
)
@click.argument("key", metavar="KEY", shell_complete=offer_keys)
@click.argument("value", required=False, shell_complete=offer_values)
def set_(key: str, value: str | None) -> None:
    """Have KEY be VALUE every time; without VALUE as `reset KEY`."""
    path = chosen_file()
    written = None if value is None else settings.as_written(key, value)
    settings.setting(key)
    found = {name: kept for name, kept in read_settings(path).items() if name != key}
    write_settings(path, found if written is None else {**found, key: written})


@command.command(
    "reset", epilog="\b\nExamples:\n  hubble config reset port-forward\n  hubble config reset"
)
@click.argument("key", metavar="[KEY]", required=False, shell_complete=offer_keys)
def reset(key: str | None) -> None:
    """Have the file say nothing of KEY any more, or nothing at all."""
    path = chosen_file()
    if key is None:
        if path.exists():
            write_settings(path, {})
        return
    found = read_settings(path)
    if key not in found:
        settings.setting(key)  # A key that none of our flags has can be taken out where it stands.
        return
    write_settings(path, {name: kept for name, kept in found.items() if name != key})
