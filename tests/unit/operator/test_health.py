"""What the health socket answers of features: a new path is the feature's alone."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import aiohttp
from tests.unit.operator.running_operator import health as ask

from ciliate.cluster.feature import Feature
from ciliate.metrics.family import Family
from ciliate.metrics.server import Metrics
from ciliate.operator.features import FEATURES
from ciliate.operator.health import Health, HealthServer
from ciliate.operator.metrics import operator_families

SAID = "nobody looks at the weather"


class Weather(Feature):
    name = "weather"
    paths: ClassVar[Mapping[str, str]] = {"/weather": SAID}

    def answers(self) -> Mapping[str, Callable[[], object]]:
        return {"/weather": lambda: {"wind": "north"}}

    def families(self) -> Iterable[Family]:
        return (Family("wind_total", "Gusts.", (), [((), 7.0)]),)


@asynccontextmanager
async def serving(path: Path, *features: Feature) -> AsyncIterator[Path]:
    health = Health("me", features=features)
    metrics = Metrics(lambda: operator_families(health), process="test")
    server = HealthServer(health, metrics, path, paths=Weather.paths)
    await server.start()
    try:
        yield path
    finally:
        await server.stop()


async def test_a_feature_of_a_leader_answers_at_its_path(tmp_path: Path) -> None:
    async with serving(tmp_path / "operator.sock", Weather()) as socket:
        assert await ask(socket, "/weather") == (200, {"wind": "north"})


async def test_the_path_of_a_feature_that_does_not_run_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path / "operator.sock") as socket:
        assert await ask(socket, "/weather") == (404, {"state": SAID})


async def test_a_standby_shows_no_feature_in_its_metrics(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "operator.sock", Weather()) as socket,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.get("http://operator/metrics") as response,
    ):
        text = await response.text()

    assert "ciliate_operator_leading 0.0" in text
    assert "wind_total" not in text


def test_no_two_features_share_a_path_or_a_name() -> None:
    paths = [path for feature in FEATURES for path in feature.paths]

    assert len(paths) == len({*paths})
    assert len(FEATURES) == len({feature.name for feature in FEATURES})
