"""A directory tells of every way in which a file in it can change."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ciliate.system.directory_watch import DirectoryWatch, watch_directory


def _written(folder: Path) -> None:
    (folder / "file").write_text("new")


def _renamed_over(folder: Path) -> None:
    (folder / "link_tmp").replace(folder / "link")


def _removed(folder: Path) -> None:
    (folder / "file").unlink()


def _mode_changed(folder: Path) -> None:
    (folder / "file").chmod(0o600)


@pytest.mark.parametrize("change", [_written, _renamed_over, _removed, _mode_changed])
async def test_change_is_told(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "link_tmp").symlink_to("b")
    told = asyncio.Event()
    watch = DirectoryWatch(watch_directory(tmp_path), told.set)
    try:
        change(tmp_path)
        async with asyncio.timeout(10):
            await told.wait()
    finally:
        watch.close()


def test_directory_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        watch_directory(tmp_path / "absent")
