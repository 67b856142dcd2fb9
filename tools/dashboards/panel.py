"""A panel: a title, a unit, queries for Prometheus with the names of their lines. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

#: Chosen in the dashboard: which Prometheus is asked.
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

#: Restricts a query to the nodes that are chosen.
NODE: Final = 'node=~"$node"'


class Kind(Enum):
    """How a panel shows numbers."""

    LINES = "timeseries"
    NUMBER = "stat"


@dataclass(frozen=True, slots=True)
class Query:
    """A question for Prometheus, and what its lines are called."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; `unit` is one of Grafana's (`short`, `bytes`, `s`, `ops`, `percent`, `percentunit`)."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    description: str = ""
    kind: Kind = Kind.LINES
    stacked: bool = False
    #: From this value on a number is red.
    alarm: float | None = None

    def as_json(self, *, number: int, place: dict[str, int]) -> dict[str, Any]:
        """Return it as Grafana reads it, at a place of the grid."""
        instant = self.kind is Kind.NUMBER
        return {
            "id": number,
            "type": self.kind.value,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": place,
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": DATASOURCE,
                    "editorMode": "code",
                    "expr": query.expression,
                    "legendFormat": query.legend,
                    "instant": instant,
                    "range": not instant,
                }
                for index, query in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
        }

    def _defaults(self) -> dict[str, Any]:
        if self.kind is Kind.NUMBER:
            steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
            if self.alarm is not None:
                steps.append({"color": "red", "value": self.alarm})
            thresholds = {"mode": "absolute", "steps": steps}
            return {"unit": self.unit, "thresholds": thresholds}
        drawing = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if self.stacked else 5,
            "showPoints": "auto",
            "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
        }
        return {"unit": self.unit, "min": 0, "custom": drawing}

    def _options(self) -> dict[str, Any]:
        if self.kind is Kind.NUMBER:
            last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"colorMode": "value", "graphMode": "none", "reduceOptions": last}
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


def lines(
    title: str,
    *queries: tuple[str, str],
    unit: str = "short",
    about: str = "",
    stacked: bool = False,
) -> Panel:
    """Return a panel of lines; each query is an expression and the name of its lines."""
    return Panel(
        title, tuple(Query(*each) for each in queries), unit, about, Kind.LINES, stacked=stacked
    )


def number(
    title: str,
    expression: str,
    *,
    unit: str = "short",
    about: str = "",
    alarm: float | None = None,
) -> Panel:
    """Return a panel of one number."""
    return Panel(title, (Query(expression, ""),), unit, about, Kind.NUMBER, alarm=alarm)


def series(metric: str, *matchers: str) -> str:
    """Return the series of a metric on the nodes that are chosen."""
    return f"{metric}{{{','.join((*matchers, NODE))}}}"


def rate(metric: str, *matchers: str) -> str:
    """Return how fast a counter grows, per second, on the nodes that are chosen."""
    return f"rate({series(metric, *matchers)}[$__rate_interval])"


def part(metric: str, whole: str) -> str:
    """Return what a metric is of another one with the same labels."""
    return f"{series(metric)} / {series(whole)}"


def quantile(share: float, histogram: str) -> str:
    """Return the value that this share of what a histogram has seen of late does not exceed."""
    return f"histogram_quantile({share}, sum by (le) ({rate(f'{histogram}_bucket')}))"


def process_panels(prefix: str) -> tuple[Panel, ...]:
    """Return what a process takes of its machine."""
    return (
        lines(
            "Processor",
            (rate(f"{prefix}_process_cpu_seconds_total"), "{{node}}"),
            unit="percentunit",
        ),
        lines(
            "Memory", (series(f"{prefix}_process_resident_memory_bytes"), "{{node}}"), unit="bytes"
        ),
        lines(
            "Open descriptors",
            (part(f"{prefix}_process_open_fds", f"{prefix}_process_max_fds"), "{{node}}"),
            unit="percentunit",
            about="Of those that the process may have.",
        ),
    )
