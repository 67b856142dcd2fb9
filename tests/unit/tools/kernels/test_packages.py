from pathlib import Path

import pytest
from tools.kernels.packages import (
    Kernel,
    PackageError,
    Source,
    codename,
    fetch,
    machine_sources,
    source_lines,
)

DEB822 = """\
Types: deb
# A comment.
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://comment.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/key.gpg] http://mirror.example/debian bookworm main contrib
deb http://mirror.example/debian-security bookworm-security main
deb http://other.example/apt tool-bookworm tool
"""
OLD = Kernel("5.10", ("bullseye",), security=True)
NEW = Kernel("6.12", ("bookworm-backports",), security=False)


def machine(tmp_path: Path, *, one_line: str = "", deb822: str = "") -> tuple[Source, ...]:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(one_line)
    (tmp_path / "sources.list.d" / "debian.sources").write_text(deb822)
    return machine_sources(tmp_path)


def test_both_forms_of_sources_are_read_but_for_what_is_off_or_no_main(tmp_path: Path) -> None:
    found = machine(tmp_path, one_line=ONE_LINE, deb822=DEB822)

    assert found == (
        Source("http://mirror.example/debian", "bookworm", "/etc/key.gpg"),
        Source("http://mirror.example/debian-security", "bookworm-security", ""),
        Source("http://mirror.example/debian", "bookworm", "/usr/share/keyrings/debian.gpg"),
        Source(
            "http://mirror.example/debian", "bookworm-updates", "/usr/share/keyrings/debian.gpg"
        ),
        Source("http://mirror.example/debian-security", "bookworm-security", ""),
    )


def test_other_release_is_read_from_the_machines_own_mirrors(tmp_path: Path) -> None:
    sources = machine(tmp_path, deb822=DEB822)

    assert source_lines(OLD, sources, "bookworm") == [
        "deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian bullseye main",
        "deb http://mirror.example/debian-security bullseye-security main",
    ]
    assert source_lines(NEW, sources, "bookworm") == [
        sources[0].line("bookworm-backports"),
    ]


def test_machine_without_an_archive_of_its_release_is_told_so() -> None:
    with pytest.raises(PackageError, match="no archive of bookworm"):
        source_lines(NEW, (), "bookworm")


def test_package_that_is_there_is_taken_without_asking_apt(tmp_path: Path) -> None:
    package = tmp_path / "linux-image-6.12.95_1_amd64.deb"
    package.touch()

    assert fetch(NEW, tmp_path) == package
    assert [path.name for path in tmp_path.iterdir()] == [package.name]


def test_release_is_named_with_or_without_quotes() -> None:
    assert codename('NAME=x\nVERSION_CODENAME="bookworm"\n') == "bookworm"
    assert codename("VERSION_CODENAME=trixie\n") == "trixie"
    assert codename("NAME=x\n") == ""
