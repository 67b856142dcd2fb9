"""The zygote: one warm, single-threaded process per lab that every other process is forked from.

It imports what agents, operator, API server and kubelets need, once; a fork then starts in
milliseconds and shares those pages. It keeps no state beyond its children: it forks, reaps,
reports exit codes. A child is born into its PID namespace, sets itself up (control group, other
namespaces, files, standard streams, terminal, privileges) and goes on as `spawn.Entry` says.

It must stay single-threaded: a fork copies only the calling thread, and a lock that another
thread held would stay held for ever.
"""

import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ciliate.errors import CiliateError
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.container.running import fork_into, open_process
from ciliate.lab.imports import import_all
from ciliate.lab.launch import Launch
from ciliate.lab.spawn import (
    DESCRIPTORS_MAX,
    MESSAGE_BYTES_MAX,
    Answer,
    Signal,
    SpawnRequest,
)
from ciliate.system.descriptors import raise_limit
from ciliate.system.process_title import set_process_title

#: Connections that may wait for the zygote to finish its imports.
BACKLOG: Final = 1024


@dataclass(slots=True, eq=False)
class _Connection:
    """A client, and its process once there is one."""

    socket: socket.socket
    pid: int | None = None


@dataclass(slots=True)
class Zygote:
    """Serves spawn requests on `listener` until it is killed; `serve` returns in children only."""

    listener: socket.socket
    cgroup: LabCgroup
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _children: dict[int, _Connection] = field(default_factory=dict)
    _connections: set[_Connection] = field(default_factory=set)

    def serve(self) -> Launch:
        """Fork a child per request. Returns in the child, with what it is to do."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # A handler makes the wake-up happen.
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.listener.setblocking(False)
        self._selector.register(self.listener, selectors.EVENT_READ, None)
        self._selector.register(wake_read, selectors.EVENT_READ, None)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self.listener:
                    self._accept()
                elif key.data is None:
                    with suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                else:
                    launch = self._read(key.data)
                    if launch is not None:
                        self._forget_parent(wake_read, wake_write)
                        return launch
            # On every turn: a child may have ended between two wake-ups.
            self._reap()

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            accepted, _ = self.listener.accept()
            accepted.setblocking(False)
            connection = _Connection(accepted)
            self._connections.add(connection)
            self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _read(self, connection: _Connection) -> Launch | None:
        """Take one message; the returned launch exists in a new child only."""
        descriptors: list[int] = []
        launch: Launch | None = None
        try:
            message, descriptors, _, _ = socket.recv_fds(
                connection.socket, MESSAGE_BYTES_MAX, DESCRIPTORS_MAX
            )
            if not message:
                self._drop(connection)
            elif connection.pid is None:
                request = msgspec.json.decode(message, type=SpawnRequest)
                launch = self._fork(connection, request, descriptors)
            else:
                self._signal(connection.pid, msgspec.json.decode(message, type=Signal))
        except (OSError, CiliateError, msgspec.DecodeError) as error:
            # A client that dies or talks nonsense costs its own connection, nothing else.
            self._send(connection, Answer(error=str(error)))
            self._drop(connection)
        finally:
            if launch is None:
                for descriptor in descriptors:
                    os.close(descriptor)
        return launch

    def _fork(
        self, connection: _Connection, request: SpawnRequest, descriptors: list[int]
    ) -> Launch | None:
        beside = open_process(request.beside) if request.beside is not None else None
        pid = -1
        try:
            pid = fork_into(request.container if beside is None else beside)
        finally:
            if beside is not None and pid != 0:
                os.close(beside)
        if pid == 0:
            return Launch(
                request=request,
                descriptors=descriptors,
                connection=connection.socket,
                cgroup=self.cgroup,
                beside=beside,
            )
        connection.pid = pid
        self._children[pid] = connection
        return None

    def _signal(self, pid: int, wanted: Signal) -> None:
        # The child leads a session and a group of its own once it has set itself up; before that
        # the signal reaches it alone. It is not reaped yet, so the number is still its own.
        with suppress(ProcessLookupError):
            if wanted.group and os.getpgid(pid) == pid:
                os.killpg(pid, wanted.signal)
            else:
                os.kill(pid, wanted.signal)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self._children.pop(pid, None)
            if connection is not None:
                self._send(connection, Answer(exit=os.waitstatus_to_exitcode(status)))
                self._drop(connection)

    def _send(self, connection: _Connection, message: Answer) -> None:
        with suppress(OSError):  # The client is gone, or does not read: its loss alone.
            connection.socket.send(msgspec.json.encode(message), socket.MSG_NOSIGNAL)

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _forget_parent(self, *descriptors: int) -> None:
        """In the child: close what belongs to the zygote and its other clients."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self.listener.close()
        for descriptor in descriptors:
            os.close(descriptor)
        for connection in self._connections:
            if connection.pid is not None:
                connection.socket.close()
        self._connections.clear()
        self._children.clear()


def warm_up(modules: Sequence[str]) -> None:
    """Import `modules`, and keep the collector away from what they made.

    Without the freeze the first collection in a child would write to every page it shares. What
    it would find here, one object in a hundred, is not worth the 50 ms.
    """
    import_all(modules)
    gc.freeze()


#: What agents, flow servers, relays, operator, API server, kubelets and web servers import.
WARM_MODULES: Final = (
    "ciliate.cli.app",
    "ciliate.cli.dbg",
    "ciliate.agent.command",
    "ciliate.operator.command",
    "ciliate.apiserver.server",
    "ciliate.flows.relay.process",
    "ciliate.flows.server.__main__",
    "ciliate.flows.ui.serving",
    "ciliate.lab.container.pause",
    "ciliate.lab.control_plane",
    "ciliate.lab.dns.program",
    "ciliate.lab.node_services",
    "ciliate.lab.kubelet.whoami",
    "ciliate.lab.web_server",
)


def heed_signals() -> None:
    """Ignore none of the signals that the shell which starts the lab ignores.

    Every process of the lab would inherit that (execve(2)). What Python ignores stays ignored, and is
    `Launch`'s to reset.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def run_zygote(listener: socket.socket, cgroup: LabCgroup, modules: Sequence[str]) -> int:
    """Be the zygote: join the lab's control group, warm up, serve. A child's exit code comes back.

    numpy's linear algebra would start threads at import, hence the variable.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Inherited by every process of the lab. Debian's 1024 is too little for an API server with the
    # watches of fifty nodes.
    raise_limit()
    cgroup.join("zygote")
    heed_signals()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    warm_up(modules)
    launch = Zygote(listener, cgroup).serve()
    code = launch.run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    # Without the interpreter's own clean-up: it would copy every page shared with the zygote.
    os._exit(code)


def main() -> None:
    """`python -m ciliate.lab.zygote LAB DESCRIPTOR`: be the zygote of a lab, on that socket."""
    lab, descriptor = sys.argv[1:]
    # Before the imports, which take most of a second: `ps` shows it from the start.
    set_process_title(f"ciliate lab zygote --name {lab}")
    run_zygote(socket.socket(fileno=int(descriptor)), LabCgroup.of(lab), WARM_MODULES)


if __name__ == "__main__":
    main()
