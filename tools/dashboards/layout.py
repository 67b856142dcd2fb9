"""A dashboard: sections of panels on Grafana's grid, and the choice of nodes above them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tools.dashboards.panel import DATASOURCE, Kind, Panel

#: The form of the JSON: Grafana from 10.4 on writes this one, and reads it as long as it is.
_SCHEMA_VERSION: Final = 39

#: The grid is 24 wide; width and height of a panel by its kind.
_GRID: Final = 24
_SIZES: Final = {Kind.LINES: (8, 8), Kind.NUMBER: (6, 4)}


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; the series of metric `nodes_of` say which nodes there are to choose from."""

    uid: str
    title: str
    description: str
    nodes_of: str
    sections: tuple[Section, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as Grafana imports it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["ciliate"],
            "schemaVersion": _SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-15m", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [_datasource(), self._nodes()]},
            "annotations": {"list": []},
            "panels": list(self._panels()),
        }

    def _nodes(self) -> dict[str, Any]:
        return {
            "name": "node",
            "label": "Node",
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": f"label_values({self.nodes_of}, node)", "refId": "nodes"},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        number, y = 1, 0
        for section in self.sections:
            yield _heading(section.title, number=number, y=y)
            number, y, x, height = number + 1, y + 1, 0, 0
            for panel in section.panels:
                width, tall = _SIZES[panel.kind]
                if x + width > _GRID:
                    x, y, height = 0, y + height, 0
                place = {"x": x, "y": y, "w": width, "h": tall}
                yield panel.as_json(number=number, place=place)
                number, x, height = number + 1, x + width, max(height, tall)
            y += height


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }


def _heading(title: str, *, number: int, y: int) -> dict[str, Any]:
    place = {"x": 0, "y": y, "w": _GRID, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }
