"""The text of `ciliate status`: Cilium's picture, its table, and what is wrong at the end. Pure.

Colours are always in the text; click strips them where standard output is no terminal.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import click

from ciliate.cli.cluster_status import ClusterStatus, components
from ciliate.config.installation import Installation
from ciliate.console.table import align

#: The picture's rows: pieces of one colour each. The first row has no component beside it.
_PICTURE: Final = (
    (("    ", ""), ("/¯¯\\", "yellow")),
    ((" /¯¯", "cyan"), ("\\__/", "yellow"), ("¯¯\\", "green")),
    ((" \\__", "cyan"), ("/¯¯\\", "red"), ("__/", "green")),
    ((" /¯¯", "green"), ("\\__/", "red"), ("¯¯\\", "magenta")),
    ((" \\__", "green"), ("/¯¯\\", "blue"), ("__/", "magenta")),
    (("    ", ""), ("\\__/", "blue")),
)
_PICTURE_WIDTH: Final = 15
_TITLE_WIDTH: Final = 20


def render_cluster(status: ClusterStatus, names: Installation | None = None) -> str:
    """Return the whole text, coloured; `names` are those that the status was concluded with."""
    table = align(_table_lines(status), width_min=0, padding=4)
    text = "\n".join(_picture_lines(status, names or Installation())) + "\n\n" + table
    problems = list(_problem_lines(status))
    return text + align(problems, width_min=0, padding=4) if problems else text


def _picture_lines(status: ClusterStatus, names: Installation) -> Iterator[str]:
    titled = [component for component in components(names) if component.title]
    for place, pieces in enumerate(_PICTURE):
        drawn = "".join(click.style(text, fg=colour or None) for text, colour in pieces)
        if place == 0:
            yield drawn
            continue
        component = titled[place - 1]
        gap = " " * (_PICTURE_WIDTH - sum(len(text) for text, _ in pieces))
        title = f"{component.title}:".ljust(_TITLE_WIDTH)
        yield f"{drawn}{gap}{title}{_summary(status, component.name)}"


def _summary(status: ClusterStatus, name: str) -> str:
    """Return "OK", "disabled", or how many errors and warnings a component has."""
    found = status.findings.get(name)
    if found is None:
        if name not in status.pod_state:
            return click.style("disabled", fg="cyan")
        return click.style("OK", fg="green")
    counts = (("errors", "red", found.errors), ("warnings", "yellow", found.warnings))
    return ", ".join(
        click.style(f"{sum(map(len, objects.values()))} {word}", fg=colour)
        for word, colour, objects in counts
        if objects
    )


def _table_lines(status: ClusterStatus) -> Iterator[str]:
    for name, state in status.pod_state.items():
        yield (
            f"{state.type}\t{name}\tDesired: {state.desired}, "
            f"Ready: {state.ready}/{state.desired}, "
            f"Available: {state.available}/{state.desired}"
        )
    for place, (name, phases) in enumerate(sorted(status.phase_count.items())):
        text = ", ".join(f"{phase}: {count}" for phase, count in sorted(phases.items()))
        yield f"{'' if place else 'Containers:'}\t{name}\t{text}"
    pods = status.pods_count
    yield f"Cluster Pods:\t{pods.by_cilium}/{pods.all} managed by Cilium"
    if status.chart_version:
        yield f"Helm chart version:\t{status.chart_version}"
    title = "Image versions"
    for name, images in sorted(status.image_count.items()):
        for image, count in sorted(images.items()):
            yield f"{title}\t{name}\t{image}: {count}"
            title = ""


def _problem_lines(status: ClusterStatus) -> Iterator[str]:
    for title, attribute in (("Errors:", "errors"), ("Warnings:", "warnings")):
        shown = title
        for component, found in status.findings.items():
            objects: Mapping[str, list[str]] = getattr(found, attribute)
            for name, texts in sorted(objects.items()):
                for text in texts:
                    yield f"{shown}\t{component}\t{name}\t{text}"
                    shown = ""
