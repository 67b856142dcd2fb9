"""The files of targets: written when they change, and what is wrong is told once."""

import json
import logging
from pathlib import Path

import pytest
from tests.unit.lab.monitoring.samples import endpoint_slice, pod, service

from ciliate.lab.monitoring.discovery import TargetFiles, run

PORT = "prometheus.io/port"


def addresses(folder: Path, name: str) -> list[str]:
    return [each["targets"][0] for each in json.loads((folder / name).read_text())]


def test_each_kind_has_its_file(tmp_path: Path) -> None:
    slices = [endpoint_slice("10.0.0.8")]

    TargetFiles(tmp_path).write([pod(annotations={PORT: "99"})], [service()], slices)

    assert addresses(tmp_path, "pods.json") == ["10.0.0.7:99"]
    assert addresses(tmp_path, "services.json") == ["10.0.0.8:80"]


def test_service_has_its_own_slices_alone(tmp_path: Path) -> None:
    other = endpoint_slice("10.0.0.8")
    other.metadata.labels["kubernetes.io/service-name"] = "other"

    TargetFiles(tmp_path).write([], [service()], [other])

    assert addresses(tmp_path, "services.json") == []


def test_file_is_written_when_it_would_be_another(tmp_path: Path) -> None:
    files = TargetFiles(tmp_path)
    scraped = pod(annotations={PORT: "99"})
    files.write([scraped], [], [])
    before = (tmp_path / "pods.json").stat().st_ino

    files.write([scraped], [], [])
    same = (tmp_path / "pods.json").stat().st_ino
    files.write([], [], [])

    assert same == before
    assert addresses(tmp_path, "pods.json") == []


def test_wrong_annotation_leaves_out_its_pod_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = TargetFiles(tmp_path)
    pods = [pod("wrong", annotations={PORT: "x"}), pod("right", annotations={PORT: "99"})]

    with caplog.at_level(logging.WARNING):
        files.write(pods, [], [])
        files.write(pods, [], [])

    assert addresses(tmp_path, "pods.json") == ["10.0.0.7:99"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("not scraped: default/wrong: prometheus.io/port is 'x': write a port")


def test_many_wrong_annotations_do_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pods = [pod(f"wrong-{number}", annotations={PORT: "x"}) for number in range(300)]

    with caplog.at_level(logging.WARNING):
        TargetFiles(tmp_path).write(pods, [], [])

    assert len(caplog.records) == 100


def test_outside_of_a_cluster_it_ends_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    assert run([str(tmp_path)]) == 1
    assert "scrape-targets: " in caplog.text
