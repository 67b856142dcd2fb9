"""Writes the files of a volume so that containers see all of them change at once.

    ..2026_07_01_12_00_00.1a2b3c4d/      the files, in a folder of their own for each change
    ..data -> that folder                replaced by a rename
    NAME -> ..data/NAME                  what manifests and programs name

The layout is kubelet's: programs that watch for changes watch `..data`. A mount of one file of it
(subPath) keeps the file that was there when its container started.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from ciliate.lab.kubelet.volumes import Files, VolumeFile

_DATA: Final = "..data"
_NEW_DATA: Final = "..data_tmp"


def write_volume(folder: Path, files: Files, *, group: int | None = None) -> None:
    """Make a volume's folder hold these files and no others; blocking.

    `group` is to own them, and may read them (fsGroup).

    Raises:
        OSError: They could not be written; what was there stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {path: _for_group(file, group) for path, file in files.items()}
    before = _current(folder)
    if before is not None and dict(_read(before)) == wanted:
        return
    now = datetime.now(UTC)
    made = folder / f"..{now:%Y_%m_%d_%H_%M_%S}.{secrets.token_hex(4)}"
    made.mkdir()
    try:
        made.chmod(0o755)
        for path, file in wanted.items():
            _write(made, path, file, group)
        _link(folder / _NEW_DATA, made.name)
        (folder / _NEW_DATA).replace(folder / _DATA)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    _show(folder, {PurePosixPath(path).parts[0] for path in wanted})
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)


def _for_group(file: VolumeFile, group: int | None) -> VolumeFile:
    return file if group is None else VolumeFile(file.content, file.mode | 0o440)


def _current(folder: Path) -> Path | None:
    try:
        return folder / (folder / _DATA).readlink()
    except OSError:
        return None


def _read(folder: Path) -> Iterator[tuple[str, VolumeFile]]:
    for path in folder.rglob("*"):
        if path.is_file():
            mode = path.stat().st_mode & 0o7777
            yield str(path.relative_to(folder)), VolumeFile(path.read_bytes(), mode)


def _write(folder: Path, path: str, file: VolumeFile, group: int | None) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.content)
    if group is not None:
        os.chown(target, -1, group)
    target.chmod(file.mode)


def _link(path: Path, target: str) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    path.symlink_to(target)


def _show(folder: Path, names: Iterable[str]) -> None:
    """Have a link for each name at the volume's top, and for no other."""
    wanted = set(names)
    for entry in folder.iterdir():
        if entry.is_symlink() and entry.name not in (_DATA, *wanted):
            entry.unlink()
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{_DATA}/{name}")
