"""A container's own mount namespace, put together by the process that becomes the container.

    a memory file system of its own      what the container writes; gone with its last process
    the image, laid under it             programs as on this machine, an /etc of its own
    /proc /dev /sys                      of its own PID, IPC and network namespace, masked as
                                         container runtimes do
    volumes                              taken before the old root is gone, attached last

Every mount is `nodev` but each device's own, and the terminals': a device node that a container
makes (MKNOD is in the default set) cannot be opened.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from ciliate.lab import mount_trees
from ciliate.lab.container.image import Image, read_image
from ciliate.lab.container.spec import ContainerMount, ContainerSpec, Missing, Propagation
from ciliate.lab.errors import KernelCallError
from ciliate.lab.mount_trees import MountAttribute
from ciliate.lab.mounts import MountFlag, bind, mount, pivot_root
from ciliate.lab.namespaces import CLONE_NEWCGROUP, CLONE_NEWNS, enter_pin, in_namespaces, unshare

#: What a container may write to its own files, in bytes of memory at most.
_LAYER_SIZE: Final = "1g"

#: Devices that every container has, by their numbers (Documentation/admin-guide/devices.txt).
_DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}

#: What tells of the machine, or changes it: runtimes' default lists.
_MASKED: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
_READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_SAFE: Final = MountFlag.NO_SUID | MountFlag.NO_DEV | MountFlag.NO_EXEC

_PROPAGATIONS: Final = {
    Propagation.NONE: MountFlag.PRIVATE,
    Propagation.HOST_TO_CONTAINER: MountFlag.SLAVE,
    Propagation.BIDIRECTIONAL: MountFlag.NONE,  # As the node has it: shared.
}


def enter_new_root(spec: ContainerSpec, *, privileged: bool) -> None:
    """Move the calling process, of one thread, into a container's namespaces, for good.

    Raises:
        KernelCallError: The kernel refuses a step.
        OSError: A volume's source is not there.
    """
    # Before the copy of the mounts, in which the node's namespace has no pin.
    volumes = _volumes(spec)
    cgroups = _node_cgroups(spec) if privileged else None
    for kind, pin in spec.namespaces.items():
        if kind != "pid":  # The process was forked into it.
            enter_pin(kind, pin)
    # A privileged container manages the groups of others, as an agent does.
    unshare(CLONE_NEWNS if privileged else CLONE_NEWNS | CLONE_NEWCGROUP)
    mount("none", "/", flags=MountFlag.RECURSIVE | MountFlag.PRIVATE)
    safe = MountFlag.NONE if privileged else MountFlag.NO_DEV
    image = read_image(Path(spec.image))
    root = _lay_root(image, Path(spec.stage), safe)
    devices = _devices(Path(spec.stage), privileged=privileged)
    pivot_root(root)
    _mount_system(devices, privileged=privileged)
    _mount_cgroups(cgroups)
    for volume, tree in volumes:
        _attach_volume(volume, tree, privileged=privileged)
    if not privileged:
        _mask()
    if spec.read_only_root:
        for folder in ("/", *image.layered):
            _set_read_only(folder, safe)


def _lay_root(image: Image, stage: Path, safe: MountFlag) -> Path:
    """Put image and an empty layer together; return the root, as seen before it is one."""
    mount("tmpfs", stage, "tmpfs", flags=safe, options=f"mode=755,size={_LAYER_SIZE}")
    root = stage / "root"
    copy = partial(shutil.copytree, image.skeleton, root, symlinks=True, dirs_exist_ok=True)
    if not _overlay(Path(image.skeleton), root, stage / "own", safe):
        copy()
    for number, folder in enumerate(image.layered):
        target = root / folder[1:]
        if not _overlay(Path(folder), target, stage / str(number), safe):
            _show(folder, target, safe)
    for folder in image.shown:
        _show(folder, root / folder[1:], safe)
    if not root.is_mount():  # Copied: pivot_root takes a mount alone.
        bind(root, root, recursive=True)
    return root


def _overlay(lower: Path, target: Path, layer: Path, safe: MountFlag) -> bool:
    """Show `lower` at `target` with an empty layer over it; False: this kernel cannot."""
    upper, work = layer / "upper", layer / "work"
    for path in (upper, work):
        path.mkdir(parents=True)
    target.mkdir(exist_ok=True)
    shutil.copystat(lower, upper)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    try:
        mount("overlay", target, "overlay", flags=safe, options=options)
    except KernelCallError:
        return False  # A root that cannot be a lower layer, as in some containers.
    return True


def _show(folder: str, target: Path, safe: MountFlag) -> None:
    bind(folder, target)
    _set_read_only(target, safe)


def _set_read_only(target: str | Path, others: MountFlag) -> None:
    """Make a mount read-only; the flags it has otherwise are to be said again."""
    mount("none", target, flags=MountFlag.BIND | MountFlag.REMOUNT | MountFlag.READ_ONLY | others)


def _devices(stage: Path, *, privileged: bool) -> list[tuple[str, int]]:
    """What is to be attached in /dev, by target: nodes of the container's own, or the machine's."""
    if privileged:
        tree = mount_trees.open_tree(Path("/dev"))
        mount_trees.change(tree, propagation=MountFlag.PRIVATE)
        return [("/dev", tree)]
    folder = stage / "dev"
    folder.mkdir()
    found = []
    for name, (major, minor) in _DEVICES.items():
        node = folder / name
        os.mknod(node, stat.S_IFCHR, os.makedev(major, minor))
        node.chmod(0o666)
        tree = mount_trees.open_tree(node)
        mount_trees.change(tree, cleared=MountAttribute.NO_DEV)
        found.append((f"/dev/{name}", tree))
    return found


def _mount_system(devices: Sequence[tuple[str, int]], *, privileged: bool) -> None:
    mount("proc", "/proc", "proc", flags=_SAFE)
    mount("sysfs", "/sys", "sysfs", flags=_SAFE)
    if not privileged:
        flags = MountFlag.NO_SUID | MountFlag.NO_DEV | MountFlag.NO_EXEC
        mount("tmpfs", "/dev", "tmpfs", flags=flags, options="mode=755,size=64k")
    for target, tree in devices:
        if target != "/dev":
            Path(target).touch()
        mount_trees.attach(tree, target)
        os.close(tree)
    if not privileged:
        for name, link in _DEVICE_LINKS.items():
            Path("/dev", name).symlink_to(link)
    for name in ("pts", "shm", "mqueue"):
        Path("/dev", name).mkdir(exist_ok=True)
    options = "newinstance,ptmxmode=0666,mode=0620,gid=5"
    mount(
        "devpts",
        "/dev/pts",
        "devpts",
        flags=MountFlag.NO_SUID | MountFlag.NO_EXEC,
        options=options,
    )
    mount("mqueue", "/dev/mqueue", "mqueue", flags=_SAFE)
    if not privileged:
        _set_read_only("/sys", _SAFE)


def _node_cgroups(spec: ContainerSpec) -> int:
    """Take the node's control groups, which are all that it and its containers see of them."""
    place = Path("/sys/fs/cgroup")
    tree = in_namespaces(spec.node_pins, lambda: mount_trees.open_tree(place), ["mnt"])
    mount_trees.change(tree, propagation=MountFlag.PRIVATE)
    return tree


