"""The store: order, history, and what is on disk."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ciliate.apiserver.errors import StoreError
from ciliate.apiserver.history import StoreEventType
from ciliate.apiserver.journal import Journal
from ciliate.apiserver.object_json import managed_fields
from ciliate.apiserver.store import Store, decode, no_fields

FEW = 5


def open_store(tmp_path: Path, *, entries_max: int = 1000, bytes_max: int = 1 << 20) -> Store:
    store = Store(Journal(tmp_path / "s.sqlite"), entries_max=entries_max, bytes_max=bytes_max)
    store.load(lambda _: no_fields)
    return store


def obj(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}"}, **more}


async def test_a_write_is_durable_once_awaited(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("maps", "ns", obj("a"))

    await store.durable()

    rows = sqlite3.connect(tmp_path / "s.sqlite").execute("SELECT name FROM versions").fetchall()
    assert rows == [("a",)]
    store.close()


async def test_writes_of_one_turn_are_one_batch_for_subscribers(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    batches: list[int] = []
    store.subscribers.append(lambda changes: batches.append(len(changes)))

    store.put("maps", "ns", obj("a"))
    store.put("maps", "ns", obj("b"))
    await store.durable()

    assert batches == [2]
    store.close()


async def test_a_write_that_cannot_be_encoded_leaves_nothing_to_wait_for(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(UnicodeEncodeError):
        store.put("pods", "a", obj("x", text="\ud800"))

    await asyncio.wait_for(store.durable(), 1.0)

    assert store.revision == store.committed == 0
    store.close()


async def test_settle_brings_changes_to_disk_before_a_read(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("maps", "ns", obj("a"))
    assert store.committed == 0

    store.settle()

    assert store.committed == store.revision == 1
    await store.durable()
    store.close()


async def test_history_returns_what_came_after_a_revision(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first = store.put("maps", "ns", obj("a", v=1))
    store.put("maps", "ns", obj("a", v=2))
    store.delete("maps", "ns", obj("a", v=2))
    await store.durable()

    events = store.collection("maps").history.since(first.revision)

    assert events is not None
    assert [e.type for e in events] == [StoreEventType.MODIFIED, StoreEventType.DELETED]
    assert events[0].before is not None
    assert decode(events[0].before)["v"] == 1
    store.close()


async def test_history_beyond_its_bound_is_gone(tmp_path: Path) -> None:
    store = open_store(tmp_path, entries_max=FEW)
    for index in range(FEW + 3):
        store.put("maps", "ns", obj("a", v=index))
    await store.durable()

    history = store.collection("maps").history
    assert history.floor == 3
    assert history.since(2) is None
    kept = history.since(3)
    assert kept is not None
    assert len(kept) == FEW
    store.close()


async def test_history_is_bounded_in_octets_too(tmp_path: Path) -> None:
    store = open_store(tmp_path, bytes_max=1000)
    for index in range(10):
        store.put("maps", "ns", obj("a", v=index, text="x" * 400))
    await store.durable()

    assert store.collection("maps").history.since(7) is None
    assert store.collection("maps").history.since(9) is not None
    store.close()


async def test_rows_nothing_needs_are_forgotten(tmp_path: Path) -> None:
    store = open_store(tmp_path, entries_max=FEW)
    for index in range(50):
        store.put("maps", "ns", obj("a", v=index))
        store.put("maps", "ns", obj(f"b{index}"))
        store.delete("maps", "ns", obj(f"b{index}"))
        await store.durable()

    (count,) = (
        sqlite3.connect(tmp_path / "s.sqlite").execute("SELECT count(*) FROM versions").fetchone()
    )
    # The object, the events kept, and what each of them replaced.
    assert count <= 1 + 2 * (FEW + 3)
    store.close()


async def test_a_reopened_store_knows_objects_history_and_floor(tmp_path: Path) -> None:
    store = open_store(tmp_path, entries_max=FEW)
    for index in range(FEW + 3):
        store.put("maps", "ns", obj("a", v=index))
    store.put("maps", "ns", obj("b"))
    store.delete("maps", "ns", obj("b"))
    await store.durable()
    revision, floor = store.revision, store.collection("maps").history.floor
    store.close()

    again = open_store(tmp_path, entries_max=FEW)

    collection = again.collection("maps")
    assert (again.revision, collection.history.floor) == (revision, floor)
    assert list(collection.objects) == [("ns", "a")]
    events = collection.history.since(floor)
    assert events is not None
    assert [e.type for e in events][-2:] == [StoreEventType.ADDED, StoreEventType.DELETED]
    assert all(e.before is not None for e in events[:-2])
    again.close()


async def test_earlier_revisions_are_listed_out_of_the_history(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("maps", "ns", obj("a", v=1))
    then = store.put("maps", "ns", obj("b", v=1)).revision
    store.put("maps", "ns", obj("a", v=2))
    store.delete("maps", "ns", obj("b", v=1))
    store.put("maps", "ns", obj("c", v=1))
    await store.durable()

    items = store.collection("maps").as_of(then, "ns")

    assert items is not None
    assert [(i.name, decode(i)["v"]) for i in items] == [("a", 1), ("b", 1)]
    store.close()


async def test_owners_and_their_dependents_are_indexed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    owned = obj("owned")
    owned["metadata"]["ownerReferences"] = [{"uid": "uid-owner"}]
    store.put("maps", "ns", obj("owner"))
    store.put("maps", "ns", owned)
    assert store.dependents["uid-owner"] == {("maps", ("ns", "owned"))}

    del owned["metadata"]["ownerReferences"]
    store.put("maps", "ns", owned)

    assert "uid-owner" not in store.dependents
    assert store.uids["uid-owner"] == ("maps", ("ns", "owner"))
    await store.durable()
    store.close()


async def test_a_journal_that_fails_stops_the_store(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    other = sqlite3.connect(tmp_path / "s.sqlite")
    other.execute("DROP TABLE versions")
    other.commit()
    store.put("maps", "ns", obj("a"))

    with pytest.raises(StoreError, match="no such table"):
        await store.durable()

    with pytest.raises(StoreError):
        store.put("maps", "ns", obj("b"))
    with pytest.raises(StoreError):
        store.settle()
    async with asyncio.timeout(1):
        await store.failed.wait()


MANAGED = b'[{"manager":"m","operation":"Update","fieldsV1":{"f:data":{}}}]'


async def test_managed_fields_are_stored_with_an_object_and_kept_apart_from_it(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    # Data that looks like them, and comes first as the client wrote it.
    told = {"spec": {"managedFields": [{"manager": "no"}]}, **obj("a")}
    stored = store.put("maps", "ns", told, MANAGED)
    plain = store.put("maps", "ns", {"spec": told["spec"], **obj("b")})
    await store.durable()
    store.close()

    again = open_store(tmp_path)

    for one in (stored, again.get("maps", ("ns", "a"))):
        assert one is not None
        assert managed_fields(one) == MANAGED
        assert json.loads(one.raw)["metadata"]["managedFields"] == json.loads(MANAGED)
        assert "managedFields" not in decode(one)["metadata"]
        assert decode(one)["spec"] == told["spec"]
    assert managed_fields(plain) == managed_fields(again.collection("maps").select("ns")[1]) == b""
    assert decode(plain)["spec"] == told["spec"]
    again.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"this is no database, but long enough to be read as one")

    with pytest.raises(StoreError, match="not a database"):
        Journal(tmp_path / "s.sqlite")
