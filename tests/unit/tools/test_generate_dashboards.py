"""The dashboards of install/dashboards: current, and what Grafana takes."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tools.generate_dashboards import rendered, stale

Dashboard = dict[str, Any]


@pytest.fixture(params=sorted(rendered()), ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    path: Path = request.param
    found: Dashboard = json.loads(rendered()[path])
    return found


def test_files_are_what_the_tables_say() -> None:
    assert stale() == [], "run `make generate`"


def test_dashboards_have_names_of_their_own() -> None:
    parsed = [json.loads(text) for text in rendered().values()]

    assert len({each["uid"] for each in parsed}) == len(parsed)
    assert len({each["title"] for each in parsed}) == len(parsed)


def test_panels_have_numbers_and_titles_of_their_own(dashboard: Dashboard) -> None:
    panels = dashboard["panels"]

    assert max(Counter(each["id"] for each in panels).values()) == 1
    assert max(Counter(each["title"] for each in panels).values()) == 1


def test_panels_lie_on_the_grid_and_not_on_each_other(dashboard: Dashboard) -> None:
    places = [each["gridPos"] for each in dashboard["panels"]]

    def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
        return all(
            one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
            for at, size in (("x", "w"), ("y", "h"))
        )

    assert all(each["x"] >= 0 and each["x"] + each["w"] <= 24 for each in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def test_every_query_goes_to_the_chosen_prometheus_for_the_chosen_nodes(
    dashboard: Dashboard,
) -> None:
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    assert variables == {"datasource", "node"}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            series = target["expr"].count("{")
            assert series == target["expr"].count('node=~"$node"') > 0
