import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec import structs
from tests.unit.kube.conftest import Document, FakeApi, eventually

from ciliate.api.core import NODES, Node, NodeStatus
from ciliate.kube import informer as informer_module
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError
from ciliate.kube.informer import Informer

Change = tuple[str, str]

W1 = "/api/v1/nodes/k8s-w1"
W2 = "/api/v1/nodes/k8s-w2"


class Watcher:
    """An informer that runs, and the changes it reported."""

    def __init__(self, client: ApiClient) -> None:
        self.changes: list[Change] = []
        self.informer = Informer(client, NODES, on_change=self._record)

    def _record(self, old: Node | None, new: Node | None) -> None:
        if old is None:
            assert new is not None
            self.changes.append(("added", new.metadata.name))
        elif new is None:
            self.changes.append(("removed", old.metadata.name))
        else:
            self.changes.append(("changed", new.metadata.name))

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.informer.objects}


@pytest.fixture
async def watcher(client: ApiClient) -> AsyncIterator[Watcher]:
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())
    yield made
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_the_table_holds_what_was_there_and_what_comes(
    api: FakeApi, watcher: Watcher
) -> None:
    await api.put(W1, {})
    await watcher.informer.synced()
    await eventually(lambda: watcher.names == {"k8s-w1"})

    await api.put(W2, {})
    await api.put(W2, {"spec": {"unschedulable": True}})
    await api.remove(W1)
    await eventually(lambda: watcher.changes[-1:] == [("removed", "k8s-w1")])

    assert watcher.changes == [
        ("added", "k8s-w1"),
        ("added", "k8s-w2"),
        ("changed", "k8s-w2"),
        ("removed", "k8s-w1"),
    ]
    assert watcher.names == {"k8s-w2"}


async def test_a_watch_that_ends_goes_on_where_it_was(api: FakeApi, watcher: Watcher) -> None:
    await api.put(W1, {})
    await eventually(lambda: api.watches == 1)

    await api.cut_watches()
    await api.put(W2, {})
    await eventually(lambda: watcher.names == {"k8s-w1", "k8s-w2"})

    lists = [request for request in api.requests if "watch" not in request]
    assert len([r for r in lists if "limit" in r]) == 1
    assert watcher.changes == [("added", "k8s-w1"), ("added", "k8s-w2")]


async def test_a_relist_removes_what_vanished_unseen(api: FakeApi, watcher: Watcher) -> None:
    await api.put(W1, {})
    await api.put(W2, {})
    await eventually(lambda: watcher.names == {"k8s-w1", "k8s-w2"} and api.watches == 1)

    await api.stop()
    await api.remove(W1)
    await api.put(W2, {"spec": {"unschedulable": True}})
    await api.forget_history()
    await api.start()
    await eventually(lambda: len(watcher.changes) == 4)

    assert watcher.changes[2:] == [("removed", "k8s-w1"), ("changed", "k8s-w2")]


async def test_an_object_made_anew_unseen_is_reported_as_removed_and_added(
    api: FakeApi, watcher: Watcher
) -> None:
    await api.put(W1, {})
    await eventually(lambda: watcher.names == {"k8s-w1"} and api.watches == 1)

    await api.stop()
    await api.remove(W1)
    await api.put(W1, {"metadata": {"uid": "another"}})
    await api.forget_history()
    await api.start()
    await eventually(lambda: len(watcher.changes) == 3)

    assert watcher.changes[1:] == [("removed", "k8s-w1"), ("added", "k8s-w1")]


async def test_the_table_stays_while_the_server_is_away(api: FakeApi, watcher: Watcher) -> None:
    await api.put(W1, {})
    await eventually(lambda: watcher.names == {"k8s-w1"} and api.watches == 1)

    await api.stop()
    await eventually(lambda: not watcher.informer.connected)

    assert watcher.names == {"k8s-w1"}
    assert watcher.informer.last_error is not None
    assert watcher.changes == [("added", "k8s-w1")]

    await api.start()
    await eventually(lambda: watcher.informer.connected)
    assert watcher.informer.last_error is None


