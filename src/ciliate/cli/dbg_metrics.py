"""`ciliate dbg metrics`, which is `cilium-dbg metrics`: what the agent measures, now."""

import re
from collections.abc import Iterable

import click

from ciliate.api.agent import MetricSample
from ciliate.console.output import echo_list, output_forms, render
from ciliate.console.table import align
from ciliate.errors import CiliateError


class PatternError(CiliateError):
    """`-p` is no regular expression."""

    def __init__(self, *, pattern: str, problem: str) -> None:
        self.pattern = pattern
        super().__init__(
            f"--match-pattern: {pattern!r} is no regular expression: {problem}: write such as"
            " '^cilium_ipam'"
        )


@click.group("metrics")
def command() -> None:
    """Metrics of the agent."""


@command.command("list")
@click.option(
    "-p", "--match-pattern", "pattern", metavar="PATTERN", default="", help="Only these names."
)
@output_forms("name")
def metrics_list(pattern: str, output: str | None) -> None:
    """List every metric with its labels and value."""
    matching = _compiled(pattern)
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    samples = AgentClient.from_environment().get("metrics", list[MetricSample])
    found = [each for each in samples if matching.search(each.name)]
    if output is not None:
        names = dict.fromkeys(each.name for each in found)
        click.echo(render(found, output, names=names), nl=False)
    else:
        echo_list(render_samples(found), count=len(found), what="metrics")


def render_samples(samples: Iterable[MetricSample]) -> str:
    """Return the table: name, labels as Prometheus writes them, value."""
    lines = ["Metric\tLabels\tValue"]
    for each in samples:
        labels = " ".join(f'{name}="{value}"' for name, value in sorted(each.labels.items()))
        lines.append(f"{each.name}\t{labels}\t{each.value:f}")
    return align(lines, width_min=0, padding=3)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise PatternError(pattern=pattern, problem=str(error)) from error
