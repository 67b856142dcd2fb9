"""`services/proxy_health.py`: the two paths of kube-proxy's health port."""

import asyncio
import json

from aiohttp import ClientSession
from tests.deadlines import Deadline
from tests.unit.services.test_health_check import free_ports, listens

from ciliate.api.core import Node
from ciliate.api.metadata import ObjectMeta
from ciliate.reconcile.status import RunStatus
from ciliate.services.proxy_health import proxy_health_endpoint


async def test_node_that_goes_is_alive_and_not_healthy() -> None:
    (port,) = free_ports(1)
    node, is_healthy = Node(), True
    endpoint = proxy_health_endpoint(
        ("", port),
        is_healthy=lambda: is_healthy,
        sync=RunStatus("sync-services"),
        own_node=lambda: node,
    )

    async def asked(session: ClientSession, path: str) -> tuple[int, dict[str, object]]:
        async with session.get(f"http://127.0.0.1:{port}{path}") as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            return response.status, json.loads(await response.read())

    async with endpoint.serving(), ClientSession() as session:
        deadline = Deadline(5.0)
        while not listens(port):
            assert not deadline.passed
            await asyncio.sleep(0.005)
        status, body = await asked(session, "/healthz")
        assert (status, body["nodeEligible"]) == (200, True)
        assert body["lastUpdated"] == body["currentTime"]

        node = Node(metadata=ObjectMeta(deletion_timestamp="2026-11-29T19:40:00Z"))
        assert (await asked(session, "/healthz"))[0] == 503
        assert (await asked(session, "/livez"))[0] == 200

        is_healthy = False
        assert (await asked(session, "/livez"))[0] == 503
