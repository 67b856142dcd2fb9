"""The lab's own processes: zygote, API server, kubelets, web servers.

Each has a log file and a control group of its name, so that one can be stopped and started anew.
The API server's sockets are bound here, before it starts: one at the control plane's cluster
address, in that machine, and one on the host's loopback for the user's kubectl, the only thing of
a lab that the host's network namespace holds. Clients may connect at once; the kernel lets them
wait until the server accepts.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.control_plane_flags import apiserver_flags, controller_flags
from ciliate.lab.errors import LabError
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.paths import LabPaths
from ciliate.lab.spawn import ENVIRONMENT, Entry, SpawnRequest
from ciliate.lab.state import LabState
from ciliate.lab.topology import API_PORT, INTERNET, ROUTER, internet_addresses
from ciliate.lab.zygote import BACKLOG
from ciliate.lab.zygote_client import Child, ZygoteClient
from ciliate.system.unix_socket import listen_unix

#: Names of processes, which are their control groups below the lab's.
ZYGOTE: Final = "zygote"
APISERVER: Final = "apiserver"
KUBE: Final = "kube"
WEB_ROUTER: Final = f"{ROUTER}/web"
WEB_INTERNET: Final = f"{INTERNET}/web"

#: What the zygote forks.
FORKED: Final = (APISERVER, KUBE, WEB_ROUTER, WEB_INTERNET)
ALL: Final = (ZYGOTE, *FORKED)

_LOG_LINES: Final = 12
_LOG_TAIL_BYTES: Final = 16 * 1024


class PortTakenError(LabError):
    """The API server's address cannot be bound."""

    def __init__(self, *, address: str, error: OSError) -> None:
        self.address = address
        super().__init__(f"API server on {address}: {error.strerror}: is another one running?")


def log_path(paths: LabPaths, name: str) -> Path:
    """Where a process writes its log."""
    return paths.logs / f"{name.replace('/', '-')}.log"


def log_tail(paths: LabPaths, name: str) -> str:
    """The last lines of a process's log; empty where there is none."""
    try:
        with log_path(paths, name).open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-_LOG_LINES:])


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process's end and return its exit code."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


def alive(paths: LabPaths) -> dict[str, bool]:
    """Which of the lab's own processes run."""
    cgroup = LabCgroup.of(paths.name)
    return {name: bool(LabCgroup(cgroup.path / name).pids()) for name in ALL}


@dataclass(frozen=True, slots=True)
class Processes:
    """Starts and stops the processes of one lab."""

    paths: LabPaths

    @property
    def zygote(self) -> ZygoteClient:
        """The lab's process starter."""
        return ZygoteClient(self.paths.zygote)

    def start_zygote(self) -> subprocess.Popen[bytes]:
        """Start the zygote; requests may be sent at once, it answers after its imports.

        Not by asyncio, whose event loop kills its children when it closes (Python 3.13): the zygote
        outlives the command that starts it.
        """
        with (
            listen_unix(
                self.paths.zygote, kind=socket.SOCK_SEQPACKET, backlog=BACKLOG
            ) as listener,
            self._log(ZYGOTE) as log,
        ):
            zygote = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ciliate.lab.zygote",
                    self.paths.name,
                    str(listener.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,
                cwd="/",
                env=ENVIRONMENT,
            )
        # At once: an interrupted `lab up` finds by the group what to kill.
        LabCgroup.of(self.paths.name).join(ZYGOTE, pid=zygote.pid)
        return zygote

    async def start_apiserver(
        self, state: LabState, outside: socket.socket | None = None
    ) -> Child:
        """Start the API server behind its two sockets; `outside` is the host's, if bound already.

        Raises:
            PortTakenError: One of its addresses is in use.
        """
        host = state.nodes[0].node_ips[0]
        inside = await asyncio.to_thread(
            in_namespaces, state.nodes[0].pins, lambda: bind_api(host, API_PORT), ("net",)
        )
        outside = outside or bind_api("127.0.0.1", state.api_port)
        with inside, outside:
            return await self._call(
                APISERVER,
                [
                    "ciliate.lab.control_plane:run_apiserver",
                    self.paths.name,
                    *apiserver_flags(dual_stack=state.dual_stack),
                ],
                title=f"ciliate apiserver --name {self.paths.name}",
                sockets=(inside.fileno(), outside.fileno()),
            )

    async def start_kube(self, state: LabState) -> Child:
        """Start the kubelets and controllers."""
        flags = controller_flags(dual_stack=state.dual_stack)
        return await self._call(
            KUBE,
            ["ciliate.lab.node_services:main", str(self.paths.folder), *flags],
            title=f"ciliate lab kube --name {self.paths.name}",
            env={"KUBECONFIG": str(self.paths.kubeconfig)},
        )

    async def start_web(self, name: str, state: LabState) -> Child:
        """Start the web server of the router, or of the internet machine, which knows names too."""
        machine = name.partition("/")[0]
        words = []
        if machine == INTERNET:
            own = internet_addresses(dual_stack=state.dual_stack)
            # Only on the internet machine do all clients have one address.
            words = ["--per-link", *(f"--names-for={each.ip}" for each in own)]
        return await self._call(
            name,
            ["ciliate.lab.web_server:main", machine, *words],
            title=f"ciliate lab web-server {machine}",
            pins=str(self.paths.pins(machine)),
        )

    async def stop(self, name: str) -> None:
        """Kill a process and everything it started."""
        await asyncio.to_thread(LabCgroup.of(self.paths.name).remove, name)

    async def _call(
        self,
        name: str,
        argv: list[str],
        *,
        title: str,
        pins: str | None = None,
        env: dict[str, str] | None = None,
        sockets: tuple[int, ...] = (),
    ) -> Child:
        request = SpawnRequest(
            argv=argv,
            entry=Entry.CALL,
            pins=pins,
            cgroup=name,
            env=ENVIRONMENT | (env or {}),
            title=title,
        )
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._log(name) as log:
                return await self.zygote.spawn(
                    request, stdin=nothing, stdout=log, stderr=log, sockets=sockets
                )
        finally:
            os.close(nothing)

    @contextmanager
    def _log(self, name: str) -> Iterator[int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(log_path(self.paths, name), flags, 0o600)
        try:
            yield log
        finally:
            os.close(log)


def bind_api(host: str, port: int) -> socket.socket:
    """A listening socket of the API server in the calling thread's network namespace.

    Port 0 takes a free one.

    Raises:
        PortTakenError: The address is in use.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise PortTakenError(address=f"{host}:{port}", error=error) from error
    return opened
