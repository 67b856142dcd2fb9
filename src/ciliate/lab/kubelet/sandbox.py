"""A pod's sandbox: what its containers share, namespaces and files.

Network, UTS and IPC namespace are pinned in `<node>/pods/<namespace>_<name>/ns/`, and the network
namespace also inside the node as `/var/run/netns/cni-<uuid>`, the path CNI plugins are given. A pod
on its node's network has the node's. Beside them lie the files that all containers see: `etc`,
written when the addresses are known, `volumes`, and `shm`, a file system of its own. Each
container's root, and its processes, are made with it (`lab/container`). All functions block for
about a millisecond and run in a worker thread.
"""

import fcntl
import os
import shutil
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ciliate.lab.container.spec import Propagation
from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet.volume_files import write_volume
from ciliate.lab.kubelet.volumes import Files, Volumes
from ciliate.lab.mounts import MountFlag, bind, mount, unmount
from ciliate.lab.namespaces import in_namespaces, make_namespaces, remove_pins, set_hostname

#: Where CNI plugins see a pod's network namespace; /var/run is the same directory.
NETNS_DIRECTORY: Final = Path("/run/netns")

#: The files in /etc that are a pod's own; of one on its node's network only how it asks for names.
RESOLV_CONF: Final = "resolv.conf"
ETC_FILES: Final = ("hosts", RESOLV_CONF, "hostname")

#: As containerd has it from 2.0 on: users other than 0 may serve on every port. It opens ping's
#: datagram sockets to them too; here `ping` stays on its raw one, by NET_RAW, as with 1.7.
_UNPRIVILEGED: Final = {"ip_unprivileged_port_start": "0"}

#: A pod's shared memory, as containerd has it.
_SHM_FLAGS: Final = MountFlag.NO_SUID | MountFlag.NO_DEV | MountFlag.NO_EXEC
_SHM_OPTIONS: Final = "mode=1777,size=64m"

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
    def etc(self) -> Path:
        """The pod's own files in /etc."""
        return self.directory / "etc"

    @property
    def volumes(self) -> Path:
        """The pod's volumes by name, but those that are the node's files."""
        return self.directory / "volumes"

    @property
    def shm(self) -> Path:
        """The pod's /dev/shm."""
        return self.directory / "shm"

    @property
    def netns_in_node(self) -> str:
        """CNI_NETNS: the path of the network namespace as the node sees it."""
        return f"/var/run/netns/{self.netns_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """One directory or file a container sees at `mount_path`."""

    volume: str  # its name in the pod: two mounts of one volume show the same files
    mount_path: str
    host_path: str | None = None  # in the node; None: in the pod's folder
    host_path_type: str = ""
    read_only: bool = False
    sub_path: str = ""
    propagation: Propagation = Propagation.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFiles:
    """The pod's own files in /etc."""

    hosts: str
    resolv_conf: str
    hostname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNamespaces:
    """Which namespaces a pod has of its own."""

    network: bool = True  # With it, the UTS namespace: the hostname is the pod's.
    ipc: bool = True


def make_sandbox(
    paths: SandboxPaths,
    *,
    hostname: str,
    volumes: Volumes = MappingProxyType({}),
    own: OwnNamespaces = OwnNamespaces(),
    fs_group: int | None = None,
) -> None:
    """Make the pod's namespaces, loopback up, and pin them; make its files and volumes.

    Raises:
        KernelCallError: A step failed; what was made is removed by `remove_sandbox`.
        OSError: A file could not be made; likewise.
    """
    remove_directory(paths.directory)  # What a killed kubelet may have left of the same pod.

    def inside() -> None:
        if own.network:
            set_hostname(hostname)
            _set_loopback_up()
            for setting, value in _UNPRIVILEGED.items():
                Path("/proc/sys/net/ipv4", setting).write_text(value)

    kinds = (*(("net", "uts") if own.network else ()), *(("ipc",) if own.ipc else ()))
    make_namespaces(paths.pins, kinds=kinds, inside=inside)
    _make_files(paths, volumes, fs_group)
    if own.network:
        made = os.open(paths.pins / "net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            in_namespaces(paths.node_pins, lambda: _show_netns(paths.netns_name, made), ["mnt"])
        finally:
            os.close(made)


def _make_files(paths: SandboxPaths, volumes: Volumes, fs_group: int | None) -> None:
    for folder in (paths.etc, paths.volumes, paths.shm):
        folder.mkdir(parents=True)
    mount("tmpfs", paths.shm, "tmpfs", flags=_SHM_FLAGS, options=_SHM_OPTIONS)
    for name in ETC_FILES:
        (paths.etc / name).touch()
    for name, files in volumes.items():
        _make_volume(paths.volumes / name, files, fs_group)


def _make_volume(folder: Path, files: Files | None, fs_group: int | None) -> None:
    """Make a volume; a pod's group owns it, and what is made in it."""
    folder.mkdir()
    folder.chmod(0o777)
    if fs_group is not None:
        os.chown(folder, -1, fs_group)
        folder.chmod(0o2777)
    if files is not None:
        write_volume(folder, files, group=fs_group)


def write_files(paths: SandboxPaths, files: PodFiles) -> None:
    """Write the pod's own /etc files in place: containers have them mounted."""
    (paths.etc / "hosts").write_text(files.hosts)
    (paths.etc / "resolv.conf").write_text(files.resolv_conf)
    (paths.etc / "hostname").write_text(files.hostname + "\n")


def remove_sandbox(paths: SandboxPaths) -> None:
    """Undo `make_sandbox`; what is absent is a success. The kernel frees what is not used."""
    hide_netns(paths.node_pins, {paths.netns_name})
    remove_directory(paths.directory)


def remove_directory(directory: Path) -> None:
    """Remove a pod's folder with its pins; an absent one is a success."""
    remove_pins(directory / "ns")
    _unmount_if_mounted(directory / "shm")
    shutil.rmtree(directory, ignore_errors=True)


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
