"""Definitions are installed once, brought up to ours, and never below a newer one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.definitions import (
    CUSTOM_RESOURCE_DEFINITIONS,
    SCHEMA_VERSION_LABEL,
    custom_resource_definitions,
)
from ciliate.kube.client import ApiClient
from ciliate.operator.definitions import install


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server without our definitions: installing them is the operator's."""
    async with embedded_server(tmp_path) as running:
        yield running


async def test_definitions_are_installed_once_and_served(client: ApiClient) -> None:
    ours = custom_resource_definitions()

    await install(client, ours)
    before = (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
    await install(client, ours)

    after = (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
    assert {item.metadata.name for item in before} >= {definition.name for definition in ours}
    assert before == after
    assert (await client.list(CILIUM_NODES)).items == ()


async def test_an_older_definition_is_replaced_and_a_newer_one_left_alone(
    client: ApiClient,
) -> None:
    ours = custom_resource_definitions()
    await install(client, ours)

    async def relabel(name: str, version: str) -> None:
        body = {"metadata": {"labels": {SCHEMA_VERSION_LABEL: version}}}
        await client.patch(CUSTOM_RESOURCE_DEFINITIONS, name, body)

    await relabel("ciliumnodes.cilium.io", "1.20.9")
    await relabel("ciliumendpoints.cilium.io", "99.0.0")
    await install(client, ours)

    versions = {
        item.metadata.name: item.metadata.labels[SCHEMA_VERSION_LABEL]
        for item in (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
    }
    assert versions["ciliumnodes.cilium.io"] == "1.31.0"
    assert versions["ciliumendpoints.cilium.io"] == "99.0.0"
