"""What a container is made of, as the kubelet tells the zygote. Pure."""

import enum
from typing import Final

import msgspec

#: linux/capability.h, by number and without CAP_, as Kubernetes names them.
CAPABILITIES: Final = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)

#: What containerd and Docker give a container of which nothing is said.
DEFAULT_NAMES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)


class Propagation(enum.Enum):
    """Which mounts made later below a volume are seen on the other side; Kubernetes' words."""

    NONE = "None"
    HOST_TO_CONTAINER = "HostToContainer"
    BIDIRECTIONAL = "Bidirectional"


class Missing(enum.Enum):
    """What a mount's source becomes where it is not there."""

    REFUSED = ""
    DIRECTORY = "directory"
    FILE = "file"


class ContainerMount(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder that a container sees at `target`."""

    source: str
    target: str
    in_node: bool = False
    """The source is a path of the node; else of the lab's own namespaces."""
    beneath: str = ""
    """A path in the source, which is never left by it: subPath."""
    missing: Missing = Missing.REFUSED
    read_only: bool = False
    propagation: Propagation = Propagation.NONE


class Privileges(msgspec.Struct, frozen=True, kw_only=True):
    """What a container's processes may do."""

    capabilities: tuple[str, ...] = tuple(sorted(DEFAULT_NAMES))
    """The bounding set; the user 0 has them, others get none by themselves."""
    privileged: bool = False
    """Every capability, all devices, and the kernel's settings writable: root on this machine."""
    no_new_privileges: bool = False
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


class ProcessNumbers(enum.Enum):
    """Which processes a container sees: its PID namespace."""

    OWN = "own"
    POD = "pod"
    """Those of its pod: the pin `pid` among the container's namespaces."""
    MACHINE = "machine"


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A container to be made around a new process."""

    image: str
    """The image's folder (`image.prepare_image`)."""
    stage: str
    """An empty folder of the lab, on which each container's root is put together."""
    node_pins: str
    """The namespaces of the node, whose paths mounts may name."""
    namespaces: dict[str, str] = {}
    """Kind -> pin, of those that the container shares with its pod or its node."""
    processes: ProcessNumbers = ProcessNumbers.OWN
    mounts: tuple[ContainerMount, ...] = ()
    read_only_root: bool = False


class RunningProcess(msgspec.Struct, frozen=True):
    """A process that runs, by its number and its start in ticks (proc_pid_stat(5), field 22)."""

    pid: int
    start_ticks: int
