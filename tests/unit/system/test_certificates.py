"""`system/certificates.py`: what an authority signs is accepted for what it is for, and no more."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ciliate.system.certificates import Authority, CertificateError, Issued

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("our authority", lifetime=DAY)


def read(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate_pem)


def pem(key: Any, *, password: bytes = b"") -> bytes:
    """Return a key as a file has it."""
    form = serialization.BestAvailableEncryption(password) if password else None
    octets: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        form or serialization.NoEncryption(),
    )
    return octets


def made_elsewhere(key: Any, *, signed_by: Any = None) -> bytes:
    """Return the certificate of an authority that another program made."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere")])
    now = datetime.now(tz=UTC)
    is_edwards = isinstance(signed_by or key, ed25519.Ed25519PrivateKey)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signed_by or key, None if is_edwards else hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def shake_hands(authority: Authority, server: Issued, client: Issued | None, folder: Path) -> None:
    """Do a TLS handshake in memory, both sides with their certificate.

    Raises:
        ssl.SSLError: One side does not take the other.
    """

    def context(protocol: int, own: Issued | None) -> ssl.SSLContext:
        made = ssl.SSLContext(protocol)
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=authority.certificate_pem.decode())
        if own is not None:
            (folder / "own.crt").write_bytes(own.certificate_pem)
            (folder / "own.key").write_bytes(own.key_pem)
            made.load_cert_chain(folder / "own.crt", folder / "own.key")
        return made

    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = context(ssl.PROTOCOL_TLS_CLIENT, client).wrap_bio(
        back, there, server_hostname="db.example"
    )
    answering = context(ssl.PROTOCOL_TLS_SERVER, server).wrap_bio(there, back, server_side=True)
    left: list[ssl.SSLObject] = [asking, answering]
    while left:
        side = left.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            left.append(side)


def test_server_and_client_take_each_other_by_what_an_authority_signed(
    authority: Authority, tmp_path: Path
) -> None:
    server = authority.issue(common_name="db", lifetime=DAY, sans=["db.example"], server=True)
    client = authority.issue(common_name="me", lifetime=DAY, server=False)

    shake_hands(authority, server, client, tmp_path)


def test_server_s_certificate_serves_as_a_client_s_and_not_the_other_way_round(
    authority: Authority, tmp_path: Path
) -> None:
    server = authority.issue(common_name="db", lifetime=DAY, sans=["db.example"], server=True)
    client = authority.issue(common_name="db", lifetime=DAY, sans=["db.example"], server=False)

    shake_hands(authority, server, server, tmp_path)
    with pytest.raises(ssl.SSLError):
        shake_hands(authority, client, client, tmp_path)


def test_what_another_authority_of_the_same_name_signed_is_not_taken(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority.make("our authority", lifetime=DAY)
    mine = authority.issue(common_name="db", lifetime=DAY, sans=["db.example"], server=True)
    its = other.issue(common_name="db", lifetime=DAY, sans=["db.example"], server=True)

    for server, client in ((its, mine), (mine, its)):
        with pytest.raises(ssl.SSLError):
            shake_hands(authority, server, client, tmp_path)


def test_authority_signs_leaves_and_no_other_authority(authority: Authority) -> None:
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    leaf = read(authority.issue(common_name="db", lifetime=DAY, server=True))

    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    found = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert found == x509.BasicConstraints(ca=False, path_length=None)
    leaf.verify_directly_issued_by(authority.certificate)


def test_names_are_addresses_where_they_have_their_form(authority: Authority) -> None:
    sans = ["*.default.hubble-grpc.cilium.io", "192.0.2.1", "fd00::1"]

    certificate = read(authority.issue(common_name="x", lifetime=DAY, sans=sans, server=True))

    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == sans[:1]
    assert found.get_values_for_type(x509.IPAddress) == [ip_address(each) for each in sans[1:]]


@pytest.mark.parametrize("server", [True, False])
def test_certificate_says_what_it_is_for(*, authority: Authority, server: bool) -> None:
    issued = authority.issue(
        common_name="me", lifetime=DAY, organizations=["a", "b"], server=server
    )

    certificate = read(issued)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (ExtendedKeyUsageOID.SERVER_AUTH in usages) == server
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [each.value for each in names] == ["a", "b"]


def test_certificate_begins_before_the_moment_given_and_ends_its_lifetime_behind_it(
    authority: Authority,
) -> None:
    """A clock that is a little behind takes it too."""
    now = datetime(2030, 1, 1, tzinfo=UTC)

    leaf = read(authority.issue(common_name="x", lifetime=DAY, server=True, now=now))
    top = Authority.make("top", lifetime=2 * DAY, now=now).certificate

    assert leaf.not_valid_before_utc == top.not_valid_before_utc == now - timedelta(hours=1)
    assert leaf.not_valid_after_utc == now + DAY
    assert top.not_valid_after_utc == now + 2 * DAY


def test_authority_that_is_read_again_signs_as_before(authority: Authority) -> None:
    again = Authority.read(authority.certificate_pem, authority.key_pem)

    leaf = read(again.issue(common_name="x", lifetime=DAY, server=True))

    leaf.verify_directly_issued_by(authority.certificate)


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["RSA", "P-384", "Ed25519"],
)
def test_authority_made_elsewhere_signs_with_whatever_key_it_has(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    key = make()
    elsewhere = Authority.read(made_elsewhere(key), pem(key))

    made = elsewhere.issue(common_name="db", lifetime=DAY, sans=["db.example"], server=True)

    read(made).verify_directly_issued_by(elsewhere.certificate)
    shake_hands(elsewhere, made, made, tmp_path)


def test_of_several_certificates_the_first_is_the_one_that_signs(authority: Authority) -> None:
    former = Authority.make("former", lifetime=DAY)
    bundle = authority.certificate_pem + former.certificate_pem

    assert Authority.read(bundle, authority.key_pem).certificate == authority.certificate
    with pytest.raises(CertificateError, match="the key of another"):
        Authority.read(bundle, former.key_pem)


@pytest.mark.parametrize(
    ("certificate", "key"), [(b"", None), (None, b""), (b"text", None), (None, b"text")]
)
def test_text_that_is_no_certificate_or_key_is_refused(
    authority: Authority, certificate: bytes | None, key: bytes | None
) -> None:
    with pytest.raises(CertificateError, match="does not hold a PEM certificate and key"):
        Authority.read(
            authority.certificate_pem if certificate is None else certificate,
            authority.key_pem if key is None else key,
        )


def test_key_behind_a_password_is_refused(authority: Authority) -> None:
    with pytest.raises(CertificateError, match="does not hold"):
        Authority.read(authority.certificate_pem, pem(authority.key, password=b"secret"))


def test_key_that_can_sign_nothing_is_refused(authority: Authority) -> None:
    key = x25519.X25519PrivateKey.generate()
    certificate = made_elsewhere(key, signed_by=authority.key)

    with pytest.raises(CertificateError, match="cannot sign"):
        Authority.read(certificate, pem(key))
