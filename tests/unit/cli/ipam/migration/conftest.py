"""A cluster whose mode can be changed: the embedded API server, and what lives on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.cli.ipam.migration.living_cluster import LivingCluster
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.definitions import definition_files
from ciliate.kube.client import ApiClient


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[LivingCluster]:
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        living = LivingCluster(client, server.kubeconfig)
        async with living.run():
            yield living
