"""A node that routes, on a kernel in memory."""

import pytest
from tests.unit.node.cluster_tables import all_listed
from tests.unit.routing.route_kernel import RoutingNode


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> RoutingNode:
    """A node whose watches have listed; no other node is there."""
    node = RoutingNode(monkeypatch)
    all_listed(node.cluster)
    await node.start()
    return node
