"""The embedded API server in this process, on loopback, with TLS and client certificates."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ciliate.apiserver.pki import create_ca, issue, render_kubeconfig, write_private
from ciliate.apiserver.server import serve
from ciliate.apiserver.settings import ApiServerSettings


class EmbeddedServer:
    """A server that can be stopped and started again on the same port and store."""

    def __init__(
        self, folder: Path, *, crd_files: tuple[Path, ...], history_entries_max: int
    ) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.kubeconfig = folder / "kubeconfig"
        ca = create_ca(folder / "pki")
        files = issue(ca, common_name="apiserver", sans=("127.0.0.1",), server=True).write(
            folder / "pki", "apiserver"
        )
        client = issue(ca, common_name="admin", organizations=("system:masters",), server=False)
        text = render_kubeconfig(server=f"https://127.0.0.1:{self.port}", ca=ca, client=client)
        write_private(self.kubeconfig, text.encode())
        self._settings = ApiServerSettings(
            data_dir=folder / "data",
            ca_file=folder / "pki" / "ca.crt",
            cert_file=files[0],
            key_file=files[1],
            kubelet_sockets=str(folder / "{node}.sock"),
            crd_files=crd_files,
            history_entries_max=history_entries_max,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        ready = asyncio.Event()
        listener = socket.create_server(("127.0.0.1", self.port))
        self._task = asyncio.ensure_future(serve(self._settings, [listener], ready=ready))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait((self._task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])


@asynccontextmanager
async def embedded_server(
    folder: Path, *, crd_files: tuple[Path, ...] = (), history_entries_max: int = 1000
) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(folder, crd_files=crd_files, history_entries_max=history_entries_max)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