def _mount_cgroups(node: int | None) -> None:
    """Show the node's control groups, or the container's own alone, which it may not change."""
    if node is not None:
        mount_trees.attach(node, "/sys/fs/cgroup")
        os.close(node)
    elif Path("/sys/fs/cgroup").is_dir():
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags=_SAFE)
        _set_read_only("/sys/fs/cgroup", _SAFE)


def _mask() -> None:
    for path in _MASKED:
        if Path(path).is_dir():
            mount("tmpfs", path, "tmpfs", flags=_SAFE | MountFlag.READ_ONLY, options="size=0")
        elif Path(path).exists():
            bind("/dev/null", path)
    for path in _READ_ONLY:
        if Path(path).exists():
            bind(path, path, recursive=True)
            _set_read_only(path, _SAFE)


def _volumes(spec: ContainerSpec) -> list[tuple[ContainerMount, int]]:
    """Take what is to be attached, while the lab's files and the node's are in sight."""
    ours = [(entry, _take(entry)) for entry in spec.mounts if not entry.in_node]
    nodes = [entry for entry in spec.mounts if entry.in_node]
    if not nodes:
        return ours
    taken = in_namespaces(spec.node_pins, lambda: [_take(entry) for entry in nodes], ["mnt"])
    found = dict(ours) | dict(zip(nodes, taken, strict=True))
    return [(entry, found[entry]) for entry in spec.mounts]


def _take(entry: ContainerMount) -> int:
    source = Path(entry.source)
    if entry.missing is Missing.DIRECTORY:
        source.mkdir(parents=True, exist_ok=True)
    elif entry.missing is Missing.FILE and not source.exists():
        source.touch(exist_ok=True)
    if not entry.beneath:
        return mount_trees.open_tree(source)
    folder = os.open(source, os.O_PATH | os.O_CLOEXEC)
    try:
        place = mount_trees.open_beneath(folder, entry.beneath)
    finally:
        os.close(folder)
    try:
        return mount_trees.open_tree(place)
    finally:
        os.close(place)


def _attach_volume(entry: ContainerMount, tree: int, *, privileged: bool) -> None:
    """Mount a volume, making its mount point where the image has none."""
    propagation = _PROPAGATIONS[entry.propagation]
    if not privileged:
        mount_trees.change(tree, MountAttribute.NO_DEV, propagation=propagation)
    elif propagation:
        mount_trees.change(tree, propagation=propagation)
    if entry.read_only:
        mount_trees.change(tree, MountAttribute.READ_ONLY, recursive=False)
    target = Path(entry.target)
    if Path(f"/proc/self/fd/{tree}").is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            target.touch()
    mount_trees.attach(tree, entry.target)
    os.close(tree)
