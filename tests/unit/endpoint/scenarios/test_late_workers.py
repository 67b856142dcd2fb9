"""Workers that stay away keep what they are at, and no request, no lock and no other pod."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cni.plugin_frame import render_frame
from tests.unit.endpoint.attachment_node import GATEWAYS, Node, add, check, delete, gc, link_of
from tests.unit.endpoint.pod_links import settle, until

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni import server as server_module
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.frame import Frame
from ciliate.cni.server import CniServer
from ciliate.endpoint.attachments import PodAttachments, PodNetwork

ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c-a",
    "CNI_NETNS": "/run/netns/x",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "K8S_POD_NAMESPACE=default;K8S_POD_NAME=a",
}


@pytest.fixture
async def node(node: Node) -> AsyncIterator[Node]:
    """A node whose requests wait hardly at all for a removal."""
    async with asyncio.TaskGroup() as tasks:
        node.attachments = PodAttachments(
            replace(node.wiring, removal_wait_s=0.02),
            lambda: PodNetwork(gateways=GATEWAYS, mtu=1500, route_mtu=1500),
            tasks,
        )
        yield node
        node.links.creations.open()
        node.links.removals.open()


async def given_up_add(node: Node) -> None:
    """An ADD whose worker does not come back within the request's time."""
    node.links.creations.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await node.add(add("a"))
    node.links.creations.pass_others()


async def test_add_whose_worker_stays_away_is_answered(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "BACKEND_TIMEOUT_S", 0.02)
    node.links.creations.close()
    path = str(tmp_path / "cni.sock")
    async with CniServer(node.attachments, path=path) as server, asyncio.timeout(5):
        reader, writer = await asyncio.open_unix_connection(path)
        config = json.dumps({"cniVersion": "1.1.0", "name": "cilium"}).encode()
        writer.write(render_frame(Frame(ENVIRONMENT, config)))
        answer = await reader.read()
        writer.close()

        assert (answer[0], json.loads(answer[5:])["code"]) == (1, CniCode.TRY_AGAIN_LATER)
        await until(lambda: not server._conversations)
    assert not node.attachments._locks._locks


async def test_sandbox_of_a_worker_that_stays_away_is_left_alone_until_it_is_back(
    node: Node,
) -> None:
    """The worker may still make the interface, and would with the name of a second one."""
    await given_up_add(node)
    held = node.endpoint("a")
    assert held.state is EndpointState.DISCONNECTING
    assert list(node.owners().values()) == ["default/a"]

    with pytest.raises(CniError, match="cannot be removed yet") as refused:
        await node.add(add("a"))
    assert refused.value.code == CniCode.TRY_AGAIN_LATER
    await node.attachments.delete(delete("a"))
    assert node.endpoint("a") == held

    node.links.creations.open()
    await node.removals_end()
    assert node.links.made == [link_of("a")]
    node.assert_empty()


@pytest.mark.parametrize("verb", ["housekeeping", "gc"])
async def test_neither_gc_nor_housekeeping_waits_for_a_worker_that_stays_away(
    node: Node, verb: str
) -> None:
    await given_up_add(node)
    await node.add(add("vanished"))
    node.links.standing.clear()

    async with asyncio.timeout(5):
        await (node.attachments.remove_vanished() if verb == "housekeeping" else _gc(node))

    assert [each.pod for each in node.table] == ["a"]


async def _gc(node: Node) -> None:
    await node.attachments.gc(gc())


async def test_delete_is_answered_while_housekeeping_waits_for_the_worker_that_removes(
    node: Node,
) -> None:
    await node.add(add("a"))
    node.links.standing.clear()
    node.links.removals.close()
    housekeeping = asyncio.create_task(node.attachments.remove_vanished())
    await until(lambda: node.links.removals.waiting == 1)

    async with asyncio.timeout(5):
        await node.attachments.delete(delete("a"))

    assert not housekeeping.done()
    node.links.removals.open()
    await housekeeping
    node.assert_empty()


async def test_failed_add_is_answered_while_the_worker_that_removes_stays_away(
    node: Node,
) -> None:
    node.endpoints.capacity = 0
    node.links.removals.close()

    async with asyncio.timeout(5):
        with pytest.raises(Exception, match="memory"):
            await node.add(add("a"))

    assert node.endpoint("a").state is EndpointState.DISCONNECTING
    node.links.removals.open()
    await node.removals_end()
    node.assert_empty()


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
async def test_requests_are_refused_at_once_when_no_worker_is_left(node: Node, verb: str) -> None:
    await node.add(add("a"))
    node.links.creations.close()
    node.links.refusal_to_make = "no worker is left that makes pods' links: one is at it"

    with pytest.raises(CniError, match="no worker is left") as refused:
        await (node.add(add("b")) if verb == "ADD" else node.attachments.check(check("a")))

    assert refused.value.code == CniCode.TRY_AGAIN_LATER
    await node.attachments.delete(delete("a"))
    await settle()
    node.assert_empty()
