"""`agent/health.py`: what a kubelet's probe is told."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from ciliate.agent.health import health_endpoint
from ciliate.node.cluster import Cluster
from ciliate.node.progress import Progress

DEADLINE_S = 10.0
REFUSED = "list nodes: forbidden (HTTP 403 Forbidden)"


@pytest.mark.parametrize(
    ("progress", "problem", "headers", "status", "text"),
    [
        ("", "", {}, 200, "ok\n"),
        ("", "", {"brief": "true"}, 200, "ok\n"),
        ("waiting for Node w1", "", {"brief": "true"}, 500, "waiting for Node w1\n"),
        ("waiting for Node w1", "", {"require-k8s-connectivity": "false"}, 500, None),
        ("", REFUSED, {"brief": "true"}, 500, f"{REFUSED}\n"),
        ("", REFUSED, {"require-k8s-connectivity": "true"}, 500, None),
        ("", REFUSED, {"require-k8s-connectivity": "false"}, 200, "ok\n"),
    ],
)
async def test_probe_is_told_whether_the_agent_works_and_else_why(
    progress: str, problem: str, headers: dict[str, str], status: int, text: str | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    said = Progress()
    said.done()
    if progress:
        said.say(progress)
    cluster = cast("Cluster", cast("Any", SimpleNamespace(problem=problem)))
    endpoint = health_endpoint(said, cluster, port=port, versions=(4,))

    async with asyncio.timeout(DEADLINE_S), endpoint.serving(), aiohttp.ClientSession() as session:
        while not endpoint.status.successes:
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{port}/healthz"
        async with session.get(url, headers=headers) as answer:
            assert answer.status == status
            assert text is None or await answer.text() == text


async def test_health_is_answered_on_loopback_alone() -> None:
    """Nobody else on the network is told anything."""
    cluster = cast("Cluster", cast("Any", SimpleNamespace(problem="")))

    endpoint = health_endpoint(Progress(), cluster, port=9879, versions=(4, 6))

    assert endpoint._place.addresses == (("127.0.0.1", 9879), ("::1", 9879))
