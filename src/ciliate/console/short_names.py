"""`po/NAME`, `no/NAME`, `deploy/NAME`: objects as users of kubectl name them.

Where a command takes a pod or a node, it takes these too, by every name that kubectl has for the kind
("deployment.apps/web" as well).
"""

from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ciliate.console.installation import Offer

#: A kind's usual short name -> what else kubectl calls it.
_NAMES: Final = {
    "po": ("pod", "pods"),
    "no": ("node", "nodes"),
    "deploy": ("deployment", "deployments"),
    "ds": ("daemonset", "daemonsets"),
    "sts": ("statefulset", "statefulsets"),
    "rs": ("replicaset", "replicasets"),
}

_KINDS: Final = {word: kind for kind, more in _NAMES.items() for word in (kind, *more)}


def split_kind(text: str) -> tuple[str, str]:
    """Return the kind's short name and the object's; without a kind the first is empty."""
    word, slash, name = text.partition("/")
    kind = _KINDS.get(word.partition(".")[0].lower(), "") if slash else ""
    return (kind, name) if kind else ("", text)


def bare_name(text: str, kind: str) -> str:
    """Return `text` without the name of that kind before it."""
    found, name = split_kind(text)
    return name if found == kind else text


class NodeName(click.ParamType[str]):
    """The name of a node, of which `no/NAME` leaves the bare one; a shell is offered nodes."""

    name = "node"

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def convert(self, value: Any, param: object, ctx: object) -> str:
        """Return the bare name."""
        del param, ctx
        return bare_name(str(value), "no")

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return what is offered, with the kind before it where it was typed."""
        bare = bare_name(incomplete, "no")
        before = incomplete.removesuffix(bare)
        return [CompletionItem(f"{before}{item.value}") for item in self._offer(ctx, param, bare)]
