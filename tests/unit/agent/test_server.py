"""`agent/server.py`: what the socket answers, and to whom."""

import stat
from pathlib import Path

import aiohttp

from ciliate.agent.server import AgentServer
from ciliate.metrics.family import Family
from ciliate.metrics.server import Metrics
from ciliate.node.progress import Progress


class Nothing:
    async def answer(self, path: str) -> object | None:
        del path
        return None

    async def act(self, path: str, body: bytes) -> object | None:
        return {"path": path, "said": body.decode()}


def _metrics() -> Metrics:
    return Metrics(lambda: [Family("answer", "Asked.", ("of",), [(("all",), 42)])], process="x")


async def test_metrics_are_text_at_the_root_and_samples_below_v1(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    progress = Progress()
    async with (
        AgentServer(progress, path) as server,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for target in ("/metrics", "/v1/metrics"):
            async with session.get(f"http://agent{target}") as early:
                assert early.status == 503

        server.show(Nothing(), _metrics())

        async with session.get("http://agent/metrics") as found:
            assert 'answer{of="all"} 42.0\n' in await found.text()
        async with session.get("http://agent/v1/metrics") as found:
            samples = await found.json()
            assert {"name": "answer", "value": 42.0, "labels": {"of": "all"}} in samples
