"""`flows/server/export/exporters.py`: each flow log is for itself, and lists change while they are written."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.flows.server.flow_clients import VERSION, WatchedStore, until
from tests.unit.flows.server.sample_records import drop, packet

from ciliate.flows.feed import FlowLogs
from ciliate.flows.server.export.exporter import Pace
from ciliate.flows.server.export.exporters import Exporters

QUICK = Pace(held_s=0.001, retry_s=0.001)


@asynccontextmanager
async def exporting(store: WatchedStore, **told: Any) -> AsyncIterator[Exporters]:
    """Write flow logs inside the block; behind it, their last lines are written."""
    exporters = Exporters(store, FlowLogs(**told), version=VERSION, look_s=0.001, pace=QUICK)
    task = asyncio.create_task(exporters.run())
    try:
        yield exporters
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def metrics(exporters: Exporters) -> dict[str, float]:
    """Return the samples by `name{labels}`."""
    return {
        f"{family.name}{{{','.join(labels)}}}": value
        for family in exporters.families()
        for labels, value in family.samples
    }


def applied(exporters: Exporters) -> float:
    return metrics(exporters)["hubble_dynamic_exporter_config_last_applied{}"]


async def given(exporters: Exporters, **flows: int) -> None:
    """Return when each log was given so many flows."""

    def found() -> dict[str, float]:
        return {
            name.partition("{")[2].rpartition("/")[2][:-1].removesuffix(".log"): value
            for name, value in metrics(exporters).items()
            if name.startswith("ciliate_flow_log_flows_total")
        }

    await until(lambda: found() == flows)


def lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def listing(*entries: str) -> str:
    return "flowLogs:\n" + "".join(f"- {{{entry}}}\n" for entry in entries)


async def test_log_of_the_settings_has_what_comes_from_now_on(tmp_path: Path) -> None:
    store = WatchedStore(1023, packet())
    async with exporting(store, path=str(tmp_path / "e.log")) as exporters:
        await until(lambda: store.waiting)
        store.add(packet(), packet())
        await given(exporters, e=2)

    assert lines(tmp_path / "e.log") == 2


async def test_wrong_setting_is_told_and_the_listed_logs_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "list").write_text(listing(f"name: a, filePath: {tmp_path}/a.log"))
    store = WatchedStore()
    told = {"path": str(tmp_path / "e.log"), "allowlist": '{"pod":[]}'}
    async with exporting(store, **told, list_path=str(tmp_path / "list")) as exporters:
        await until(lambda: store.waiting)
        store.add(packet())
        await given(exporters, a=1)

    assert lines(tmp_path / "a.log") == 1
    assert not (tmp_path / "e.log").exists()
    [problem] = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert problem.startswith("no flow log is written: hubble-export-allowlist: ")


async def test_lists_change_and_no_flow_is_missed_or_written_twice(tmp_path: Path) -> None:
    file = tmp_path / "list"
    a, b, c = (f"name: {name}, filePath: {tmp_path}/{name}.log" for name in "abc")
    file.write_text(listing(a, b))
    store = WatchedStore()
    async with exporting(store, list_path=str(file)) as exporters:
        await until(lambda: store.waiting == 2)
        store.add(packet(), drop())
        await given(exporters, a=2, b=2)
        first = applied(exporters)
        file.write_text(listing(f"{a}, includeFilters: [{{verdict: [DROPPED]}}]", c))
        await until(lambda: applied(exporters) > first)
        await until(lambda: store.waiting == 2)
        store.add(packet(), drop())
        await given(exporters, a=3, c=2)
        found = metrics(exporters)

    assert [lines(tmp_path / f"{name}.log") for name in "abc"] == [3, 2, 2]
    changes = "hubble_dynamic_exporter_reconfigurations_total"
    assert [found[f"{changes}{{{op}}}"] for op in ("add", "update", "remove")] == [3, 1, 1]
    assert found["hubble_dynamic_exporter_exporters_total{active}"] == 2
    assert found["hubble_dynamic_exporter_up{a}"] == 1
    assert "hubble_dynamic_exporter_up{b}" not in found


async def test_wrong_list_keeps_what_is_in_force_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "list"
    file.write_text(listing(f"name: a, filePath: {tmp_path}/a.log"))
    store = WatchedStore()
    async with exporting(store, list_path=str(file)) as exporters:
        await until(lambda: store.waiting)
        before = metrics(exporters)["hubble_dynamic_exporter_config_hash{}"]
        file.write_text("flowLogs: {")
        await until(lambda: "is no YAML" in caplog.text)
        file.unlink()
        await until(lambda: "is missing" in caplog.text)
        store.add(packet())
        await given(exporters, a=1)
        assert metrics(exporters)["hubble_dynamic_exporter_config_hash{}"] == before > 0

    assert lines(tmp_path / "a.log") == 1
    assert caplog.text.count("is missing") == 1
    assert f"flow logs: {file} is missing: what was in force stays" in caplog.text


async def test_entry_that_is_wrong_now_is_written_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "list"
    entry = f"name: a, filePath: {tmp_path}/a.log"
    file.write_text(listing(entry))
    store = WatchedStore()
    async with exporting(store, list_path=str(file)) as exporters:
        await until(lambda: store.waiting == 1)
        first = applied(exporters)
        file.write_text(listing(f"{entry}, includeFilter: []", f"name: b, filePath: {tmp_path}/b"))
        await until(lambda: applied(exporters) > first)
        await until(lambda: store.waiting == 2)
        store.add(packet())
        await given(exporters, a=1, b=1)

    assert (lines(tmp_path / "a.log"), lines(tmp_path / "b")) == (1, 1)
    assert "flow logs: flow log 'a': includeFilter: is no field" in caplog.text


async def test_log_whose_end_has_come_is_listed_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(
        listing(f"name: a, filePath: {tmp_path}/a.log, end: 2020-01-01T00:00:00Z")
    )
    store = WatchedStore()
    async with exporting(store, list_path=str(tmp_path / "list")) as exporters:
        await until(lambda: applied(exporters))
        store.add(packet())
        found = metrics(exporters)

    assert found["hubble_dynamic_exporter_exporters_total{inactive}"] == 1
    assert found["hubble_dynamic_exporter_up{a}"] == 0
    assert not (tmp_path / "a.log").exists()


async def test_paths_of_a_list_are_below_the_agents_own_folder(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(listing("name: a, filePath: /var/run/cilium/hubble/a.log"))
    store = WatchedStore()
    told = {"list_path": str(tmp_path / "list"), "run": str(tmp_path / "run")}
    async with exporting(store, **told) as exporters:
        await until(lambda: store.waiting)
        store.add(packet())
        await given(exporters, a=1)

    assert lines(tmp_path / "run" / "hubble" / "a.log") == 1


async def test_file_that_cannot_be_written_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "list").write_text(
        listing(
            f"name: a, filePath: {tmp_path}/folder.log", f"name: b, filePath: {tmp_path}/b.log"
        )
    )
    store = WatchedStore()
    async with exporting(store, list_path=str(tmp_path / "list")) as exporters:
        await until(lambda: store.waiting == 2)
        store.add(packet())
        await given(exporters, folder=1, b=1)
        failures = f"ciliate_flow_log_failures_total{{{tmp_path}/folder.log}}"
        await until(lambda: metrics(exporters)[failures])

    assert lines(tmp_path / "b.log") == 1
