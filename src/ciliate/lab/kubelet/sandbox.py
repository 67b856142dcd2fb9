"""A pod's sandbox: network, mount and UTS namespaces on top of its node's.

They are pinned in `<node>/pods/<namespace>_<name>/ns/`, and the network namespace also inside the
node as `/var/run/netns/cni-<uuid>`, the path CNI plugins are given. The pod's files (/etc/hosts
and the like) lie on its own tmpfs, and are written when its addresses are known. All functions
block for 1 to 2 ms and run in a worker thread.
"""

import fcntl
import os
import shutil
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import MountFlag, bind, mount, unmount
from ciliate.lab.namespaces import in_namespaces, make_namespaces, remove_pins, set_hostname

#: Where CNI plugins see a pod's network namespace; /var/run is the same directory.
NETNS_DIRECTORY: Final = Path("/run/netns")

#: Where a pod's own versions of files in /etc lie, inside the pod.
_OWN_FILES: Final = Path("/run/.pod")
_ETC_FILES: Final = ("hosts", "resolv.conf", "hostname")

_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_EINVAL: Final = 22
_ENOENT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPaths:
    """Where one sandbox is pinned."""

    node_pins: Path
    directory: Path  # .../pods/<namespace>_<name>
    netns_name: str  # cni-<uuid>; a new one for each attempt

    @property
    def pins(self) -> Path:
        """The folder of the pod's pins, as the kubelet sees it."""
        return self.directory / "ns"

    @property
    def netns_in_node(self) -> str:
        """CNI_NETNS: the path of the network namespace as the node sees it."""
        return f"/var/run/netns/{self.netns_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """One directory or file a container sees at `mount_path`."""

    volume: str  # its name in the pod: two mounts of one volume show the same files
    mount_path: str
    host_path: str | None = None  # in the node; None: the files below, on the pod's tmpfs
    files: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFiles:
    """The pod's own files in /etc."""

    hosts: str
    resolv_conf: str
    hostname: str


def make_sandbox(
    paths: SandboxPaths, *, hostname: str, volumes: tuple[VolumeMount, ...] = ()
) -> None:
    """Make the pod's namespaces, loopback up, and pin them.

    Raises:
        KernelCallError: A step failed; what was made is removed by `remove_sandbox`.
    """
    _remove_if_there(paths)  # What a killed kubelet may have left of the same pod.

    def inside() -> None:
        set_hostname(hostname)
        _set_loopback_up()
        _build_root(volumes)

    make_namespaces(paths.pins, kinds=("net", "uts", "mnt"), inside=inside, parent=paths.node_pins)
    made = os.open(paths.pins / "net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        in_namespaces(paths.node_pins, lambda: _show_netns(paths.netns_name, made), ["mnt"])
    finally:
        os.close(made)


def write_files(paths: SandboxPaths, files: PodFiles) -> None:
    """Write the pod's own /etc files; they were bound, empty, when the sandbox was made."""

    def inside() -> None:
        (_OWN_FILES / "hosts").write_text(files.hosts)
        (_OWN_FILES / "resolv.conf").write_text(files.resolv_conf)
        (_OWN_FILES / "hostname").write_text(files.hostname + "\n")

    in_namespaces(paths.pins, inside, ["mnt"])


def remove_sandbox(paths: SandboxPaths) -> None:
    """Undo `make_sandbox`; what is absent is a success. The kernel frees what is not used."""
    hide_netns(paths.node_pins, {paths.netns_name})
    _remove_if_there(paths)
    shutil.rmtree(paths.directory, ignore_errors=True)


def netns_names(node_pins: Path) -> set[str]:
    """Return the pod network namespaces visible in the node: what a crash may have left."""

    def inside() -> set[str]:
        if not NETNS_DIRECTORY.is_dir():
            return set()
        return {name for name in os.listdir(NETNS_DIRECTORY) if name.startswith("cni-")}

    return in_namespaces(node_pins, inside, ["mnt"])


def hide_netns(node_pins: Path, names: set[str]) -> None:
    """Remove network namespaces from the node's view; absent ones are a success."""

    def inside() -> None:
        for name in names:
            path = NETNS_DIRECTORY / name
            _unmount_if_mounted(path)
            path.unlink(missing_ok=True)

    if not (node_pins / "mnt").exists():
        return  # The whole node is gone, and its mounts with it.
    in_namespaces(node_pins, inside, ["mnt"])


def _remove_if_there(paths: SandboxPaths) -> None:
    if paths.pins.exists():
        remove_pins(paths.pins)


def _unmount_if_mounted(path: Path) -> None:
    try:
        unmount(path, MountFlag.DETACH)
    except KernelCallError as error:
        if error.errno not in (_EINVAL, _ENOENT):  # No mount point; no such file.
            raise


def _show_netns(name: str, descriptor: int) -> None:
    NETNS_DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = NETNS_DIRECTORY / name
    path.touch(mode=0o600)
    bind(f"/proc/self/fd/{descriptor}", path)


def _set_loopback_up() -> None:
    """Set lo up, as the `loopback` plugin of every container runtime does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _build_root(volumes: tuple[VolumeMount, ...]) -> None:
    """Turn the copied mounts of the node into the pod's own view."""
    mount("none", "/", flags=MountFlag.RECURSIVE | MountFlag.PRIVATE)
    # The node's /run holds its sockets and every other pod's pin: a copy of those would keep
    # other pods' namespaces alive. /sys must show this network namespace's devices.
    _unmount_if_mounted(Path("/run"))
    mount("tmpfs", "/run", "tmpfs", options="mode=0755,size=16m")
    _unmount_if_mounted(Path("/sys"))
    protected = MountFlag.NO_SUID | MountFlag.NO_DEV | MountFlag.NO_EXEC
    mount("sysfs", "/sys", "sysfs", flags=protected | MountFlag.READ_ONLY)
    _OWN_FILES.mkdir()
    for name in _ETC_FILES:
        _show_own_file(_OWN_FILES / name, Path("/etc") / name)
    for volume in volumes:
        _show_volume(volume, _OWN_FILES / "volumes" / volume.volume)


def _show_own_file(own: Path, target: Path) -> None:
    """Bind `own` over `target`, which may be a link into the /run just emptied."""
    own.touch(mode=0o644)
    if not target.exists():
        real = target.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        real.touch()
    bind(own, target)


def _show_volume(volume: VolumeMount, own: Path) -> None:
    """Bind a volume to its mount path, making the mount path when the node has none."""
    target = Path(volume.mount_path)
    if volume.host_path is None:
        source = own
        own.mkdir(parents=True, exist_ok=True)
        for name, text in volume.files.items():
            (own / name).write_text(text)
    else:
        source = Path(volume.host_path)
        if not source.exists():
            source.mkdir(parents=True)
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    bind(source, target, recursive=True)
    if volume.read_only:
        mount("none", target, flags=MountFlag.BIND | MountFlag.REMOUNT | MountFlag.READ_ONLY)
