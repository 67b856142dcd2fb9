"""Client, informer and election against the embedded API server, over TLS."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.kube.conftest import eventually
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.api.core import CONFIG_MAPS, NODES, PODS, ConfigMap, Node, NodeSpec, ObjectReference
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.election import LeaderElector, Timing
from ciliate.kube.errors import AlreadyExistsError, ConflictError, GoneError, NotFoundError
from ciliate.kube.events import EventRecorder, Severity
from ciliate.kube.informer import Informer
from ciliate.kube.options import PatchKind

HISTORY = 20

#: What every namespace has from the start.
AUTHORITY = "kube-root-ca.crt"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path, history_entries_max=HISTORY) as running:
        yield running


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(server.kubeconfig) as made:
        yield made


def settings(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


async def test_an_object_lives_from_create_to_delete(client: ApiClient) -> None:
    made = await client.create(CONFIG_MAPS, settings("a", k="v"))
    with pytest.raises(AlreadyExistsError):
        await client.create(CONFIG_MAPS, settings("a"))

    changed = await client.patch(CONFIG_MAPS, "a", {"data": {"l": "w"}}, namespace="default")
    assert changed.data == {"k": "v", "l": "w"}
    with pytest.raises(ConflictError):
        await client.update(CONFIG_MAPS, made)

    await client.delete(CONFIG_MAPS, "a", namespace="default", uid=made.metadata.uid)
    with pytest.raises(NotFoundError):
        await client.get(CONFIG_MAPS, "a", namespace="default")


async def test_delete_of_a_changed_object_conflicts(client: ApiClient) -> None:
    made = await client.create(CONFIG_MAPS, settings("a"))
    await client.patch(CONFIG_MAPS, "a", {"data": {"l": "w"}}, namespace="default")

    with pytest.raises(ConflictError):
        await client.delete(
            CONFIG_MAPS,
            "a",
            namespace="default",
            resource_version=made.metadata.resource_version,
        )


async def test_json_and_strategic_patches_reach_status_and_spec(client: ApiClient) -> None:
    await client.create(NODES, Node(metadata=ObjectMeta(name="w1"), spec=NodeSpec()))

    taint = {"key": "k", "effect": "NoSchedule"}
    tainted = await client.patch(
        NODES, "w1", [{"op": "add", "path": "/spec/taints", "value": [taint]}], kind=PatchKind.JSON
    )
    condition = {"type": "NetworkUnavailable", "status": "False", "reason": "CiliumIsUp"}
    for _ in range(2):
        node = await client.patch(
            NODES,
            "w1",
            {"status": {"conditions": [condition]}},
            kind=PatchKind.STRATEGIC,
            subresource="status",
        )

    assert [t.key for t in tainted.spec.taints] == ["k"]
    assert [c.type for c in node.status.conditions] == ["NetworkUnavailable"]


async def test_apply_creates_and_then_changes(client: ApiClient) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "default"},
        "data": {"k": "v"},
    }
    for value in ("v", "w"):
        body["data"] = {"k": value}
        applied = await client.patch(
            CONFIG_MAPS,
            "a",
            body,
            namespace="default",
            kind=PatchKind.APPLY,
            field_manager="test",
        )

    assert applied.data == {"k": "w"}


async def test_a_long_list_comes_whole_in_chunks(client: ApiClient) -> None:
    for number in range(1100):
        await client.create(CONFIG_MAPS, settings(f"c{number}"))

    found = await client.list(CONFIG_MAPS, namespace="default")

    names = {item.metadata.name for item in found.items}
    assert names == {AUTHORITY, *(f"c{n}" for n in range(1100))}


async def test_a_watch_from_before_the_kept_history_is_gone(client: ApiClient) -> None:
    first = await client.create(CONFIG_MAPS, settings("first"))
    for number in range(HISTORY + 1):
        await client.create(CONFIG_MAPS, settings(f"c{number}"))

    with pytest.raises(GoneError):
        async for _ in client.watch(CONFIG_MAPS, resource_version=first.metadata.resource_version):
            pass


async def test_an_informer_that_missed_too_much_lists_again(
    server: EmbeddedServer, client: ApiClient
) -> None:
    gone: list[str] = []
    informer = Informer(client, CONFIG_MAPS, namespace="default")
    informer.add_listener(
        lambda old, new: gone.append(old.metadata.name) if not new and old else None
    )
    await client.create(CONFIG_MAPS, settings("first"))
    task = asyncio.ensure_future(informer.run())
    await informer.synced()
    task.cancel()
    await asyncio.wait([task])

    await client.delete(CONFIG_MAPS, "first", namespace="default")
    for number in range(HISTORY + 1):
        await client.create(CONFIG_MAPS, settings(f"c{number}"))
    task = asyncio.ensure_future(informer.run())
    await eventually(lambda: len(informer.objects) == HISTORY + 2)  # With AUTHORITY.

    assert gone == ["first"]
    task.cancel()


async def test_an_informer_follows_through_a_restart_of_the_server(
    server: EmbeddedServer, client: ApiClient
) -> None:
    informer = Informer(client, CONFIG_MAPS, namespace="default")
    task = asyncio.ensure_future(informer.run())
    await informer.synced()
    await client.create(CONFIG_MAPS, settings("before"))
    await eventually(lambda: ("default", "before") in informer.objects)

    await server.stop()
    await eventually(lambda: not informer.connected)
    assert ("default", "before") in informer.objects
    await server.start()
    await client.delete(CONFIG_MAPS, "before", namespace="default")
    await client.create(CONFIG_MAPS, settings("after"))
    left = {("default", AUTHORITY), ("default", "after")}
    await eventually(lambda: set(informer.objects) == left)

    task.cancel()


async def test_an_informer_sees_only_what_it_selects(client: ApiClient) -> None:
    informer = Informer(client, CONFIG_MAPS, field_selector="metadata.name=mine")
    task = asyncio.ensure_future(informer.run())
    await informer.synced()

    await client.create(CONFIG_MAPS, settings("yours"))
    await client.create(CONFIG_MAPS, settings("mine"))
    await eventually(lambda: ("default", "mine") in informer.objects)

    assert set(informer.objects) == {("default", "mine")}
    task.cancel()


async def test_leadership_passes_from_one_to_the_other(client: ApiClient) -> None:
    timing = Timing(lease_s=2, renew_deadline_s=1, retry_s=0.05)
    working: list[str] = []

    async def work(name: str) -> None:
        working.append(name)
        await asyncio.Event().wait()

    def candidate(name: str) -> "asyncio.Task[None]":
        elector = LeaderElector(
            client, name="lock", namespace="kube-system", identity=name, timing=timing
        )
        return asyncio.ensure_future(elector.run(lambda: work(name)))

    first = candidate("first")
    await eventually(lambda: working == ["first"])
    second = candidate("second")
    first.cancel()
    await eventually(lambda: working == ["first", "second"])

    second.cancel()
    await asyncio.wait((first, second))


async def test_an_event_is_kept_by_the_server(client: ApiClient) -> None:
    recorder = EventRecorder(client, component="cilium-agent", host="w1")
    task = asyncio.ensure_future(recorder.run())
    about = ObjectReference(kind="Pod", name="web", namespace="default", uid="u")
    recorder.record(about, severity=Severity.WARNING, reason="PoolFull", message="no address")

    async with asyncio.timeout(5):
        while not (listed := await client.get_json("/api/v1/namespaces/default/events"))["items"]:
            await asyncio.sleep(0.01)

    assert listed["items"][0]["reason"] == "PoolFull"
    assert recorder.dropped == 0
    task.cancel()


async def test_a_missing_pod_is_not_found_by_name(client: ApiClient) -> None:
    with pytest.raises(NotFoundError, match=r'get pods default/web: pods "web" not found'):
        await client.get(PODS, "web", namespace="default")
