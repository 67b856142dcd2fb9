"""What a shell offers where a lab, a machine, a pod or a node of one is named.

Asks the lab's files alone. A shell that completes a word shows no error: then nothing is offered.
"""

from collections.abc import Callable, Iterable
from typing import Final

import click
from click.shell_completion import CompletionItem

from ciliate.console.short_names import NodeName, split_kind
from ciliate.errors import CiliateError
from ciliate.lab.choice import own_lab
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, lab_names, read_state


def complete_nodes(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the lab's nodes."""
    return _offer(context, incomplete, _nodes)


NODE: Final = NodeName(complete_nodes)


def complete_labs(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the labs of this machine."""
    return [CompletionItem(name) for name in lab_names() if name.startswith(incomplete)]


def complete_place(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return machines and pods; behind a place stands a command, which is not ours."""
    from ciliate.lab.entering import split_words  # noqa: PLC0415 - for the shell alone, as below.

    place, _ = split_words(context.params.get("words") or ())
    return [] if place else _offer(context, incomplete, _places)


def _offer(
    context: click.Context,
    incomplete: str,
    names: Callable[[LabPaths, LabState, str], Iterable[str]],
) -> list[CompletionItem]:
    """Return names that begin so; those of a kind, `po/NAME`, where its name was typed first."""
    kind, bare = split_kind(incomplete)
    before = incomplete.removesuffix(bare) if kind else ""
    try:
        paths = own_lab(context.params.get("name"))
        found = [f"{before}{name}" for name in names(paths, read_state(paths), kind)]
    except CiliateError:
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _nodes(_paths: LabPaths, state: LabState, _kind: str) -> list[str]:
    return [machine.name for machine in state.nodes]


def _places(paths: LabPaths, state: LabState, kind: str) -> list[str]:
    from ciliate.lab.entering import place_names  # noqa: PLC0415

    return place_names(paths, state, kind)
