"""A server that is stopped (SIGSTOP) while its kernel goes on acknowledging."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.kube.conftest import eventually
from tests.unit.kube.embedded_server import EmbeddedServer

from ciliate.api.core import NODES
from ciliate.kube import credentials
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import UnavailableError
from ciliate.kube.informer import Informer
from ciliate.kube.transport import Limits

LIMITS = Limits(request_s=1.0, connect_s=0.5, silence_s=0.3, probe_s=0.3)
RUN = "from ciliate.apiserver.command import command; command()"


@pytest.fixture
async def files(tmp_path: Path) -> EmbeddedServer:
    return EmbeddedServer(tmp_path, crd_files=(), history_entries_max=100)


@pytest.fixture
async def process(
    files: EmbeddedServer, tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    pki = tmp_path / "pki"
    options = {
        "data-dir": tmp_path / "data",
        "listen": f"127.0.0.1:{files.port}",
        "ca-file": pki / "ca.crt",
        "cert-file": pki / "apiserver.crt",
        "key-file": pki / "apiserver.key",
        "kubelet-sockets": tmp_path / "{node}.sock",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, *words)
    yield started
    started.kill()
    await started.wait()


async def test_a_stopped_server_is_noticed_and_found_again(
    files: EmbeddedServer, process: asyncio.subprocess.Process
) -> None:
    async with ApiClient(credentials.from_kubeconfig(files.kubeconfig), limits=LIMITS) as client:
        informer = Informer(client, NODES)
        task = asyncio.ensure_future(informer.run())
        await eventually(lambda: informer.connected, within_s=15)

        process.send_signal(signal.SIGSTOP)
        with pytest.raises(UnavailableError, match="no answer"):
            await client.get(NODES, "any")
        await eventually(lambda: not informer.connected)

        process.send_signal(signal.SIGCONT)
        await eventually(lambda: informer.connected, within_s=15)
        task.cancel()
        await asyncio.wait([task])
