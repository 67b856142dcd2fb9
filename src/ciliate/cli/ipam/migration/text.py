"""A migration's plan as text. Pure."""

from collections.abc import Iterator

import click

from ciliate.cli.ipam.migration.model import KeyChange, MigrationPlan, NodeStep
from ciliate.config.installation import Installation

#: Pods that are named; of more, only the number is.
_PODS_MAX = 5


def render_plan(plan: MigrationPlan, names: Installation | None = None) -> str:
    """Return the steps in their order, and the problems."""
    nodes = f", {_counted(len(plan.steps), 'node')}" if plan.steps else ""
    lines = [f"{plan.source} -> {plan.target}{nodes}", ""]
    names = names or Installation()
    lines += [f"1. {names.config_map}", *(f"     {_key(change)}" for change in plan.keys)]
    if not plan.keys:
        lines.append("     nothing changes")
    if plan.steps:
        lines.append(f"2. {names.operator_deployment_name} restarts")
    for number, step in enumerate(plan.steps, 3):
        lines += [f"{number}. {step.node}", *(f"     {line}" for line in _node(step))]
    if plan.problems:
        lines.append("")
    for problem in plan.problems:
        colour, word = ("red", "Problem") if problem.fatal else ("yellow", "Note")
        lines.append(click.style(f"{word}: {problem}", fg=colour))
    return "\n".join([*lines, ""])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _key(change: KeyChange) -> str:
    if change.after is None:
        return f"{change.key}: removed (was: {change.before})"
    was = change.before if change.before is not None else "-"
    return f"{change.key}: {change.after} (was: {was})"


def _node(step: NodeStep) -> Iterator[str]:
    yield "its agent restarts"
    if step.empties:
        yield f"CiliumNode: podCIDRs {' '.join(step.empties)} given up"
    yield f"CIDRs: {' '.join(step.before) or 'none'} -> {step.after}"
    if not step.keeps:
        return
    pods = list(step.keeps)
    named = ", ".join(pods[:_PODS_MAX])
    more = f" and {len(pods) - _PODS_MAX} more" if len(pods) > _PODS_MAX else ""
    keep = "pod keeps its addresses" if len(pods) == 1 else "pods keep their addresses"
    yield f"{len(pods)} {keep}: {named}{more}"
    if step.drains:
        yield f"drains until they are gone: {' '.join(step.drains)}"
