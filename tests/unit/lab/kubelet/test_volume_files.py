import os
from pathlib import Path

from ciliate.lab.kubelet.volume_files import write_volume
from ciliate.lab.kubelet.volumes import VolumeFile


def test_files_are_links_to_the_present_version(tmp_path: Path) -> None:
    write_volume(tmp_path, {"a": VolumeFile(b"1", 0o600), "sub/b": VolumeFile(b"2")})

    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "sub/b").read_bytes() == b"2"
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "sub").readlink() == Path("..data/sub")


def test_change_shows_all_files_at_once_and_leaves_no_older_ones(tmp_path: Path) -> None:
    write_volume(tmp_path, {"a": VolumeFile(b"1"), "gone": VolumeFile(b"")})
    held = os.open(tmp_path / "a", os.O_RDONLY)

    write_volume(tmp_path, {"a": VolumeFile(b"2"), "new": VolumeFile(b"3")})

    shown = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert shown == {"a": b"2", "new": b"3"}
    versions = [path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]
    assert [path.name for path in versions] == [str((tmp_path / "..data").readlink())]
    assert os.read(held, 9) == b"1"
    os.close(held)


def test_same_files_are_not_written_again(tmp_path: Path) -> None:
    files = {"a": VolumeFile(b"1")}
    write_volume(tmp_path, files)
    before = (tmp_path / "..data").readlink()

    write_volume(tmp_path, files)

    assert (tmp_path / "..data").readlink() == before
