"""The configuration file by which a kubelet sees that its node is ready."""

import json
import os
from pathlib import Path

import pytest

from ciliate.cni.conflist import (
    ConflistError,
    is_exclusive_intact,
    remove_conflist,
    render_conflist,
    write_conflist,
)
from ciliate.cni.version import CniVersion


def test_list_names_our_plugin_alone() -> None:
    assert json.loads(render_conflist()) == {
        "cniVersion": "0.3.1",
        "name": "cilium",
        "plugins": [{"type": "ciliate-cni", "enable-debug": False}],
    }


def test_version_and_log_file_are_taken_over() -> None:
    rendered = json.loads(
        render_conflist(version=CniVersion("1.1.0"), debug=True, log_file="/var/log/cni.log")
    )

    assert rendered["cniVersion"] == "1.1.0"
    assert rendered["plugins"] == [
        {"type": "ciliate-cni", "enable-debug": True, "log-file": "/var/log/cni.log"}
    ]


def test_file_is_readable_for_all_and_not_rewritten_when_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "net.d" / "05-cilium.conflist"
    mask = os.umask(0o077)
    try:
        assert write_conflist(str(path), b"{}", exclusive=False)
    finally:
        os.umask(mask)
    first = path.stat()

    assert not write_conflist(str(path), b"{}", exclusive=False)

    assert path.stat().st_ino == first.st_ino
    assert path.stat().st_mode & 0o777 == 0o644
    assert write_conflist(str(path), b"{ }", exclusive=False)
    assert path.read_bytes() == b"{ }"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_exclusive_sets_other_configurations_aside(tmp_path: Path) -> None:
    path = tmp_path / "05-cilium.conflist"
    for name in ("10-flannel.conflist", "87-podman.conf", "x.json", "notes.txt"):
        (tmp_path / name).write_text("theirs")

    assert not is_exclusive_intact(str(path))
    write_conflist(str(path), b"{}", exclusive=True)

    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "05-cilium.conflist",
        "10-flannel.conflist.cilium_bak",
        "87-podman.conf.cilium_bak",
        "notes.txt",
        "x.json.cilium_bak",
    ]
    assert is_exclusive_intact(str(path))
    assert not write_conflist(str(path), b"{}", exclusive=True)


def test_others_stay_where_exclusive_is_off(tmp_path: Path) -> None:
    (tmp_path / "10-flannel.conflist").write_text("theirs")

    write_conflist(str(tmp_path / "05-cilium.conflist"), b"{}", exclusive=False)

    assert (tmp_path / "10-flannel.conflist").exists()


def test_removal_twice_is_a_success(tmp_path: Path) -> None:
    path = tmp_path / "05-cilium.conflist"
    write_conflist(str(path), b"{}", exclusive=True)

    remove_conflist(str(path))
    remove_conflist(str(path))

    assert not path.exists()
    assert not is_exclusive_intact(str(path))


def test_directory_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "net.d").write_text("a file")

    with pytest.raises(ConflistError, match=r"net\.d/05-cilium\.conflist"):
        write_conflist(str(tmp_path / "net.d" / "05-cilium.conflist"), b"{}", exclusive=False)
