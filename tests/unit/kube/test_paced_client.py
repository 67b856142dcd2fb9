"""`kube/paced_client.py`: against the embedded API server, with a plain client as the rival."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.core import NODES, Node
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.options import PatchKind
from ciliate.kube.paced_client import PacedClient
from ciliate.reconcile.rewrites import FORGET_S, FREE_WRITES, UndoneError

W1 = Node(metadata=ObjectMeta(name="w1"))


@dataclass
class War:
    """Two clients of one server, and the clock of the paced one."""

    rival: ApiClient
    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.ours = PacedClient(self.rival, clock=lambda: self.now_s)

    async def fight(
        self, write: Callable[[], Awaitable[object]], undo: Callable[[], Awaitable[object]]
    ) -> UndoneError:
        """Write and undo for as long as it is free; return the refusal that follows."""
        for _ in range(FREE_WRITES):
            await write()
            await undo()
        with pytest.raises(UndoneError) as refused:
            await write()
        return refused.value

    async def label(self, value: str | None, **others: Any) -> Node:
        return await self.ours.patch(NODES, "w1", {"metadata": {"labels": {"a": value}, **others}})

    async def undo_label(self) -> Node:
        """Another value for the label, by server-side apply: so the server notes who."""
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "w1", "labels": {"a": "z"}},
        }
        return await self.rival.patch(
            NODES, "w1", body, kind=PatchKind.APPLY, field_manager="rival", force=True
        )

    async def delete(self) -> None:
        await self.rival.delete(NODES, "w1")

    async def create(self) -> Node:
        return await self.ours.create(NODES, W1)


@pytest.fixture
async def war(tmp_path: Path) -> AsyncIterator[War]:
    async with (
        embedded_server(tmp_path) as server,
        ApiClient.from_kubeconfig(server.kubeconfig, user_agent="cilium-agent") as rival,
    ):
        yield War(rival)


async def test_patch_that_is_undone_again_and_again_waits_and_names_who(war: War) -> None:
    await war.rival.create(NODES, W1)

    refused = await war.fight(lambda: war.label("b"), war.undo_label)

    assert "undone each time: something changes it (field manager rival wrote" in str(refused)
    assert 0 < refused.pause_s <= 2
    war.now_s += refused.pause_s
    assert (await war.label("b")).metadata.labels["a"] == "b", "it is due"
    await war.undo_label()
    with pytest.raises(UndoneError) as longer:
        await war.label("b")
    assert longer.value.pause_s > refused.pause_s


async def test_another_value_and_other_fields_are_written_at_once(war: War) -> None:
    await war.rival.create(NODES, W1)
    await war.fight(lambda: war.label("b"), war.undo_label)

    assert (await war.label("c")).metadata.labels["a"] == "c"
    body = {"metadata": {"annotations": {"a": "b"}}}
    assert (await war.ours.patch(NODES, "w1", body)).metadata.annotations["a"] == "b"


async def test_version_a_write_is_based_on_and_times_make_no_other_write(war: War) -> None:
    node = await war.rival.create(NODES, W1)
    times = iter(range(100))

    async def write() -> None:
        nonlocal node
        version = (await war.rival.get(NODES, "w1")).metadata.resource_version
        await war.label("b", resourceVersion=version)
        condition = {"type": "Ready", "lastHeartbeatTime": f"2026-01-01T00:00:{next(times):02}Z"}
        status = {"status": {"conditions": [condition]}}
        await war.ours.patch(NODES, "w1", status, subresource="status")

    assert "field manager rival" in str(await war.fight(write, war.undo_label))


async def test_creation_that_is_undone_waits_and_says_that_it_was_deleted(war: War) -> None:
    refused = await war.fight(war.create, war.delete)

    assert "something deletes it (who does, only the audit log of the API server" in str(refused)
    war.now_s += refused.pause_s
    assert (await war.create()).metadata.name == "w1"


async def test_deletion_that_is_undone_waits(war: War) -> None:
    await war.rival.create(NODES, W1)

    refused = await war.fight(
        lambda: war.ours.delete(NODES, "w1"), lambda: war.rival.create(NODES, W1)
    )

    assert "something makes it again" in str(refused)


async def test_write_that_stands_is_never_refused_though_it_is_repeated(war: War) -> None:
    """A table that lags behind asks for it again."""
    await war.rival.create(NODES, W1)
    for _ in range(3 * FREE_WRITES):
        assert (await war.label("b")).metadata.labels["a"] == "b"
    for _ in range(3 * FREE_WRITES):
        await war.ours.patch(NODES, "w1", {"metadata": {"annotations": {"a": None}}})
    for _ in range(3 * FREE_WRITES):
        with pytest.raises(AlreadyExistsError):
            await war.create()
    await war.ours.delete(NODES, "w1")
    for _ in range(3 * FREE_WRITES):
        with pytest.raises(NotFoundError):
            await war.ours.delete(NODES, "w1")


async def test_what_we_take_back_ourselves_is_no_war(war: War) -> None:
    for _ in range(3 * FREE_WRITES):
        await war.create()
        await war.ours.delete(NODES, "w1")


async def test_writes_long_apart_are_no_war(war: War) -> None:
    for _ in range(3 * FREE_WRITES):
        await war.create()
        await war.delete()
        war.now_s += FORGET_S + 1


async def test_refusal_is_the_same_until_the_next_write_and_asks_once(war: War) -> None:
    refused = await war.fight(war.create, war.delete)
    await war.rival.create(NODES, W1)  # Somebody gives in: our tables will show it.

    with pytest.raises(UndoneError) as again:
        await war.create()
    assert again.value is refused
