"""Where objects are pinned in a bpf file system, and how a pin is replaced.

A pin outlives the process that made it, which is what lets an agent restart without traffic
noticing. Replacing one is a rename, so that a process that opens it finds the old object or the
new one.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ciliate.datapath import libbpf
from ciliate.datapath.errors import DatapathError, refused


def map_path(bpf_root: Path, name: str) -> Path:
    """Return where map `name` is pinned: Cilium's place, so that its tools find them."""
    return bpf_root / "tc/globals" / name


def program_path(bpf_root: Path, name: str) -> Path:
    """Return where program `name` is pinned."""
    return bpf_root / "ciliate/programs" / name


def devices_path(bpf_root: Path) -> Path:
    """Return the folder that holds one folder per device with programs."""
    return bpf_root / "cilium/devices"


def device_folder(device: str) -> str:
    """Return the folder's name for a device; bpffs refuses dots, which a VLAN's name has.

    A colon stands for it, since no device's name may hold one (dev_valid_name).
    """
    return device.replace(".", ":")


def device_of_folder(folder: str) -> str:
    """Return the device that `device_folder` made a name for."""
    return folder.replace(":", ".")


def links_path(bpf_root: Path, device: str) -> Path:
    """Return the folder of a device's links."""
    return devices_path(bpf_root) / device_folder(device) / "links"


def link_path(bpf_root: Path, device: str, program: str) -> Path:
    """Return where the link of `program` at `device` is pinned."""
    return links_path(bpf_root, device) / program


def socket_links_path(bpf_root: Path) -> Path:
    """Return the folder of the links of socket programs: Cilium's place."""
    return bpf_root / "cilium/socketlb/links/cgroup"


def open_pin(path: Path, *, read_only: bool = False) -> int | None:
    """Return a descriptor of the object pinned at `path`, None when there is none.

    Raises:
        DatapathError: Something is there and cannot be opened.
    """
    fd = libbpf.obj_get(str(path), flags=libbpf.OBJ_GET_READ_ONLY if read_only else 0)
    if fd >= 0:
        return fd
    if -fd in {errno.ENOENT, errno.ENOTDIR}:
        return None
    raise refused(function="bpf_obj_get", subject=str(path), code=-fd)


@contextmanager
def opened_pin(path: Path) -> Iterator[int | None]:
    """Open the object pinned at `path` while the block runs; None when there is none.

    Raises:
        DatapathError: Something is there and cannot be opened.
    """
    fd = open_pin(path)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def replace_pin(fd: int, path: Path) -> None:
    """Pin `fd` at `path`, in place of what may be pinned there.

    Raises:
        DatapathError: The folder is not in a bpf file system, or may not be written.
    """
    fresh = path.with_name(f"{path.name}~")
    make_folder(path.parent)
    remove_pin(fresh)  # Left by an agent that was killed between the two steps.
    code = -libbpf.obj_pin(fd, str(fresh))
    if code == errno.EPERM and os.geteuid() == 0:  # The kernel's word for "not a bpffs".
        raise DatapathError(
            function="bpf_obj_pin",
            subject=str(path),
            code=code,
            hint="is a bpf file system mounted there? (mount -t bpf bpf /sys/fs/bpf)",
        )
    if code:
        raise refused(function="bpf_obj_pin", subject=str(path), code=code)
    try:
        fresh.rename(path)
    except OSError as error:
        raise refused(function="rename", subject=str(path), code=error.errno or 0) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; one that is there is a success."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise refused(function="mkdir", subject=str(folder), code=error.errno or 0) from error


def remove_pin(path: Path) -> None:
    """Remove a pin; an absent one is a success."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise refused(function="unlink", subject=str(path), code=error.errno or 0) from error
