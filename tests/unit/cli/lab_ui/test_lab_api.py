"""`cli/lab_ui/lab_api.py`: the lab as it stands, and answers to wrong questions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.unit.flows.grpc_listener.fronted_server import HERE, connected, free_port
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.api.definitions import definition_files
from ciliate.cli.lab_ui.lab_api import LabApi
from ciliate.flows.ui.serving import serve_page
from ciliate.flows.ui.settings import UiSettings
from ciliate.kube.client import ApiClient
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, Phase, machine_state, write_state
from ciliate.lab.topology import default_machines

NOWHERE = f"{HERE}:9"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path / "api", crd_files=definition_files()) as started:
        yield started


@asynccontextmanager
async def asked(folder: Path, server: EmbeddedServer) -> AsyncIterator[tuple[Any, str]]:
    """Serve the API of a lab of one node; yield a client and where to ask."""
    paths = LabPaths("x", root=folder)
    paths.folder.mkdir(parents=True)
    machines = [machine_state(paths, m, dual_stack=False) for m in default_machines(1)]
    write_state(
        paths,
        LabState(
            name="x",
            checkout="/src",
            phase=Phase.UP,
            dual_stack=False,
            api_port=1,
            settings={},
            machines=machines,
        ),
    )
    paths.kubeconfig.write_bytes(server.kubeconfig.read_bytes())
    port = free_port()
    async with ApiClient.from_kubeconfig(server.kubeconfig) as client:
        api = LabApi(paths, client, NOWHERE, "medium")
        page = UiSettings(f"{HERE}:{port}", NOWHERE, "", None)
        serving = asyncio.create_task(serve_page(page, api.add))
        try:
            _reader, writer = await connected(port)
            writer.close()
            async with aiohttp.ClientSession() as session:
                yield session, f"http://{HERE}:{port}"
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def test_picture_has_the_machines_and_the_view_has_its_files(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with asked(tmp_path, server) as (session, url):
        async with session.get(f"{url}/lab-api/picture") as response:
            picture = await response.json()
        async with session.get(f"{url}/lab/view.js") as response:
            assert response.status == 200

    assert picture["name"] == "x"
    names = [machine["name"] for machine in picture["machines"]]
    assert names == ["router", "k8s-ctr"]
    assert picture["machines"][1]["eth1"] == ["192.168.10.100"]


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (b'{"pod": "default/none", "destination": "1.2.3.4"}', "pod default/none does not exist"),
        (b'{"pod": "none", "destination": "1.2.3.4"}', "pod default/none does not exist"),
        (b'{"pod": "none", "destination": "a/b/c/d"}', "no name and no address"),
        (b'{"pod": 3, "destination": "1.2.3.4"}', "Expected `str`, got `int`"),
        (b'{"pod": "none"}', "missing required field `destination`"),
        (b'{"pod": "none", "destination": "x", "more": 1}', "unknown field `more`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{", "the question cannot be read: Input data was truncated"),
    ],
)
async def test_question_that_cannot_be_answered_says_why(
    tmp_path: Path, server: EmbeddedServer, question: bytes, problem: str
) -> None:
    async with asked(tmp_path, server) as (session, url):
        headers = {"Content-Type": "application/json"}
        async with session.post(f"{url}/lab-api/ways", data=question, headers=headers) as response:
            assert response.status == 422
            assert problem in (await response.json())["problem"]


async def test_pages_of_others_cannot_ask_in_a_readers_name(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with (
        asked(tmp_path, server) as (session, url),
        session.post(f"{url}/lab-api/ways", data={"pod": "a"}) as response,
    ):
        assert response.status == 415
