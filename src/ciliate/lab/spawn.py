"""What is said on the zygote's socket: one SOCK_SEQPACKET connection per process, JSON messages.

    client  SpawnRequest, with descriptors: stdin, stdout, stderr, then the request's `sockets`
    zygote  {"pid": n}                          set-up has succeeded, the process starts its work
    zygote  {"error": text, "code": 126}        or it has not, and this is all
    client  {"signal": n, "group": bool}        any number of times
    zygote  {"exit": code}                      exit status, or minus the signal that killed it

A client that closes early does not kill its process.
"""

import enum
from typing import Final

import msgspec

from ciliate.lab.container.spec import ContainerSpec, Privileges, RunningProcess

#: A message's bound, in bytes: below the kernel's default send buffer (net.core.wmem_default).
MESSAGE_BYTES_MAX: Final = 128 * 1024

#: A request's bound of descriptors: three for standard input and outputs, the rest sockets.
DESCRIPTORS_MAX: Final = 16

#: Every process of a lab gets this and nothing else of the user's environment.
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
}


class Entry(enum.Enum):
    """How the forked process goes on."""

    CILIATE = "ciliate"
    """`ciliate.cli.main.run(argv)`, without exec: as if `ciliate *argv` had been typed."""

    CALL = "call"
    """`argv[0]` is `package.module:function`, called with `argv[1:]`; it returns an exit code."""

    EXEC = "exec"
    """execve(2) of argv, looked up on the PATH of the request's environment."""


class SpawnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A process to start."""

    argv: list[str]
    entry: Entry = Entry.CILIATE
    pins: str | None = None
    """Folder of namespace pins, in the host's view; None stays in the zygote's namespaces."""
    kinds: list[str] | None = None
    """Which of the pins to enter, of `net`, `uts`, `ipc`, `mnt`; None: all that are there."""
    container: ContainerSpec | None = None
    """A container to be made around the process, which becomes its first one."""
    beside: RunningProcess | None = None
    """The first process of a container that runs, to run in that container."""
    privileges: Privileges | None = None
    """What the process may do; None: everything."""
    cgroup: str = ""
    """Control group below the lab's own, for example `k8s-w1/default_curl-pod_<UID>/curl`."""
    env: dict[str, str] = msgspec.field(default_factory=dict)
    """The whole environment; nothing is inherited."""
    cwd: str = "/"
    tty: bool = False
    """stdin is a terminal's slave side and becomes the controlling terminal. With `container` it is
    a socket: the terminal is made in the container, and its other side sent there (SCM_RIGHTS)."""
    title: str | None = None
    """What `ps` shows; default: `ciliate` and argv."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the zygote says; one field is set (`code` goes with `error`)."""

    pid: int | None = None
    error: str | None = None
    code: int = 126
    exit: int | None = None


class Signal(msgspec.Struct, frozen=True):
    """The client asks for a signal to the process, and with `group` to its process group."""

    signal: int
    group: bool = True
