"""`apiserver/pki.py`: a lab's authority is made once, and read again from its files."""

import stat
from pathlib import Path

import pytest

from ciliate.apiserver.pki import PkiError, create_ca, issue, load_ca


def test_authority_is_made_once_and_its_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    made = create_ca(tmp_path / "pki")

    assert create_ca(tmp_path / "pki").certificate == made.certificate
    assert load_ca(tmp_path / "pki").certificate == made.certificate
    assert stat.S_IMODE((tmp_path / "pki" / "ca.key").stat().st_mode) == 0o600


def test_files_that_are_no_authority_are_named_with_what_to_do(tmp_path: Path) -> None:
    create_ca(tmp_path / "one")
    create_ca(tmp_path / "two")
    (tmp_path / "one" / "ca.key").write_bytes((tmp_path / "two" / "ca.key").read_bytes())

    with pytest.raises(PkiError) as refused:
        load_ca(tmp_path / "one")
    assert str(refused.value) == (
        f"{tmp_path}/one: holds a certificate, and the key of another:"
        " remove the directory to get new certificates"
    )
    with pytest.raises(PkiError, match="cannot be read"):
        load_ca(tmp_path / "none")


def test_certificate_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    issued = issue(create_ca(tmp_path), common_name="admin", server=False)

    files = issued.write(tmp_path, "admin")

    assert [file.name for file in files] == ["admin.crt", "admin.key"]
    assert files[1].read_bytes() == issued.key_pem
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
