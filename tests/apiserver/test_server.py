"""`serve` as the lab calls it: bound sockets in, requests answered, everything gone at its end."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ciliate.apiserver import server as server_module
from ciliate.apiserver.errors import StoreError
from ciliate.apiserver.server import serve
from ciliate.apiserver.settings import ApiServerSettings
from ciliate.errors import SettingError

from .conftest import DEADLINE_S, ServerProcess, make_server

MAPS = "/api/v1/namespaces/default/configmaps"

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Cluster
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object}}}}
"""


def settings_of(made: ServerProcess) -> ApiServerSettings:
    return ApiServerSettings(
        data_dir=made.directory / "data",
        ca_file=made.directory / "ca.crt",
        cert_file=made.directory / "server.crt",
        key_file=made.directory / "server.key",
        kubelet_sockets=str(made.directory / "{node}.sock"),
        advertise_url=made.url,
    )


@asynccontextmanager
async def running(
    settings: ApiServerSettings, sockets: Sequence[socket.socket]
) -> AsyncIterator[None]:
    ready = asyncio.Event()
    async with asyncio.timeout(4 * DEADLINE_S), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve(settings, sockets, ready=ready))
        await ready.wait()
        yield
        task.cancel()


@asynccontextmanager
async def client(made: ServerProcess, port: int) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=made.context())
    async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as session:
        yield session


async def create(session: aiohttp.ClientSession, name: str, **data: str) -> dict[str, Any]:
    body = {"metadata": {"name": name}, "data": data}
    async with session.post(MAPS, json=body) as answer:
        assert answer.status == 201
        made: dict[str, Any] = await answer.json()
        return made


@pytest.fixture
def made(tmp_path: Path) -> ServerProcess:
    return make_server(tmp_path)


async def test_two_sockets_show_one_cluster_and_definitions_of_files(made: ServerProcess) -> None:
    file = made.directory / "things.yaml"
    file.write_text(DEFINITION)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [s.getsockname()[1] for s in sockets]

    async with (
        running(replace(settings_of(made), crd_files=(file,)), sockets),
        client(made, ports[0]) as one,
        client(made, ports[1]) as two,
    ):
        await create(one, "a")
        async with two.get(f"{MAPS}/a") as answer:
            assert answer.status == 200
        async with two.get("/apis/example.org/v1/things") as answer:
            assert (await answer.json())["kind"] == "ThingList"

    # Its end frees everything: the same files serve again at once.
    again = socket.create_server(("127.0.0.1", 0))
    async with running(settings_of(made), [again]), client(made, again.getsockname()[1]) as one:
        async with one.get(f"{MAPS}/a") as answer:
            assert answer.status == 200
        async with one.get("/apis/example.org/v1/things") as answer:
            assert answer.status == 200


async def test_a_watch_from_before_the_history_has_to_list_again(made: ServerProcess) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    few = replace(settings_of(made), history_entries_max=3)

    async with running(few, [listener]), client(made, listener.getsockname()[1]) as session:
        first = await create(session, "a")
        for index in range(5):
            await create(session, f"b{index}")
        version = first["metadata"]["resourceVersion"]
        query = {"watch": "1", "resourceVersion": version}
        async with session.get(MAPS, params=query) as answer:
            lines = [json.loads(line) async for line in answer.content]
        async with session.get(
            MAPS,
            params={"limit": "1", "resourceVersion": version, "resourceVersionMatch": "Exact"},
        ) as answer:
            listed = await answer.json()

    assert [line["type"] for line in lines] == ["ERROR"]
    assert (lines[0]["object"]["code"], lines[0]["object"]["reason"]) == (410, "Expired")
    assert (listed["code"], listed["reason"]) == (410, "Expired")


async def test_watchers_that_leave_are_forgotten(
    made: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assembled = []
    real = server_module.assemble

    def remember(settings: ApiServerSettings) -> server_module.Parts:
        assembled.append(real(settings))
        return assembled[-1]

    monkeypatch.setattr(server_module, "assemble", remember)
    listener = socket.create_server(("127.0.0.1", 0))

    async with running(settings_of(made), [listener]):
        wakers = assembled[0].store.collection("configmaps").wakers
        async with (
            client(made, listener.getsockname()[1]) as session,
            session.get(MAPS, params={"watch": "1"}) as answer,
        ):
            assert answer.status == 200
            assert len(wakers) == 1
        async with asyncio.timeout(DEADLINE_S):
            while wakers:
                await asyncio.sleep(0)


async def test_many_watchers_see_every_change_in_order(made: ServerProcess) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    watchers, changes = 50, 40

    async def names(session: aiohttp.ClientSession, started: asyncio.Event) -> list[str]:
        others = "metadata.name!=kube-root-ca.crt"
        query = {"watch": "1", "resourceVersion": "1", "fieldSelector": others}
        seen: list[str] = []
        async with session.get(MAPS, params=query) as answer:
            started.set()
            async for line in answer.content:
                seen.append(json.loads(line)["object"]["metadata"]["name"])
                if len(seen) == changes:
                    break
        return seen

    port = listener.getsockname()[1]
    async with running(settings_of(made), [listener]), client(made, port) as session:
        events = [asyncio.Event() for _ in range(watchers)]
        tasks = [asyncio.create_task(names(session, event)) for event in events]
        await asyncio.gather(*(event.wait() for event in events))
        for index in range(changes):
            await create(session, f"m{index}")
        seen = await asyncio.gather(*tasks)

    assert all(one == [f"m{index}" for index in range(changes)] for one in seen)


async def test_a_store_that_cannot_be_written_ends_the_server(made: ServerProcess) -> None:
    settings = settings_of(made)
    settings.data_dir.mkdir()
    (settings.data_dir / "objects.sqlite").write_bytes(b"no database, whatever it is" * 100)

    with pytest.raises(StoreError, match=r"objects\.sqlite"):
        await serve(settings, [])


async def test_a_store_that_fails_later_acknowledges_nothing_and_ends_the_server(
    made: ServerProcess,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(settings_of(made), [listener], ready=ready))
    async with asyncio.timeout(DEADLINE_S):
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set()
        with closing(sqlite3.connect(made.directory / "data" / "objects.sqlite")) as other:
            other.execute("DROP TABLE versions")
        async with (
            client(made, listener.getsockname()[1]) as session,
            session.post(MAPS, json={"metadata": {"name": "a"}}) as answer,
        ):
            assert answer.status == 500

        with pytest.raises(StoreError, match="no such table"):
            await serving


async def test_wrong_certificates_are_named(made: ServerProcess) -> None:
    wrong = replace(settings_of(made), cert_file=made.directory / "none.crt")

    with pytest.raises(SettingError, match=r"none\.crt"):
        await serve(wrong, [])
