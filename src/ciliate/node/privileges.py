"""What the agent's process must be allowed, and what is missing of it, with the remedy.

An agent in a container without it would start, answer and call itself well while every ADD fails.
So it is asked at the start, which ends then, and at each CNI STATUS: mounts and capabilities are
those of the container, which its operator may have changed since.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.errors import CiliateError
from ciliate.netlink.sysctl import write_problem

#: linux/capability.h -> what ours is for. CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
_NEEDED: Final = {
    12: ("CAP_NET_ADMIN", "links, routes and filters"),
    21: ("CAP_SYS_ADMIN", "pods' network namespaces and BPF programs"),
}


class MissingPrivilegesError(CiliateError):
    """The agent cannot do its work here; `missing` says what is not there, and the remedy."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        self.missing = missing
        super().__init__("the agent cannot attach pods here: " + "; ".join(missing))


@dataclass(frozen=True, slots=True)
class Privileges:
    """What this process may do."""

    capabilities: int  # Effective, as bits by number.
    sysctl_problem: str  # Why no setting of the kernel can be written; empty: they can.
    bpf_root: str
    is_bpf_mounted: bool  # At `bpf_root`, or above it.

    def missing(self) -> tuple[str, ...]:
        """Return what is missing, one sentence each."""
        return tuple(self._missing())

    def _missing(self) -> Iterator[str]:
        for number, (name, use) in _NEEDED.items():
            if not self.capabilities >> number & 1:
                yield (
                    f"{name} is missing, for {use}: add it to the container's"
                    " securityContext.capabilities, or run it privileged"
                )
        if self.sysctl_problem:
            yield (
                f"{self.sysctl_problem}, so no setting of a pod's interface can be written: mount"
                " the node's /proc into the container, writable, and set procfs to where it is"
                " (/host/proc in Cilium's chart), or run the container privileged"
            )
        if not self.is_bpf_mounted:
            yield (
                f"{self.bpf_root} is no bpf file system, so nothing can be pinned: mount the node's"
                " there with mountPropagation Bidirectional (mount -t bpf bpf /sys/fs/bpf on the"
                " node), or set bpf-root"
            )


def read_privileges(bpf_root: str) -> Privileges:
    """Return what this process may do now; some 0.1 ms."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return Privileges(
        capabilities=effective_capabilities(status),
        sysctl_problem=write_problem(),
        bpf_root=bpf_root,
        is_bpf_mounted=is_bpf_mounted(
            Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"),
            Path(bpf_root).resolve(),
        ),
    )


def effective_capabilities(status: str) -> int:
    """Return the effective capabilities out of the text of /proc/PID/status."""
    lines = dict(line.partition(":")[::2] for line in status.splitlines())
    return int(lines.get("CapEff", "0").strip(), 16)


def is_bpf_mounted(mountinfo: str, path: Path) -> bool:
    """Whether `path` is in a bpf file system by /proc/PID/mountinfo: the last mount on it counts."""
    kind, depth = "", 0
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        target = Path(before.split(" ")[4].replace("\\040", " "))
        if path.is_relative_to(target) and len(target.parts) >= depth:
            kind, depth = after.partition(" ")[0], len(target.parts)
    return kind == "bpf"


def require_privileges(bpf_root: str) -> None:
    """Return when the agent can do its work here.

    Raises:
        MissingPrivilegesError: It cannot; names everything that is missing.
    """
    if missing := read_privileges(bpf_root).missing():
        raise MissingPrivilegesError(missing)
