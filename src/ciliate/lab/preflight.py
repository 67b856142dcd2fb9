"""What a machine must have for a lab, asked before anything is made."""

import os
import shutil
from pathlib import Path
from typing import Final

from ciliate.lab.cgroup import mount_point
from ciliate.lab.errors import LabError
from ciliate.lab.kubelet.images import default_environment
from ciliate.lab.namespaces import is_chroot
from ciliate.lab.state import NotRootError

#: Commands that machines are made with -> Debian's package.
_TOOLS: Final = {"ip": "iproute2", "nft": "nftables"}

#: Where a pod finds the machine's programs.
_PATH_IN_PODS: Final = default_environment("")["PATH"]

#: Memory that a lab's files may need at the least, in bytes: its folder is a memory file system.
_MEMORY_BYTES_MIN: Final = 256 * 1024 * 1024


class MachineUnfitError(LabError):
    """This machine cannot hold a lab."""

    def __init__(self, *, lacks: str, remedy: str) -> None:
        self.lacks = lacks
        super().__init__(f"this machine has {lacks}: {remedy}")


def check_machine(*, monitoring: bool = False) -> None:
    """Accept this machine, or say what it lacks; with `monitoring`, for a lab with Prometheus.

    Raises:
        NotRootError: The user is not root.
        MachineUnfitError: A tool, a kernel feature, memory or Prometheus is missing.
        CgroupMissingError: No control groups of version 2.
    """
    if os.geteuid() != 0:
        raise NotRootError
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise MachineUnfitError(
            lacks=" and ".join(f"no `{tool}`" for tool in missing),
            remedy=f"apt-get install {' '.join(_TOOLS[tool] for tool in missing)}",
        )
    if monitoring:
        check_prometheus()
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        raise MachineUnfitError(
            lacks="a kernel without BTF", remedy="one with CONFIG_DEBUG_INFO_BTF is needed"
        )
    if is_chroot():
        raise MachineUnfitError(
            lacks="a root made by chroot, which a machine's namespaces would leave",
            remedy="start a container, or `unshare --mount` and pivot_root",
        )
    kill = mount_point() / "cgroup.procs"
    if not os.access(kill, os.W_OK):
        raise MachineUnfitError(
            lacks=f"a read-only {kill.parent}",
            remedy="in a container, run it privileged and with its own cgroup namespace",
        )
    available = _memory_available_bytes()
    if available < _MEMORY_BYTES_MIN:
        raise MachineUnfitError(
            lacks=f"{available // 2**20} MiB of memory available",
            remedy=f"a lab takes {_MEMORY_BYTES_MIN // 2**20} MiB and some 50 MiB per node",
        )


def check_prometheus(path: str = _PATH_IN_PODS) -> None:
    """Accept this machine if a pod finds Prometheus on its `path`.

    Raises:
        MachineUnfitError: It does not.
    """
    if shutil.which("prometheus", path=path) is None:
        raise MachineUnfitError(
            lacks="no `prometheus`, which a lab with --monitoring runs",
            remedy="apt-get install prometheus (its service may stay off: "
            "systemctl disable --now prometheus)",
        )


def _memory_available_bytes() -> int:
    """What can be had without swapping, by the kernel's estimate (proc_meminfo(5))."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return _MEMORY_BYTES_MIN  # A kernel before 3.14 does not say.
