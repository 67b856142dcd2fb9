"""Machines for measuring: network namespaces that exist as long as a process holds them.

Nothing here has a name in the file system. A namespace lives while a process is in it, that process
dies with this one (PR_SET_PDEATHSIG), and links, routes and netfilter rules go with their
namespace: after a crash or a kill -9 nothing is left.
"""

import contextlib
import fcntl
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from ciliate.errors import CiliateError

#: Goes before every process that must not outlive this one.
_DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")

#: Longest wait for a process to say that it is ready, in seconds: a hundred times the usual.
READY_TIMEOUT_S: Final = 10.0

#: Longest run of a set-up command, in seconds.
COMMAND_TIMEOUT_S: Final = 60.0


class CommandError(CiliateError):
    """A command of the set-up or of a sample failed; without it there is no measurement."""

    def __init__(self, command: Sequence[str], problem: str) -> None:
        self.command = tuple(command)
        self.problem = problem
        super().__init__(f"{' '.join(command)}: {problem.strip() or 'no message'}")


def run(
    command: Sequence[str], *, stdin: str | None = None, timeout_s: float = COMMAND_TIMEOUT_S
) -> str:
    """Run `command` to its end and return what it printed.

    Raises:
        CommandError: It ended with another code than 0, or not within `timeout_s` seconds.
    """
    try:
        done = subprocess.run(
            [*_DIES_WITH_US, *command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        # iperf3 --json reports its errors on standard output.
        raise CommandError(command, f"{error.stderr}{error.stdout}"[-2000:]) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(command, f"not done after {timeout_s:g} s") from error
    except OSError as error:
        raise CommandError(command, str(error)) from error
    return done.stdout


@contextlib.contextmanager
def running(command: Sequence[str], *, ready: str) -> Iterator[int]:
    """Keep `command` running; enter once it has printed `ready`; yields its process id.

    Raises:
        CommandError: It ended before, or said nothing for `READY_TIMEOUT_S`.
    """
    with subprocess.Popen(
        [*_DIES_WITH_US, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        # What it says later is not read: room for a thousand samples' reports of iperf3.
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)
        try:
            _await_text(process.stdout, ready, command)
            yield process.pid
        finally:
            process.kill()


def _await_text(stream: IO[bytes], text: str, command: Sequence[str]) -> None:
    """Read from `stream` until `text` has come by; see `running` for the errors."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    seen = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while text.encode() not in seen:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise CommandError(command, f"not ready after {READY_TIMEOUT_S:g} s")
            piece = os.read(stream.fileno(), 4096)
            if not piece:
                raise CommandError(command, seen.decode(errors="replace"))
            seen += piece


#: Puts the shell, and what it becomes, into the control group that is its first word.
_JOIN: Final = 'echo 0 > "$0/cgroup.procs" && exec "$@"'


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a process can be put: a network namespace by its path, on one processor or any.

    With `cgroup`, a folder, it is in that control group as well: programs for sockets see it.
    """

    netns: str
    cgroup: str = ""

    def command(self, command: Sequence[str], *, cpu: int | None = None) -> list[str]:
        """Return `command` as it runs on this machine, held to processor `cpu` if given.

        Not `ip netns exec`: it remounts /sys and hides the bpf and cgroup file systems.
        """
        pinned = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
        joined = ["sh", "-c", _JOIN, self.cgroup] if self.cgroup else []
        return [*joined, "nsenter", f"--net={self.netns}", *pinned, *command]

    def run(self, *command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run `command` here to its end; errors as `run`."""
        return run(self.command(command), timeout_s=timeout_s)

    def set_kernel(self, **settings: str | int) -> None:
        """Set kernel parameters of this namespace; a name's `__` stands for a dot."""
        words = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
        self.run("sysctl", "--quiet", "--write", *words)


@contextlib.contextmanager
def fresh_machine() -> Iterator[Machine]:
    """Make an empty machine with its loopback up; it goes at the end, or with this process."""
    script = "ip link set lo up && echo ready && exec sleep infinity"
    with running(["unshare", "--net", "sh", "-c", script], ready="ready") as sleeper:
        yield Machine(netns=f"/proc/{sleeper}/ns/net")


def pid_of(machine: Machine) -> str:
    """Return the process id that `ip link … netns` takes for a machine made here."""
    return machine.netns.split("/")[2]


def join(machine: Machine, device: str, bridge: Machine, port: str) -> None:
    """Give `machine` the device `device`, whose other end is `port` of the bridge br0."""
    machine.run(
        *("ip", "link", "add", device, "type", "veth"),
        *("peer", "name", port, "netns", pid_of(bridge)),
    )
    machine.run("ip", "link", "set", device, "up")
    bridge.run("ip", "link", "set", port, "master", "br0", "up")
