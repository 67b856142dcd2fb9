"""A forked child's way from the zygote to its work: set-up in the one order that holds.

Control group first (the host's cgroup file system is out of sight later), then namespaces and
root, working folder, session and terminal, streams, environment, and privileges last, since all
before needs them. Every failure up to there goes to the client as an answer; from there on the
process is on its own and has only its exit code.
"""

import fcntl
import importlib
import io
import logging
import os
import shutil
import signal
import socket
import stat
import sys
import termios
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import click
import msgspec

from ciliate.errors import CiliateError
from ciliate.lab import namespaces
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.container.privileges import hide_from_container, take_on
from ciliate.lab.container.root import enter_new_root
from ciliate.lab.container.running import enter_container, host_pid
from ciliate.lab.errors import SpawnError
from ciliate.lab.spawn import Answer, Entry, SpawnRequest
from ciliate.system.process_title import set_process_title

#: Descriptors of the set-up are parked from this number on, above every one of the process.
_PARKED_FD_MIN: Final = 512

#: Exit codes of shells and container runtimes for a command that cannot be run, or is not there.
_CANNOT_RUN: Final = 126
_NOT_FOUND: Final = 127

#: The whole command, by name: its layer lies above this one and must not be imported here.
_PROGRAM: Final = "ciliate.cli.main:run"


@dataclass(slots=True)
class Launch:
    """A child's request, with the descriptors that came along."""

    request: SpawnRequest
    descriptors: list[int]
    connection: socket.socket
    cgroup: LabCgroup
    #: Of the process beside which this one is to run in a container (`SpawnRequest.beside`).
    beside: int | None = None

    def run(self) -> int:
        """Set up and do the request's work; the exit code."""
        pid = host_pid()
        try:
            executable = self._set_up()
        except (CiliateError, OSError, ValueError, LookupError) as error:
            code = error.code if isinstance(error, SpawnError) else _CANNOT_RUN
            self._answer(Answer(error=str(error), code=code))
            return code
        self._answer(Answer(pid=pid))
        self.connection.close()
        if executable is not None:
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            try:
                os.execve(executable, self.request.argv, os.environ)  # noqa: S606 - no shell is wanted.
            except OSError as error:
                os.write(2, f"{executable}: {error.strerror}\n".encode())
                return _CANNOT_RUN
        return _run_python(self.request)

    def _answer(self, answer: Answer) -> None:
        with suppress(OSError):  # The client left; its process starts all the same.
            self.connection.send(msgspec.json.encode(answer), socket.MSG_NOSIGNAL)

    def _set_up(self) -> str | None:
        """Become what the request says; the executable's path where there is one to execute."""
        request = self.request
        if len(self.descriptors) < 3:
            raise SpawnError(argv=request.argv, problem="needs three descriptors")
        if not request.argv:
            raise SpawnError(argv=["?"], problem="has no words")
        self.cgroup.join(request.cgroup)
        self._enter()
        self._place_descriptors()
        os.setsid()
        if request.tty:
            if request.container is not None:
                _make_terminal()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        executable = self._find_executable()
        os.environ.clear()
        os.environ.update(request.env)
        if len(self.descriptors) > 3:
            os.environ["LISTEN_FDS"] = str(len(self.descriptors) - 3)
            os.environ["LISTEN_PID"] = str(os.getpid())
        if request.privileges is not None:
            _give_streams(request.privileges.uid)
            take_on(request.privileges)
        return executable

    def _enter(self) -> None:
        """Be where the request says: in a container, new or not, or in the namespaces of pins."""
        request = self.request
        if request.container is not None:
            hide_from_container()
            privileges = request.privileges
            enter_new_root(
                request.container, privileged=privileges is not None and privileges.privileged
            )
            os.makedirs(request.cwd, exist_ok=True)
        elif self.beside is not None:
            hide_from_container()
            enter_container(self.beside)
            os.close(self.beside)
        elif request.pins is not None:
            namespaces.enter(request.pins, request.kinds)
        os.chdir(request.cwd)

    def _place_descriptors(self) -> None:
        """Put the received descriptors to 0, 1, 2, 3 and so on, in their order.

        All are parked high first: a received descriptor may have the number another one is to get.
        """
        parked = [
            fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _PARKED_FD_MIN)
            for number in self.descriptors
        ]
        for number in self.descriptors:
            os.close(number)
        if self.connection.fileno() < len(parked):
            high = fcntl.fcntl(self.connection.fileno(), fcntl.F_DUPFD_CLOEXEC, _PARKED_FD_MIN)
            os.close(self.connection.detach())
            self.connection = socket.socket(fileno=high)
        for place, number in enumerate(parked):
            os.dup2(number, place, inheritable=True)
            os.close(number)

    def _find_executable(self) -> str | None:
        if self.request.entry is not Entry.EXEC:
            return None
        wanted = self.request.argv[0]
        found = shutil.which(wanted, path=self.request.env.get("PATH", os.defpath))
        if found is None:
            raise SpawnError(
                argv=self.request.argv, problem="no such command on its PATH", code=_NOT_FOUND
            )
        return found


def _make_terminal() -> None:
    """Make a terminal in the new container; its other side goes out by the socket that is stdin."""
    ours, theirs = os.openpty()
    with socket.socket(fileno=os.dup(0)) as console:
        socket.send_fds(console, [b"terminal"], [ours])
    os.close(ours)
    for stream in (0, 1, 2):
        os.dup2(theirs, stream)
    os.close(theirs)


def _give_streams(uid: int) -> None:
    """Let a user open its pipes or terminal anew, as programs do by /dev/stdout; not /dev/null."""
    for stream in (0, 1, 2):
        if stat.S_ISFIFO(os.fstat(stream).st_mode) or os.isatty(stream):
            os.fchown(stream, uid, -1)


def _run_python(request: SpawnRequest) -> int:
    """Run one of our own entries in this interpreter, as a fresh one would."""
    shown = request.title or " ".join(["ciliate", *request.argv])
    set_process_title(shown)
    if os.getpid() == 1:  # The kernel has no default action for a PID namespace's first process.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = ["ciliate", *request.argv]
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = _output(1)
    sys.stderr = _output(2)
    code = _CANNOT_RUN
    try:
        code = _call(request)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            click.echo(leaving.code, err=True)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001 - the last frame of a process: what CPython does there.
        traceback.print_exc()
        code = 1
    logging.shutdown()
    return code


def _output(descriptor: int) -> io.TextIOWrapper:
    # Line buffering: logs are read while they grow.
    raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _call(request: SpawnRequest) -> int:
    target, words = _PROGRAM, request.argv
    if request.entry is Entry.CALL:
        target, words = request.argv[0], request.argv[1:]
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    return int(function(words) or 0)
