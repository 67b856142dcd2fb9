"""An API server and an operator as processes of their own, without a lab: no network, no agents."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ciliate.api.definitions import definition_files
from ciliate.apiserver.pki import create_ca, issue, render_kubeconfig, write_private
from ciliate.errors import CiliateError

#: Our command, from the same virtual environment as this process.
_CILIATE: Final = str(Path(sys.executable).with_name("ciliate"))

_START_TIMEOUT_S: Final = 30.0
_POLL_EVERY_S: Final = 0.005


class NotReadyError(CiliateError):
    """A process did not do what it was started for in time."""

    def __init__(self, what: str, said: str) -> None:
        super().__init__(f"{what}: not within {_START_TIMEOUT_S:g} s: {said.strip()[-1000:]}")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server; operators are started on it."""

    folder: Path
    server: "subprocess.Popen[bytes]"

    @property
    def kubeconfig(self) -> Path:
        """How to reach the server, as administrator."""
        return self.folder / "kubeconfig"

    @contextlib.contextmanager
    def operator(self) -> Iterator["Operator"]:
        """Run an operator; it is killed at the end, as by a power failure."""
        health = self.folder / "operator.sock"
        with (self.folder / "operator.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    _CILIATE,
                    "operator",
                    f"--kubeconfig={self.kubeconfig}",
                    f"--health-socket={health}",
                ],
                stderr=log,
            )
        try:
            yield Operator(process, health, self.folder / "operator.log")
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Operator:
    """A running operator."""

    process: "subprocess.Popen[bytes]"
    health: Path
    log: Path

    @property
    def rss_kib(self) -> int:
        """Its resident memory now."""
        return self._status("VmRSS")

    @property
    def peak_kib(self) -> int:
        """The most resident memory it has had."""
        return self._status("VmHWM")

    def await_leading(self) -> None:
        """Wait until it leads with complete tables.

        Raises:
            NotReadyError: It does not in time.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                if self.ask("/readyz")["leader"] and self.ask("/ipam")["mode"]:
                    return
            time.sleep(_POLL_EVERY_S)
        raise NotReadyError("operator", self.log.read_text(encoding="utf-8"))

    def ask(self, path: str) -> Any:
        """Return the JSON that its health socket answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(self.health))
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: o\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.splitlines()[0]:
            raise ValueError(head.decode())
        return msgspec.json.decode(body)

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        return 0


@contextlib.contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Run an API server that knows our definitions, with an empty store in memory."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ciliate-bench-", dir=place) as name:
        folder = Path(name)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        ca = create_ca(folder / "pki")
        cert, key = issue(ca, common_name="apiserver", sans=("127.0.0.1",), server=True).write(
            folder / "pki", "apiserver"
        )
        client = issue(ca, common_name="admin", organizations=("system:masters",), server=False)
        text = render_kubeconfig(server=f"https://127.0.0.1:{port}", ca=ca, client=client)
        write_private(folder / "kubeconfig", text.encode())
        with (folder / "apiserver.log").open("ab") as log:
            server = subprocess.Popen(
                [
                    *(_CILIATE, "apiserver", f"--data-dir={folder}/data"),
                    *(f"--listen=127.0.0.1:{port}", f"--ca-file={folder}/pki/ca.crt"),
                    *(f"--cert-file={cert}", f"--key-file={key}"),
                    f"--kubelet-sockets={folder}/{{node}}.sock",
                    *(f"--crd-file={path}" for path in definition_files()),
                ],
                stderr=log,
            )
        try:
            _await_port(port, folder / "apiserver.log")
            yield ControlPlane(folder, server)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(_POLL_EVERY_S)
    raise NotReadyError("API server", log.read_text(encoding="utf-8"))


async def spread(work: Any, count: int) -> None:
    """Run `count` workers of the coroutine function `work` at once."""
    async with asyncio.TaskGroup() as tasks:
        for _worker in range(count):
            tasks.create_task(work())
