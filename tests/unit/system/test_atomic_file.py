import os
import stat
from pathlib import Path

import pytest

from ciliate.system.atomic_file import DRAFT_SUFFIX, replace_file


@pytest.mark.parametrize("durable", [False, True])
def test_file_is_made_and_replaced(tmp_path: Path, *, durable: bool) -> None:
    path = tmp_path / "state.json"
    replace_file(path, b"old", mode=0o600, durable=durable)
    replace_file(str(path), b"new", mode=0o600, durable=durable)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["state.json"]


def test_reader_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, b"old", mode=0o600, durable=False)
    with path.open("rb") as reader:
        replace_file(path, b"new", mode=0o600, durable=False)
        assert reader.read() == b"old"


def test_mode_is_as_given_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "05-cilium.conflist"
    before = os.umask(0o077)
    try:
        replace_file(path, b"{}", mode=0o644, durable=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_draft_of_a_killed_process_gives_way_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "ca.key"
    draft = Path(f"{path}{DRAFT_SUFFIX}")
    draft.write_text("half")
    draft.chmod(0o666)
    replace_file(path, b"key", mode=0o600, durable=False)
    assert path.read_bytes() == b"key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not draft.exists()


def test_draft_is_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    path = tmp_path / "state.json"
    Path(f"{path}{DRAFT_SUFFIX}").symlink_to(victim)
    replace_file(path, b"new", mode=0o600, durable=False)
    assert victim.read_text() == "kept"
    assert path.read_bytes() == b"new"


def test_failure_is_the_callers_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.mkdir()  # No file takes the name of a directory.
    with pytest.raises(IsADirectoryError):
        replace_file(path, b"new", mode=0o600, durable=False)
    assert os.listdir(tmp_path) == ["state.json"]


def test_missing_directory_is_the_callers_business(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "absent" / "state.json", b"", mode=0o600, durable=True)
