"""`flows/grpc_listener/tls_files.py`: a context for what is in the files, when it is another."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.unit.flows.certificate_files import HOUR, CertificateFiles, issued

from ciliate.flows.grpc_listener.tls_files import TlsFileError, TlsFiles
from ciliate.system.certificates import Authority


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    found = CertificateFiles(tmp_path)
    found.write()
    return found


def test_there_is_a_context_once_until_a_file_changes(files: CertificateFiles) -> None:
    tls = files.tls

    assert tls.changed() is not None
    assert tls.changed() is None
    files.write()
    assert tls.changed() is not None
    assert tls.changed() is None


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_file_that_is_missing_is_named_and_read_once_it_is_there(
    files: CertificateFiles, name: str
) -> None:
    tls, file = files.tls, files.folder / name
    octets = file.read_bytes()
    file.unlink()

    with pytest.raises(TlsFileError) as refused:
        tls.changed()
    assert refused.value.files == (file,)
    assert str(refused.value) == f"{file}: No such file or directory"

    file.write_bytes(octets)
    assert tls.changed() is not None


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
@pytest.mark.parametrize("octets", [b"", b"text"])
def test_file_that_holds_something_else_is_told_with_all_files(
    files: CertificateFiles, name: str, octets: bytes
) -> None:
    (files.folder / name).write_bytes(octets)

    with pytest.raises(
        TlsFileError, match="not a certificate, its key and authorities"
    ) as refused:
        files.tls.changed()

    assert files.folder / name in refused.value.files


def test_key_of_another_certificate_is_refused(files: CertificateFiles) -> None:
    (files.folder / "tls.key").write_bytes(issued(files.authority).key_pem)

    with pytest.raises(TlsFileError, match="KEY_VALUES_MISMATCH"):
        files.tls.changed()


def test_key_behind_a_password_is_refused_and_nobody_is_asked_for_it(
    files: CertificateFiles,
) -> None:
    """OpenSSL asks at the terminal, and the process stands still meanwhile."""
    file = files.folder / "tls.key"
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    form = serialization.BestAvailableEncryption(b"secret")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(pem, pkcs8, form))

    with pytest.raises(TlsFileError):
        files.tls.changed()


def test_what_was_refused_is_refused_again_until_it_is_right(files: CertificateFiles) -> None:
    tls = files.tls
    assert tls.changed() is not None
    (files.folder / "tls.crt").write_bytes(b"half of i")

    for _ in range(2):
        with pytest.raises(TlsFileError):
            tls.changed()
    files.write()

    assert tls.changed() is not None


def test_tls_is_1_3_and_clients_have_to_prove_themselves(files: CertificateFiles) -> None:
    context = files.tls.changed()

    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_all_authorities_of_all_files_are_trusted(files: CertificateFiles) -> None:
    others = [Authority.make(name, lifetime=HOUR) for name in ("b", "c")]
    (files.folder / "others.crt").write_bytes(b"".join(each.certificate_pem for each in others))
    authorities = [files.folder / "ca.crt", files.folder / "others.crt"]

    context = TlsFiles(files.folder / "tls.crt", files.folder / "tls.key", authorities).changed()

    assert context is not None
    assert len(context.get_ca_certs()) == 3


def test_without_authorities_clients_prove_nothing(files: CertificateFiles) -> None:
    context = TlsFiles(files.folder / "tls.crt", files.folder / "tls.key").changed()

    assert context is not None
    assert context.verify_mode is ssl.CERT_NONE
