"""`flows/server/export/list_file.py`: a change is seen, as a ConfigMap's volume makes it."""

from pathlib import Path

import pytest

from ciliate.flows.server.export.errors import LogListError
from ciliate.flows.server.export.list_file import ListFile


def volume(folder: Path, generation: str, text: str) -> Path:
    """Make a ConfigMap's volume say `text`, as kubelet does: by the rename of a link."""
    (folder / generation).mkdir()
    (folder / generation / "flowlogs.yaml").write_text(text)
    (folder / "new").symlink_to(generation)
    (folder / "new").rename(folder / "..data")
    path = folder / "flowlogs.yaml"
    if not path.is_symlink():
        path.symlink_to("..data/flowlogs.yaml")
    return path


async def test_each_change_is_given_once(tmp_path: Path) -> None:
    file = ListFile(volume(tmp_path, "..1", "one"), settle_s=0)

    assert await file.changed() == b"one"
    assert await file.changed() is None
    volume(tmp_path, "..2", "two")
    assert await file.changed() == b"two"
    volume(tmp_path, "..3", "two")
    assert await file.changed() is None


async def test_file_that_is_missing_or_none_is_an_error_until_it_is_there(tmp_path: Path) -> None:
    file = ListFile(tmp_path / "flowlogs.yaml", settle_s=0)
    with pytest.raises(LogListError, match="is missing"):
        await file.changed()
    (tmp_path / "flowlogs.yaml").mkdir()
    with pytest.raises(LogListError, match="cannot be read: Is a directory"):
        await file.changed()
    (tmp_path / "flowlogs.yaml").rmdir()
    (tmp_path / "flowlogs.yaml").write_text("one")

    assert await file.changed() == b"one"


async def test_same_list_counts_as_a_change_after_the_file_was_away(tmp_path: Path) -> None:
    path = tmp_path / "flowlogs.yaml"
    path.write_text("one")
    file = ListFile(path, settle_s=0)
    await file.changed()
    path.unlink()
    with pytest.raises(LogListError):
        await file.changed()
    path.write_text("one")

    assert await file.changed() == b"one"