async def test_a_server_that_falls_silent_is_noticed_and_left(
    api: FakeApi, watcher: Watcher
) -> None:
    await eventually(lambda: api.watches == 1)

    api.running.clear()
    await eventually(lambda: not watcher.informer.connected)

    api.running.set()
    await eventually(lambda: watcher.informer.connected)


async def test_nothing_is_synced_before_the_first_list_is_whole(
    api: FakeApi, client: ApiClient
) -> None:
    api.faults.extend([(403, {"kind": "Status", "message": "no"})] * 3)
    watcher = Watcher(client)
    task = asyncio.ensure_future(watcher.informer.run())

    await eventually(lambda: watcher.informer.last_error is not None)
    assert not watcher.informer.has_synced
    assert isinstance(watcher.informer.last_error, ForbiddenError)

    await watcher.informer.synced()
    task.cancel()


async def test_an_error_event_in_the_stream_leads_to_a_new_list(
    api: FakeApi, watcher: Watcher
) -> None:
    await api.put(W1, {})
    await eventually(lambda: api.watches == 1)
    status = {"kind": "Status", "code": 410, "reason": "Expired", "status": "Failure"}
    api._log.append((10**6, "ERROR", "/api/v1/nodes", status))

    await api.put(W2, {})
    api._log.pop(-2)
    await eventually(lambda: watcher.names == {"k8s-w1", "k8s-w2"})

    assert len([r for r in api.requests if "limit" in r]) >= 1


async def test_a_transform_decides_what_is_kept(api: FakeApi, client: ApiClient) -> None:
    await api.put(W1, {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}})
    informer = Informer(
        client, NODES, transform=lambda node: structs.replace(node, status=NodeStatus())
    )
    task = asyncio.ensure_future(informer.run())
    await informer.synced()

    node = informer.get("k8s-w1")

    assert node is not None
    assert node.status.addresses == ()
    task.cancel()


async def test_objects_of_a_list_are_transformed_as_they_come_and_once(
    api: FakeApi, client: ApiClient
) -> None:
    await api.put(W1, {})
    await api.put(W2, {})
    complete_at: list[bool] = []

    def note(node: Node) -> Node:
        complete_at.append(informer.has_synced or bool(informer.objects))
        return node

    informer = Informer(client, NODES, transform=note)
    task = asyncio.ensure_future(informer.run())
    await informer.synced()
    task.cancel()

    assert complete_at == [False, False]


async def test_a_late_listener_is_called_with_what_is_known(
    api: FakeApi, watcher: Watcher
) -> None:
    await api.put(W1, {})
    await eventually(lambda: watcher.names == {"k8s-w1"})
    calls: list[str] = []

    watcher.informer.add_listener(lambda _old, new: calls.append(new.metadata.name if new else ""))

    assert calls == ["k8s-w1"]


async def test_a_server_that_accepts_and_closes_watches_is_not_asked_in_a_busy_loop(
    api: FakeApi, watcher: Watcher
) -> None:
    await eventually(lambda: api.watches == 1)
    for _ in range(3):
        before = api.watches
        await api.cut_watches()
        await eventually(lambda seen=before: api.watches > seen)  # type: ignore[misc]

    # Each pause is at least three quarters of 0.2, 0.4, 0.8 seconds.
    assert watcher.informer._backoff.next() > 1.0


def asked_in_chunks(api: FakeApi) -> int:
    return sum("limit" in request for request in api.requests)


async def test_a_list_comes_as_the_beginning_of_a_watch_where_the_server_has_that(
    api: FakeApi, client: ApiClient
) -> None:
    api.watch_lists = True
    await api.put(W1, {})
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())
    await made.informer.synced()
    assert made.names == {"k8s-w1"}

    await api.put(W2, {})
    await eventually(lambda: made.names == {"k8s-w1", "k8s-w2"})
    await api.cut_watches()
    await api.remove(W1)
    await eventually(lambda: made.names == {"k8s-w2"})

    asked = [request for request in api.requests if "livez" not in request]
    assert ["sendInitialEvents=true" in each for each in asked] == [True, False]
    assert "resourceVersionMatch=NotOlderThan" in asked[0]
    assert "allowWatchBookmarks=true" in asked[0]
    assert asked_in_chunks(api) == 0
    task.cancel()


