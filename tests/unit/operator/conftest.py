"""The embedded API server with our definitions, and an operator's parts on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.api.definitions import definition_files
from ciliate.kube.client import ApiClient


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path, crd_files=definition_files()) as running:
        yield running


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(server.kubeconfig) as made:
        yield made
