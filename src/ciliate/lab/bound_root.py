"""A machine's root where the kernel cannot overlay the host's: put together from bind mounts.

Some containers' roots can be no lower layer (overlays are stacked at most twice, and some file
systems refuse). Then the machine's root is a memory file system: the host's programs and libraries
are bound in, read-only, and the folders that a machine writes to are its own. /etc is a copy.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from ciliate.lab.mounts import MountFlag, bind, mount
from ciliate.lab.paths import LabPaths

#: Folders of the root that a machine gets empty; some are mounted on later.
_EMPTY: Final = ("proc", "sys", "dev", "run", "tmp", "mnt", "media", "srv", "root", "home")
_VAR: Final = ("cache", "lib", "log", "spool", "tmp")

#: Folders whose entries are bound one by one, so that entries of our own fit beside them.
_SHARED: Final = ("opt", "usr/local/bin")

#: A machine has CNI plugins of its own.
_HOSTS_PLUGINS: Final = Path("/opt/cni")


def bind_root(paths: LabPaths, machine: str) -> Path:
    """Put the root together and return it; the lab's common layer is copied over it.

    Raises:
        KernelCallError: The kernel refuses a mount.
    """
    root = paths.machine(machine) / "root"
    root.mkdir(parents=True, exist_ok=True)
    mount("tmpfs", root, "tmpfs", options="mode=755")
    for name in _EMPTY:
        (root / name).mkdir(mode=0o1777 if name == "tmp" else 0o755)
    for name in _VAR:
        (root / "var" / name).mkdir(parents=True)
    (root / "var/run").symlink_to("/run")
    _copy_etc(root / "etc")
    for entry in sorted(Path("/").iterdir()):
        _take_over(entry, root / entry.name)
    for name in _SHARED:
        _bind_entries(Path("/", name), root / name)
    _lay_over(paths.layer, root)
    return root


def _lay_over(layer: Path, root: Path) -> None:
    """Copy the layer's folders, links and files; read-only folders stay as they are."""
    for folder, folders, files in os.walk(layer):
        place = root / Path(folder).relative_to(layer)
        for name in (*folders, *files):
            source, target = Path(folder, name), place / name
            if source.is_symlink():
                target.unlink(missing_ok=True)
                target.symlink_to(os.readlink(source))
            elif source.is_file():
                shutil.copy(source, target)
            elif not target.is_dir():
                target.mkdir()


def _take_over(entry: Path, target: Path) -> None:
    """Show a folder of the host's root, unless the machine has its own by now."""
    if os.path.lexists(target) or entry.name in _SHARED:
        return
    if entry.is_symlink():
        target.symlink_to(os.readlink(entry))
    elif entry.is_dir():
        target.mkdir()
        _bind_read_only(entry, target)


def _bind_read_only(source: Path, target: Path) -> None:
    bind(source, target, recursive=True)
    mount("none", target, flags=MountFlag.BIND | MountFlag.REMOUNT | MountFlag.READ_ONLY)


def _bind_entries(source: Path, target: Path) -> None:
    """Show each entry of a folder, in a folder that can be written to."""
    if target.is_dir():
        mount("tmpfs", target, "tmpfs", options="mode=755")
    else:
        target.mkdir(parents=True)
    for entry in sorted(source.iterdir()) if source.is_dir() else ():
        if entry == _HOSTS_PLUGINS:
            continue
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry))
        elif entry.is_dir():
            place.mkdir()
            _bind_read_only(entry, place)
        elif entry.is_file():
            place.touch()
            _bind_read_only(entry, place)


def _copy_etc(target: Path) -> None:
    """Copy /etc without the host's CNI configuration; a few hundred small files."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {"cni"} & set(names) if folder == "/etc" else set()

    shutil.copytree("/etc", target, symlinks=True, ignore=left_out)
    for name in ("hosts", "hostname", "resolv.conf"):
        (target / name).unlink(missing_ok=True)
