"""Nodes for the tests of attachments."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.unit.endpoint.attachment_node import Node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with six addresses. Its group ends in peace: nothing in it may fail."""
    async with asyncio.TaskGroup() as tasks:
        yield Node(tmp_path / "endpoints", tasks, cidr="10.244.0.0/29")


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with one address."""
    async with asyncio.TaskGroup() as tasks:
        node = Node(tmp_path / "endpoints", tasks, cidr="10.244.0.0/30")
        node.addresses.take([ip_address("10.244.0.2")], "router")
        yield node
