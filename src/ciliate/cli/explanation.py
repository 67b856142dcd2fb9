"""The arguments and the output that `explain masquerade` has on a node and in the cluster."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from ciliate.console.output import render
from ciliate.console.short_names import split_kind
from ciliate.console.table import align

if TYPE_CHECKING:
    from ciliate.masquerade.explain.answer import Explanation, Question

F = TypeVar("F", bound=Callable[..., Any])
Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_DEFAULT_NAMESPACE: Final = "default"

_destination: Final = click.argument("destination", metavar="DESTINATION")
_source_port: Final = click.option(
    "--source-port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Ask about the flow of this port (or echo identifier), which may be known already.",
)


def arguments(completion: Completion) -> Callable[[F], F]:
    """Give a command POD, whose names `completion` offers, DESTINATION and --source-port."""
    pod = click.argument("pod", metavar="POD", shell_complete=completion)
    return lambda function: pod(_destination(_source_port(function)))


def pod_key(text: str) -> tuple[str, str]:
    """Return namespace and name of what was typed: NAMESPACE/NAME, NAME, po/NAME, pod/NAME."""
    namespace, _, name = split_kind(text)[1].rpartition("/")
    return namespace or _DEFAULT_NAMESPACE, name


def question_of(pod: str, destination: str, source_port: int) -> "Question":
    """Return what is asked; the destination is looked at before anybody is.

    Raises:
        DestinationError: It names none.
    """
    from ciliate.masquerade.explain.answer import Question  # noqa: PLC0415 - for who asks.
    from ciliate.masquerade.explain.question import read_target  # noqa: PLC0415

    read_target(destination)
    namespace, name = pod_key(pod)
    return Question(
        namespace=namespace, pod=name, destination=destination, source_port=source_port
    )


def printed(found: "Explanation", output: str | None) -> str:
    """Return the answer as text, or in the form that was asked for."""
    from ciliate.masquerade.explain.answer import (  # noqa: PLC0415 - for who asks.
        explanation_lines,
        rule_verdict_lines,
    )

    if output is not None:
        return render(found, output)
    text = "".join(f"{line}\n" for line in explanation_lines(found))
    if found.rules:
        text += "\n" + align(rule_verdict_lines(found), width_min=5, padding=3)
    return text
