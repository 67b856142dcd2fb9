"""`flows/server/peers.py`: whoever asks hears of every node, then of each change, or is sent away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.unit.flows.server.flow_clients import WatchedStore, served, soon, until

from ciliate.flows.feed import NodePeer, NodePeerGone
from ciliate.flows.pb.peer import peer_pb2, peer_pb2_grpc
from ciliate.flows.server import peers as peers_module
from ciliate.flows.server.peers import PeerTable

ONE = NodePeer(
    name="one", address="192.0.2.1:4244", server_name="one.default.hubble-grpc.cilium.io"
)
TWO = NodePeer(name="two", address="192.0.2.2:4244")
MOVED = NodePeer(name="two", address="192.0.2.3:4244")
ADDED, UPDATED, DELETED = "PEER_ADDED", "PEER_UPDATED", "PEER_DELETED"

Told = tuple[str, str, str]


def table_of(*peers: NodePeer) -> PeerTable:
    table = PeerTable()
    for each in peers:
        table.take(each)
    return table


def told(change: peer_pb2.ChangeNotification) -> Told:
    return peer_pb2.ChangeNotificationType.Name(change.type), change.name, change.address


async def next_of(changes: AsyncIterator[Any], count: int) -> list[Told]:
    return [told(await soon(anext(changes))) for _ in range(count)]


async def is_silent(changes: AsyncIterator[Any], table: PeerTable) -> bool:
    """Whether nothing waits: what is told now is the next that comes."""
    table.take(NodePeer(name="mark", address="a"))
    return await next_of(changes, 1) == [(ADDED, "mark", "a")]


async def test_all_nodes_come_first_as_added_then_what_changes() -> None:
    table = table_of(ONE, TWO)
    changes = aiter(table.changes())
    assert await next_of(changes, 2) == [
        (ADDED, "one", ONE.address),
        (ADDED, "two", TWO.address),
    ]

    table.take(MOVED)
    table.take(NodePeerGone(name="one"))
    table.take(ONE)

    assert await next_of(changes, 3) == [
        (UPDATED, "two", MOVED.address),
        (DELETED, "one", ONE.address),
        (ADDED, "one", ONE.address),
    ]


async def test_same_again_is_no_change() -> None:
    table = table_of(ONE)
    changes = aiter(table.changes())
    await next_of(changes, 1)

    table.take(ONE)
    table.take(NodePeerGone(name="nobody"))

    assert await is_silent(changes, table)


async def test_another_name_in_the_certificate_is_a_change() -> None:
    table = table_of(ONE)
    changes = aiter(table.changes())
    await next_of(changes, 1)

    table.take(NodePeer(name="one", address=ONE.address))

    change = await soon(anext(changes))
    assert told(change) == (UPDATED, "one", ONE.address)
    assert not change.HasField("tls")


async def test_what_changes_while_all_are_told_is_told_behind() -> None:
    table = table_of(ONE, TWO)
    changes = aiter(table.changes())
    first = await next_of(changes, 1)

    table.take(MOVED)

    assert first + await next_of(changes, 2) == [
        (ADDED, "one", ONE.address),
        (ADDED, "two", TWO.address),
        (UPDATED, "two", MOVED.address),
    ]


async def test_each_listener_is_told_everything() -> None:
    table = table_of(ONE)
    listeners = [aiter(table.changes()) for _ in range(3)]
    for each in listeners:
        await next_of(each, 1)

    table.take(TWO)

    for each in listeners:
        assert await next_of(each, 1) == [(ADDED, "two", TWO.address)]


async def test_who_does_not_take_what_changes_is_ended_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers_module, "_UNTAKEN_MAX", 4)
    table = table_of(ONE)
    slow, quick = aiter(table.changes()), aiter(table.changes())
    for each in (slow, quick):
        await next_of(each, 1)

    for port in range(10):
        table.take(NodePeer(name="two", address=f"a:{port}"))
        assert len(await next_of(quick, 1)) == 1

    found = [told(each) async for each in slow]
    assert [name for _, name, _ in found] == ["two"] * 3
    assert await is_silent(quick, table)


async def test_relay_is_told_over_grpc(tmp_path: Path) -> None:
    table = table_of(ONE)
    async with served(tmp_path, WatchedStore(), table) as channel:
        call = peer_pb2_grpc.PeerStub(channel).Notify(peer_pb2.NotifyRequest())
        changes = aiter(call)
        first = await soon(anext(changes))
        table.take(TWO)
        second = await soon(anext(changes))
        call.cancel()
        await until(lambda: not table._queues)

    assert (first.name, first.tls.server_name) == ("one", ONE.server_name)
    assert told(second) == (ADDED, "two", TWO.address)
    assert not second.HasField("tls")


async def test_relay_that_is_slow_is_told_to_ask_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_module, "_UNTAKEN_MAX", 2)
    table = table_of(ONE)
    async with served(tmp_path, WatchedStore(), table) as channel:
        changes = aiter(peer_pb2_grpc.PeerStub(channel).Notify(peer_pb2.NotifyRequest()))
        await soon(anext(changes))
        for port in range(10):  # Without a pause in which the server could pass one on.
            table.take(NodePeer(name="two", address=f"a:{port}"))

        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await next_of(changes, 20)
        assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ended.value.details() == "changes were not taken in time: ask anew"

        again = aiter(peer_pb2_grpc.PeerStub(channel).Notify(peer_pb2.NotifyRequest()))
        assert {name for _, name, _ in await next_of(again, 2)} == {"one", "two"}


async def test_listener_that_left_costs_nothing() -> None:
    table = table_of(ONE)
    changes = table.changes()
    await anext(aiter(changes))
    assert len(table._queues) == 1

    task = asyncio.ensure_future(anext(aiter(changes)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert not table._queues
