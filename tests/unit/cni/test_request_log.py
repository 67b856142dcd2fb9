"""`cni-log-file`: what a line says, how much is kept, and that no request fails by it."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ciliate.cni import request_log
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.frame import Frame
from ciliate.cni.request_log import RequestLog, describe
from ciliate.cni.result import render_error
from ciliate.cni.version import NEWEST_VERSION

FRAME = Frame(
    {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "3f2a",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web;K8S_POD_NAMESPACE=default",
    },
    b"{}",
)
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FAILURE = render_error(
    CniError(CniCode.TRY_AGAIN_LATER, "no address is free", "delete a pod"), NEWEST_VERSION
)


def line(frame: Frame = FRAME, *, exit_code: int = 0, answer: bytes = b"") -> str:
    return describe(frame, at=AT, duration_s=0.00142, exit_code=exit_code, answer=answer)


def write(log: RequestLog) -> None:
    log.write(FRAME, duration_s=0.001, exit_code=0, answer=b"")


def test_line_of_a_request_names_verb_attachment_pod_and_duration() -> None:
    assert line() == (
        "time=2026-01-02T03:04:05.678Z verb=ADD container=3f2a ifname=eth0 pod=default/web"
        " duration=1.4ms"
    )


def test_line_of_a_failure_names_code_and_error() -> None:
    assert line(exit_code=1, answer=FAILURE).endswith(
        'duration=1.4ms code=11 error="no address is free: delete a pod"'
    )


def test_line_is_one_line_whatever_a_runtime_sends() -> None:
    octets = b"ev\xffil\ntime=1 \x1b[2J".decode(errors="surrogateescape")
    said = line(Frame({"CNI_COMMAND": octets, "CNI_CONTAINERID": "x" * 100_000}, b""))

    assert said.isascii()
    assert said.isprintable()
    assert json.loads(said.split(" verb=")[1].split(" container=")[0]) == octets
    assert len(said) < 1024


def test_file_and_its_predecessors_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "FILE_BYTES_MAX", 1000)
    log = RequestLog(tmp_path / "run" / "cni.log")

    for _ in range(100):
        write(log)
    log.close()

    files = sorted((tmp_path / "run").iterdir())
    assert [each.name for each in files] == ["cni.log", "cni.log.1", "cni.log.2", "cni.log.3"]
    assert all(each.stat().st_size <= 1000 for each in files)
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in files)


def test_no_path_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    write(RequestLog(None))

    assert not list(tmp_path.iterdir())


def test_full_disk_is_told_once_and_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    log = RequestLog(Path("/dev/full"))

    for _ in range(3):
        write(log)

    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("kind", ["fifo", "folder", "file above"])
def test_path_that_is_no_file_is_told_and_nothing_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    path = tmp_path / "log"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("")
        path /= "below"

    write(RequestLog(path))

    assert "requests go unlogged" in caplog.text


def test_log_that_can_be_written_again_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    path.mkdir()
    log = RequestLog(path)
    write(log)
    path.rmdir()

    write(log)
    log.close()

    assert len(path.read_text().splitlines()) == 1
    assert len(caplog.records) == 1
