"""An operator whose every first request is refused starts, leads, and says what it waited for."""

import asyncio
import logging
from pathlib import Path

import pytest
from tests.unit.kube.doorman import ALL, FORBIDDEN, Refusal, doorman
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import configure, health, invocation

from ciliate.kube.client import ApiClient
from ciliate.operator.process import run_operator

DEADLINE_S = 30.0


async def leading(socket: Path) -> None:
    while not await asyncio.to_thread(socket.exists):
        await asyncio.sleep(0.01)
    while True:
        status, document = await health(socket, "/readyz")
        if status == 200 and document["leader"]:
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("refusal", ALL, ids=lambda each: str(each.status))
async def test_operator_that_is_refused_at_first_leads(
    server: EmbeddedServer,
    client: ApiClient,
    tmp_path: Path,
    refusal: Refusal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await configure(client, {"ipam": "kubernetes"})
    socket = tmp_path / "operator.sock"
    async with asyncio.timeout(DEADLINE_S), doorman(server, tmp_path, refusal, times=1) as guard:
        server.kubeconfig = guard.kubeconfig
        operator = asyncio.ensure_future(run_operator(invocation(server, socket)))
        arriving = asyncio.ensure_future(leading(socket))
        await asyncio.wait((operator, arriving), return_when=asyncio.FIRST_COMPLETED)
        assert not operator.done()
        operator.cancel()
        await asyncio.wait([operator])

    told = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len({each.message for each in told if each.name.endswith("process")}) == len(
        [each for each in told if each.name.endswith("process")]
    )


async def test_health_says_what_a_refused_operator_waits_for_and_since_when(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    await configure(client, {"ipam": "kubernetes"})
    socket = tmp_path / "operator.sock"
    async with asyncio.timeout(DEADLINE_S), doorman(server, tmp_path, FORBIDDEN) as guard:
        guard.closed = True
        server.kubeconfig = guard.kubeconfig
        operator = asyncio.ensure_future(run_operator(invocation(server, socket)))
        while not await asyncio.to_thread(socket.exists):
            await asyncio.sleep(0.01)
        while "HTTP 403" not in (document := (await health(socket, "/readyz"))[1])["state"]:
            await asyncio.sleep(0.01)
        assert "get configmaps kube-system/cilium-config" in document["state"]
        assert document["since"]
        guard.closed = False
        await leading(socket)
        assert (await health(socket, "/readyz"))[1]["state"] == "ok"
        operator.cancel()
        await asyncio.wait([operator])
