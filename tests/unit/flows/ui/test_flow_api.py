"""`flows/ui/flow_api.py`: a browser gets what the relay answers, within bounds."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from tests.unit.flows.server.flow_clients import WatchedStore, served, until
from tests.unit.flows.server.sample_records import packet
from tests.unit.flows.ui.page_server import Browser, answered, page

from ciliate.flows.batches import answers_of
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.ui.flow_api import PEER_CALLS_MAX
from ciliate.flows.ui.grpc_web import REQUEST_BYTES_MAX, message_frame

FOLLOW = observer_pb2.GetFlowsRequest(follow=True)
UNAVAILABLE, EXHAUSTED, UNIMPLEMENTED, INVALID = 14, 8, 12, 3


def relay_at(folder: Path) -> str:
    return f"unix:{folder}/hubble.sock"


async def test_flows_come_as_the_relay_sends_them(tmp_path: Path) -> None:
    store = WatchedStore(1023, *(packet() for _ in range(3)))
    async with served(tmp_path, store), page(relay_at(tmp_path)) as browser:
        found = await browser.call("GetFlows", observer_pb2.GetFlowsRequest(number=2))

    flows = [observer_pb2.GetFlowsResponse.FromString(each) for each in found.messages]
    assert [each.WhichOneof("response_types") for each in flows] == ["flow", "flow"]
    assert flows[0].flow.IP.source
    assert (found.status, found.details) == (0, "")


async def test_status_and_namespaces_are_answered(tmp_path: Path) -> None:
    store = WatchedStore(1023, packet())
    async with served(tmp_path, store), page(relay_at(tmp_path)) as browser:
        status = await browser.call("ServerStatus", observer_pb2.ServerStatusRequest())
        await browser.call("GetNamespaces", observer_pb2.GetNamespacesRequest())

    (message,) = status.messages
    assert observer_pb2.ServerStatusResponse.FromString(message).num_flows == 1


async def test_batches_come_to_who_takes_them(tmp_path: Path) -> None:
    store = WatchedStore(1023, *(packet() for _ in range(100)))
    request = observer_pb2.GetFlowsRequest(number=100)
    async with served(tmp_path, store), page(relay_at(tmp_path)) as browser:
        single = await browser.call("GetFlows", request)
        batched = await browser.call("GetFlows", request, ciliate_batches="1")

    assert len(single.messages) == 100
    assert len(batched.messages) < 100
    messages = map(observer_pb2.GetFlowsResponse.FromString, batched.messages)
    assert sum(1 for each in messages for _ in answers_of(each)) == 100


async def test_relay_that_is_away_is_told_in_the_trailers(tmp_path: Path) -> None:
    async with page(relay_at(tmp_path)) as browser:
        found = await browser.call("GetFlows", FOLLOW)

    assert found.status == UNAVAILABLE
    assert "hubble.sock" in found.details


async def test_what_the_relay_refuses_is_told(tmp_path: Path) -> None:
    request = observer_pb2.GetFlowsRequest(first=True, follow=True)
    async with served(tmp_path, WatchedStore()), page(relay_at(tmp_path)) as browser:
        found = await browser.call("GetFlows", request)

    assert (found.status, found.messages) == (INVALID, [])
    assert "first" in found.details


@pytest.mark.parametrize("method", ["observer.Observer/GetAgentEvents", "peer.Peer/Notify"])
async def test_other_methods_are_not_passed_on(tmp_path: Path, method: str) -> None:
    async with (
        page(relay_at(tmp_path)) as browser,
        browser.post(method, message_frame(b"")) as response,
    ):
        found = answered(await response.read())

    assert found.status == UNIMPLEMENTED
    assert method in found.details


async def test_pages_of_others_cannot_ask_in_a_readers_name(tmp_path: Path) -> None:
    """Of a form's types a browser asks nobody before it sends them."""
    async with page(relay_at(tmp_path)) as browser:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            async with browser.post(
                "observer.Observer/GetFlows", message_frame(b""), Content_Type=kind
            ) as response:
                assert response.status == 415
        async with browser.session.options(
            f"{browser.url}/flow-api/observer.Observer/GetFlows"
        ) as response:
            assert response.status == 405
            assert not [name for name in response.headers if name.startswith("Access-Control")]


async def test_request_that_is_too_large_or_no_frame_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()), page(relay_at(tmp_path)) as browser:
        async with browser.post(
            "observer.Observer/GetFlows", bytes(REQUEST_BYTES_MAX + 1)
        ) as response:
            assert response.status == 413
        async with browser.post("observer.Observer/GetFlows", b"\0\0\0\0\7x") as response:
            assert answered(await response.read()).status == INVALID


async def test_stream_whose_reader_leaves_is_ended_at_the_relay(tmp_path: Path) -> None:
    store = WatchedStore()
    body = message_frame(FOLLOW.SerializeToString())
    async with served(tmp_path, store), page(relay_at(tmp_path)) as browser:
        async with browser.post("observer.Observer/GetFlows", body):
            await until(lambda: store.waiting == 1)

        await until(lambda: store.waiting == 0)


async def test_reader_who_leaves_in_the_middle_of_flows_is_no_error_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = WatchedStore()
    body = message_frame(FOLLOW.SerializeToString())
    async with served(tmp_path, store), page(relay_at(tmp_path)) as browser:
        for _ in range(20):
            async with browser.post("observer.Observer/GetFlows", body) as response:
                await until(lambda: store.waiting)
                store.add(*(packet() for _ in range(50)))
                await response.content.readany()
            store.add(*(packet() for _ in range(50)))
        await until(lambda: store.waiting == 0)

    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_one_address_has_half_of_the_streams(tmp_path: Path) -> None:
    store = WatchedStore()
    async with served(tmp_path, store), page(relay_at(tmp_path)) as browser:
        async with contextlib.AsyncExitStack() as open_pages:
            await _open(browser, open_pages, PEER_CALLS_MAX)
            refused = await browser.call("GetFlows", FOLLOW)
        await until(lambda: store.waiting == 0)
        again = await browser.call("ServerStatus", observer_pb2.ServerStatusRequest())

    assert refused.status == EXHAUSTED
    assert "close some" in refused.details
    assert again.status == 0


async def _open(browser: Browser, pages: contextlib.AsyncExitStack, count: int) -> None:
    body = message_frame(FOLLOW.SerializeToString())
    posts = [browser.post("observer.Observer/GetFlows", body) for _ in range(count)]
    await asyncio.gather(*map(pages.enter_async_context, posts))