async def test_a_server_that_refuses_watch_lists_is_asked_once(
    api: FakeApi, watcher: Watcher
) -> None:
    await api.put(W1, {})
    await eventually(lambda: watcher.names == {"k8s-w1"} and api.watches == 1)
    await api.stop()
    await api.put(W2, {})
    await api.forget_history()
    await api.start()
    await eventually(lambda: asked_in_chunks(api) == 2)

    assert sum("sendInitialEvents" in request for request in api.requests) == 1


@pytest.mark.parametrize("code", [400, 404, 422])
async def test_every_refusal_of_a_watch_list_leads_to_a_list_in_chunks(
    api: FakeApi, client: ApiClient, code: int
) -> None:
    api.watch_lists = True
    api.faults.append((code, {"kind": "Status", "code": code, "message": "unknown parameter"}))
    await api.put(W1, {})
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())

    await made.informer.synced()

    assert made.names == {"k8s-w1"}
    assert asked_in_chunks(api) == 1
    task.cancel()


async def test_a_kind_that_is_not_served_yet_says_nothing_about_watch_lists(
    api: FakeApi, client: ApiClient
) -> None:
    api.watch_lists = True
    missing: Document = {"kind": "Status", "code": 404, "message": "not found"}
    api.faults.extend([(404, missing), (404, missing)])
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())

    await made.informer.synced()

    assert "sendInitialEvents" in api.requests[-1]
    task.cancel()


async def test_a_kind_that_is_not_served_yet_is_asked_for_again_soon(
    api: FakeApi, client: ApiClient
) -> None:
    """Agents of a new cluster start while the operator defines the kinds."""
    api.watch_lists = True
    missing: Document = {"kind": "Status", "code": 404, "message": "not found"}
    api.faults.extend([(404, missing)] * 6)
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())

    await made.informer.synced()

    # Three pauses: 0.05, 0.1 and 0.2 seconds at the most, and not those of failures.
    assert made.informer._missing_backoff.next() <= 0.4
    assert made.informer._backoff.next() <= 0.2
    task.cancel()


async def test_a_server_that_ignores_what_it_does_not_know_is_asked_in_chunks(
    api: FakeApi, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer_module, "INITIAL_EVENTS_S", 0.2)
    api.watch_lists = None
    await api.put(W1, {})
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())

    await made.informer.synced()

    assert made.names == {"k8s-w1"}
    assert asked_in_chunks(api) == 1
    task.cancel()


async def test_a_watch_list_that_breaks_off_shows_nothing_and_is_asked_in_chunks(
    api: FakeApi, client: ApiClient
) -> None:
    """Half a list would report what is missing as deleted; a proxy may cut each of them."""
    api.watch_lists = True
    await api.put(W1, {})
    api.cuts_initial = 1000
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())

    await made.informer.synced()

    assert api.cuts_initial == 999
    assert made.changes == [("added", "k8s-w1")]
    task.cancel()


async def test_a_new_watch_list_removes_what_vanished_and_keeps_what_cannot_be_read(
    api: FakeApi, client: ApiClient
) -> None:
    api.watch_lists = True
    await api.put(W1, {})
    await api.put(W2, {})
    made = Watcher(client)
    task = asyncio.ensure_future(made.informer.run())
    await made.informer.synced()
    await eventually(lambda: api.watches == 1)

    await api.stop()
    await api.remove(W1)
    await api.put(W2, {"spec": {"taints": 5}})
    await api.forget_history()
    await api.start()
    await eventually(lambda: made.changes[2:] == [("removed", "k8s-w1")])

    assert made.names == {"k8s-w2"}
    task.cancel()
