"""Deletions queued while the agent was away."""

import asyncio
import fcntl
import json
import os
from pathlib import Path

import pytest
from tests.unit.cni.plugin_frame import render_frame

from ciliate.cni import queue as queue_module
from ciliate.cni.frame import Frame
from ciliate.cni.queue import DrainReport, drain_delete_queue
from ciliate.cni.request import Del
from ciliate.cni.request_log import RequestLog
from ciliate.errors import CiliateError

_STDIN = json.dumps({"cniVersion": "0.3.1", "name": "cilium"}).encode()


def _entry(directory: Path, container_id: str, *, command: str = "DEL") -> Path:
    environment = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container_id,
        "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/run/netns/pod",
        "CNI_ARGS": "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
    }
    path = directory / f"{container_id}-eth0.delete"
    path.write_bytes(render_frame(Frame(environment, _STDIN)))
    return path


def _entries(directory: Path) -> list[str]:
    return [name for name in os.listdir(directory) if name.endswith(".delete")]


class Agent:
    """Deletes, starts, and remembers in which order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failing: set[str] = set()

    async def delete(self, request: Del) -> None:
        if request.attachment.container_id in self.failing:
            raise CiliateError("the interface is busy")
        self.done.append(request.attachment.container_id)

    async def start(self) -> None:
        self.done.append("started")


async def test_queue_is_empty_before_the_socket_listens(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _entry(tmp_path, name)
    agent = Agent()

    report = await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)

    assert agent.done == ["a", "b", "started"]
    assert report == DrainReport(deleted=2, kept=0, unreadable=0)
    assert _entries(tmp_path) == []


async def test_first_start_makes_the_directory_for_root_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deleteQueue"
    agent = Agent()

    await drain_delete_queue(str(directory), agent.delete, start=agent.start)

    assert directory.stat().st_mode & 0o777 == 0o700
    assert agent.done == ["started"]


async def test_failed_deletion_stays_for_the_next_start(tmp_path: Path) -> None:
    stays = _entry(tmp_path, "a")
    _entry(tmp_path, "b")
    agent = Agent()
    agent.failing.add("a")

    report = await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)

    assert agent.done == ["b", "started"]
    assert (report.deleted, report.kept) == (1, 1)
    assert stays.exists()


async def test_queued_deletions_are_in_the_log_of_requests(tmp_path: Path) -> None:
    path = _entry(tmp_path, "a")
    os.utime(path, (1767323045, 1767323045))
    _entry(tmp_path, "b")
    agent = Agent()
    agent.failing.add("b")
    requests = RequestLog(tmp_path / "cni.log")

    await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start, requests=requests)

    requests.close()
    done, failed = (tmp_path / "cni.log").read_text().splitlines()
    assert " verb=DEL container=a ifname=eth0 pod=default/web" in done
    assert " queued=2026-01-02T03:04:05.000Z duration=" in done
    assert "code=" not in done
    assert " container=b " in failed
    assert failed.endswith(' code=11 error="the interface is busy"')


async def test_deletion_that_does_not_end_keeps_the_agent_down_no_longer_than_the_drain_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "DRAIN_WAIT_S", 0.05)
    stays = _entry(tmp_path, "a")
    agent = Agent()
    requests = RequestLog(tmp_path / "cni.log")

    async def never(_: Del) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        report = await drain_delete_queue(
            str(tmp_path), never, start=agent.start, requests=requests
        )

    requests.close()
    assert (report.kept, agent.done, stays.exists()) == (1, ["started"], True)
    assert " code=11 error=" in (tmp_path / "cni.log").read_text()


async def test_what_is_no_deletion_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "noise.delete").write_bytes(b"\0" * 40)
    (tmp_path / "link.delete").symlink_to("/etc/passwd")
    _entry(tmp_path, "add", command="ADD")
    (tmp_path / ".draft-77").write_bytes(b"half")
    agent = Agent()

    report = await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)

    assert agent.done == ["started"]
    assert report.unreadable == 3
    assert _entries(tmp_path) == []


async def test_bug_about_one_entry_keeps_neither_the_others_nor_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        _entry(tmp_path, name)
    agent = Agent()

    async def delete(request: Del) -> None:
        if request.attachment.container_id == "b":
            raise AssertionError("a bug")
        await agent.delete(request)

    report = await drain_delete_queue(str(tmp_path), delete, start=agent.start)

    assert agent.done == ["a", "c", "started"]
    assert report == DrainReport(deleted=2, kept=1, unreadable=0)
    assert _entries(tmp_path) == ["b-eth0.delete"]
    assert "AssertionError: a bug" in caplog.text


@pytest.mark.timeout(10)
async def test_what_is_no_file_is_no_entry(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe-eth0.delete")
    (tmp_path / "folder-eth0.delete").mkdir()
    _entry(tmp_path, "a")
    agent = Agent()

    report = await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)

    assert agent.done == ["a", "started"]
    assert report == DrainReport(deleted=1, kept=0, unreadable=2)


async def test_drafts_of_killed_plugins_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".draft-4711").write_bytes(b"CNI1")
    agent = Agent()

    await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)

    assert os.listdir(tmp_path) == ["lockfile"]


async def test_directory_that_cannot_be_used_does_not_keep_the_agent_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    agent = Agent()

    await drain_delete_queue(str(tmp_path / "file" / "queue"), agent.delete, start=agent.start)

    assert agent.done == ["started"]
    assert "cannot be used" in caplog.text


async def test_plugin_that_holds_the_lock_is_waited_for(tmp_path: Path) -> None:
    """Its entry is read although it was written after the agent began to start."""
    lock = os.open(tmp_path / "lockfile", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    agent = Agent()
    draining = asyncio.create_task(
        drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)
    )
    await asyncio.sleep(0)
    _entry(tmp_path, "late")

    os.close(lock)
    await draining

    assert agent.done == ["late", "started"]


async def test_lock_is_held_until_the_socket_listens(tmp_path: Path) -> None:
    agent = Agent()
    held: list[bool] = []

    async def start() -> None:
        lock = os.open(tmp_path / "lockfile", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            held.append(False)
        except BlockingIOError:
            held.append(True)
        finally:
            os.close(lock)

    await drain_delete_queue(str(tmp_path), agent.delete, start=start)

    assert held == [True]


async def test_lock_that_is_never_free_does_not_keep_the_agent_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue_module, "LOCK_WAIT_S", 0.05)
    lock = os.open(tmp_path / "lockfile", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    agent = Agent()

    await drain_delete_queue(str(tmp_path), agent.delete, start=agent.start)

    os.close(lock)
    assert agent.done == ["started"]
    assert "a deletion may be missed" in caplog.text
