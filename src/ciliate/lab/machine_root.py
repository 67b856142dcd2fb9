"""A machine's files: the host's, with a few of its own laid over them.

The root is an overlay of a layer common to the lab and the host's root, with a memory file system
for what the machine writes; its own are /run, /sys (of its network namespace), /sys/fs/bpf,
/etc/hostname, /etc/hosts and /etc/resolv.conf. As control groups it sees its own one and what is
below, as a node sees the hierarchy's root. Nothing a machine writes reaches the host's files, and the host's CNI
configuration, if it has one, stays out of sight.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.bound_root import bind_root
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.errors import KernelCallError, LabError
from ciliate.lab.mounts import MountFlag, bind, mount, pivot_root
from ciliate.lab.paths import LabPaths
from ciliate.system.mount_table import mount_table

#: File systems below /sys that show through where the host has them mounted.
_SYS_MOUNTS: Final = ("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security")


class MachineRootError(LabError):
    """A machine's root cannot be put together on this machine."""

    def __init__(self, *, machine: str, error: KernelCallError) -> None:
        self.machine = machine
        super().__init__(
            f"root of {machine}: {error}: the kernel needs overlayfs with a tmpfs as upper layer "
            "(CONFIG_OVERLAY_FS, CONFIG_TMPFS_XATTR) or bind mounts, and this user CAP_SYS_ADMIN"
        )


@dataclass(frozen=True, slots=True)
class Visible:
    """Folders of ours that a machine has to see at their own paths."""

    checkout: Path
    environment: Path


def prepare_layer(paths: LabPaths, *, plugin: Path, commands: Mapping[str, Path]) -> None:
    """Fill the layer common to all machines: the CNI plugin, our commands, an empty CNI folder."""
    layer = paths.layer
    for folder in ("etc/cni/net.d", "opt/cni/bin", "usr/local/bin", "var/lib"):
        (layer / folder).mkdir(parents=True, exist_ok=True)
    # Opaque: the host's own CNI configuration does not show through (overlayfs documentation,
    # "whiteouts and opaque directories").
    os.setxattr(layer / "etc/cni/net.d", "trusted.overlay.opaque", b"y")
    # A copy, as a node has it: the checkout may lie where no other user can pass.
    shutil.copy(plugin, layer / "opt/cni/bin/ciliate-cni")
    for name, target in commands.items():
        (layer / "usr/local/bin" / name).symlink_to(target)
    # A container of Cilium's sees its node's files here; some settings are such paths, and an agent
    # that is started on the machine itself reads the same ones.
    (layer / "host").symlink_to("/")


def build_root(
    paths: LabPaths,
    machine: str,
    visible: Visible,
    kinds: Sequence[Callable[[LabPaths, str], Path]] | None = None,
) -> None:
    """Make the calling thread's new mount namespace that of machine `machine`.

    To be called in a fresh copy of the host's mount namespace and in the machine's network
    namespace, whose devices the new /sys shows. `kinds` are the ways to put the root together:
    the first that the kernel allows is taken.

    Raises:
        MachineRootError: The kernel refuses a mount.
    """
    try:
        # Before all else: on most systems mounts propagate to where they were copied from.
        mount("none", "/", flags=MountFlag.RECURSIVE | MountFlag.PRIVATE)
        root = _first_root(kinds or (overlay_root, bind_root), paths, machine)
        _identify(root, machine, paths.resolv_conf.read_text(encoding="ascii"))
        _system_trees(root, LabCgroup.of(paths.name).make(machine))
        _run_tree(paths, root)
        for folder in (visible.checkout, visible.environment):
            _show(folder, root)
        bind(paths.hosts, root / "etc/hosts")
        pivot_root(root)
    except KernelCallError as error:
        raise MachineRootError(machine=machine, error=error) from error


def _first_root(
    kinds: Sequence[Callable[[LabPaths, str], Path]], paths: LabPaths, machine: str
) -> Path:
    for make in kinds[:-1]:
        try:
            return make(paths, machine)
        except KernelCallError:
            continue  # A root that cannot be a lower layer, as in some containers.
    return kinds[-1](paths, machine)


def overlay_root(paths: LabPaths, machine: str) -> Path:
    """Lay the machine's own files, and the lab's layer, over the host's root.

    Raises:
        KernelCallError: The kernel cannot.
    """
    folder = paths.machine(machine)
    upper, work, root = folder / "upper", folder / "work", folder / "root"
    for path in (upper, work, root):
        path.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={paths.layer}:/,upperdir={upper},workdir={work}"
    mount("overlay", root, "overlay", options=options)
    return root


def _identify(root: Path, machine: str, resolv_conf: str) -> None:
    etc = root / "etc"
    (etc / "hostname").write_text(f"{machine}\n", encoding="ascii")
    for name, text in (("hosts", ""), ("resolv.conf", resolv_conf)):
        # Often a link into /run, which is another one here.
        (etc / name).unlink(missing_ok=True)
        (etc / name).write_text(text, encoding="ascii")


def _system_trees(root: Path, cgroup: Path) -> None:
    bind("/proc", root / "proc", recursive=True)
    bind("/dev", root / "dev", recursive=True)
    mount("sysfs", root / "sys", "sysfs")
    mounted = {entry.target for entry in mount_table()}
    bind(cgroup, root / "sys/fs/cgroup")
    for path in _SYS_MOUNTS:
        if path in mounted:
            bind(path, root / path[1:])
    mount("bpf", root / "sys/fs/bpf", "bpf", options="mode=700")


def _run_tree(paths: LabPaths, root: Path) -> None:
    mount("tmpfs", root / "run", "tmpfs", options="mode=755")
    # Not the whole folder: the lab's keys and the files of others are not a machine's to read.
    inside = root / str(paths.machines)[1:]
    # Shared, as systemd's root is: pods' namespaces that are mounted here later are seen in an
    # agent's container too, which has this folder as a volume.
    mount("none", root / "run", flags=MountFlag.SHARED)
    for path in (root / "run/lock", root / "run/netns", inside):
        path.mkdir(parents=True)
    bind(paths.machines, inside)


def _show(folder: Path, root: Path) -> None:
    """Bind `folder` where the machine's root does not show it: it lies on a mount of its own."""
    target = root / str(folder)[1:]
    if target.is_dir() and next(target.iterdir(), None) is not None:
        return
    target.mkdir(parents=True, exist_ok=True)
    bind(folder, target, recursive=True)
