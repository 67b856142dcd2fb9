"""What a shell offers where a setting is named or valued: keys, Helm values, and what they take."""

import click
from click.shell_completion import CompletionItem


def offer_keys(
    _context: click.Context, _parameter: click.Parameter, start: str
) -> list[CompletionItem]:
    """Return the keys of the ConfigMap that begin so, those that we act on first."""
    from ciliate.config.keys import KEYS  # noqa: PLC0415 - for the shell alone, as below.

    found = [key for key in KEYS.values() if key.name.startswith(start)]
    found.sort(key=lambda key: not key.supported)
    return [CompletionItem(key.name, help=key.meaning) for key in found]


def offer_values(
    context: click.Context, _parameter: click.Parameter, start: str
) -> list[CompletionItem]:
    """Return what the command's argument `name`, a key, may be set to, as far as that is a list."""
    found = _values(str(context.params.get("name") or ""))
    return [CompletionItem(value) for value in found if value.startswith(start)]


def offer_settings(
    _context: click.Context, _parameter: click.Parameter, start: str
) -> list[CompletionItem]:
    """Return `NAME=` for every Helm value and key, and behind "=" the values."""
    from ciliate.config.helm import helm_names  # noqa: PLC0415
    from ciliate.config.keys import KEYS  # noqa: PLC0415

    name, equals, value = start.partition("=")
    if equals:
        found = _values(helm_names().get(name, name))
        return [CompletionItem(f"{name}={each}") for each in found if each.startswith(value)]
    names = sorted({*helm_names(), *KEYS})
    return [CompletionItem(f"{each}=") for each in names if each.startswith(name)]


def _values(name: str) -> tuple[str, ...]:
    from ciliate.config.key import Kind  # noqa: PLC0415
    from ciliate.config.keys import KEYS  # noqa: PLC0415

    key = KEYS.get(name)
    if key is None:
        return ()
    if key.kind is Kind.BOOL:
        return ("true", "false")
    return key.choices or ((key.default,) if key.default else ())
