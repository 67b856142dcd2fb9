"""Certificates of a lab: one authority, server and client certificates it signs, kubeconfigs.

The API server trusts exactly the clients this authority signed: the common name is the user, the
organizations are the groups (Kubernetes' X.509 client certificate authentication). Keys are EC
P-256: a tenth of a millisecond to make and to sign with, where RSA takes a hundred.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ciliate.errors import CiliateError
from ciliate.system.atomic_file import replace_file

#: A lab may stay up for long, and nothing renews its certificates.
_LIFETIME: Final = timedelta(days=3650)
#: Clocks of the machines are one clock; this covers a step back of the host's.
_BACKDATED: Final = timedelta(hours=1)


class PkiError(CiliateError):
    """A certificate or key that cannot be read or written: names the file and the cause."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}: remove the directory to get new certificates")


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The root of a lab's trust."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM: what clients trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, both as PEM."""

    certificate_pem: bytes
    key_pem: bytes

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `<name>.crt` and `<name>.key` (0600) and return their paths."""
        cert_file, key_file = directory / f"{name}.crt", directory / f"{name}.key"
        write_private(cert_file, self.certificate_pem)
        write_private(key_file, self.key_pem)
        return cert_file, key_file


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, replacing it in one step.

    Raises:
        PkiError: The file cannot be written.
    """
    try:
        replace_file(path, content, mode=0o600, durable=True)
    except OSError as error:
        raise PkiError(path, f"cannot be written ({error.strerror})") from error


def create_ca(directory: Path, *, common_name: str = "ciliate") -> CertificateAuthority:
    """Return the authority kept in `directory` (`ca.crt`, `ca.key`), making it when absent.

    Raises:
        PkiError: The files cannot be read or written, or are no certificate and key.
    """
    cert_file, key_file = directory / "ca.crt", directory / "ca.key"
    if cert_file.exists() and key_file.exists():
        return load_ca(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = _builder(subject=name, issuer=name, public_key=key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    certificate = builder.sign(key, hashes.SHA256())
    authority = CertificateAuthority(certificate=certificate, key=key, cert_file=cert_file)
    write_private(key_file, _key_pem(key))
    write_private(cert_file, authority.certificate_pem)
    return authority


def load_ca(directory: Path) -> CertificateAuthority:
    """Return the authority whose files are in `directory`.

    Raises:
        PkiError: The files cannot be read, or are no certificate and EC key.
    """
    cert_file, key_file = directory / "ca.crt", directory / "ca.key"
    try:
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise PkiError(directory, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise PkiError(directory, "does not hold a PEM certificate and key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(key_file, "is not an EC key")
    return CertificateAuthority(certificate=certificate, key=key, cert_file=cert_file)


def issue(
    ca: CertificateAuthority,
    *,
    common_name: str,
    organizations: Sequence[str] = (),
    sans: Sequence[str] = (),
    server: bool,
) -> Issued:
    """Return a certificate signed by `ca`, for a server (with its names) or for a client.

    `sans` are DNS names and addresses, distinguished by their form. A server's certificate serves as
    a client's too: the API server is a client of the kubelets.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    builder = _builder(
        subject=x509.Name(attributes), issuer=ca.certificate.subject, public_key=key.public_key()
    )
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if server:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_key_usage(ca=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
    )
    if sans:
        names = x509.SubjectAlternativeName([_general_name(san) for san in sans])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(ca.key, hashes.SHA256())
    return Issued(
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=_key_pem(key),
    )


def render_kubeconfig(
    *,
    server: str,
    ca: CertificateAuthority,
    client: Issued,
    cluster: str = "ciliate",
    user: str = "admin",
    namespace: str = "default",
) -> str:
    """Return a kubeconfig with everything inside; write it with `write_private`.

    JSON is YAML, so no YAML library is needed in processes that only write one.
    """

    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    cluster_entry = {"server": server, "certificate-authority-data": encoded(ca.certificate_pem)}
    user_entry = {
        "client-certificate-data": encoded(client.certificate_pem),
        "client-key-data": encoded(client.key_pem),
    }
    context = {"cluster": cluster, "user": user, "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": cluster_entry}],
        "users": [{"name": user, "user": user_entry}],
        "contexts": [{"name": cluster, "context": context}],
        "current-context": cluster,
    }
    return json.dumps(config, indent=2) + "\n"


def _builder(
    *, subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(san: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(san))
    except ValueError:
        return x509.DNSName(san)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
