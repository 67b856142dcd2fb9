"""The CNI service, looked after: workers that do not come back, a socket that somebody removed."""

import asyncio
import json
import os
from functools import partial
from pathlib import Path

import pytest
from tests.unit.cni.plugin_frame import render_frame
from tests.unit.endpoint.attachment_node import VERSION, Node, add, delete
from tests.unit.endpoint.pod_links import MemoryLinks

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.frame import Frame
from ciliate.cni.queue import drain_delete_queue
from ciliate.cni.request import Status
from ciliate.cni.server import CniServer
from ciliate.endpoint.watchdog import CniWatchdog
from ciliate.netlink.work_watch import LateWork
from ciliate.reconcile.status import RunStatus

STUCK = LateWork("maker", "create lxc1 in /run/netns/x", 61.0)


class Reachable:
    """A socket that stays."""

    is_reachable = True


async def _never() -> None:
    raise AssertionError("the socket is there")


async def test_worker_that_does_not_come_back_is_the_agents_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    links, status = MemoryLinks(), RunStatus("watch-cni")
    watchdog = CniWatchdog(status, links.as_pod_links, Reachable(), reopen=_never)
    await watchdog.look()
    assert (status.successes, status.last_failure) == (1, "")

    links.late = (STUCK,)
    await watchdog.look()
    await watchdog.look()

    assert status.last_failure == (
        '1 workers do not come back, the longest away is at "create lxc1 in /run/netns/x" for 61 s'
    )
    assert len([each for each in caplog.records if "do not come back" in each.message]) == 1

    links.late = ()
    await watchdog.look()
    assert (status.consecutive_failures, status.last_failure) == (0, "")


async def test_status_refuses_while_no_worker_is_left(node: Node) -> None:
    request = Status(VERSION, "cilium")
    await node.attachments.status(request)

    node.links.refusal = "no worker is left that makes pods' links: one is at it"

    with pytest.raises(CniError, match="no worker is left") as caught:
        await node.attachments.status(request)
    assert caught.value.code == CniCode.PLUGIN_NOT_AVAILABLE


async def _status_of(path: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    config = json.dumps({"cniVersion": "1.1.0", "name": "cilium"}).encode()
    writer.write(render_frame(Frame({"CNI_COMMAND": "STATUS"}, config)))
    answer = await reader.read()
    writer.close()
    return answer[:1]


@pytest.mark.parametrize("removed", ["socket", "directory"])
async def test_removed_socket_is_made_again_after_the_queued_deletions(
    node: Node, tmp_path: Path, removed: str
) -> None:
    """The plugin took the agent for absent meanwhile."""
    await node.add(add("a"))
    path, queue = str(tmp_path / "run" / "cni.sock"), tmp_path / "queue"
    status = RunStatus("watch-cni")
    async with CniServer(node.attachments, path=path) as server:
        drain = partial(drain_delete_queue, str(queue), node.attachments.delete)
        watchdog = CniWatchdog(
            status,
            node.links.as_pod_links,
            server,
            reopen=partial(drain, start=server.reopen),
        )
        await watchdog.look()
        assert not queue.exists()

        os.unlink(path)
        if removed == "directory":
            os.rmdir(tmp_path / "run")
        queue.mkdir()
        environment = {
            "CNI_COMMAND": "DEL",
            "CNI_CONTAINERID": delete("a").attachment.container_id,
            "CNI_IFNAME": "eth0",
        }
        (queue / "a.delete").write_bytes(render_frame(Frame(environment, b"{}")))
        await watchdog.look()

        assert server.is_reachable
        assert await _status_of(path) == b"\0"
        await node.removals_end()
        node.assert_empty()
        assert status.last_failure == ""
    assert not server.is_reachable


async def test_socket_that_cannot_be_made_again_is_the_agents_status(tmp_path: Path) -> None:
    status = RunStatus("watch-cni")

    class Gone:
        is_reachable = False

    async def reopen() -> None:
        raise OSError(28, "No space left on device")

    await CniWatchdog(status, MemoryLinks().as_pod_links, Gone(), reopen=reopen).look()

    assert "cannot be made again" in status.last_failure
    assert "No space left" in status.last_failure
