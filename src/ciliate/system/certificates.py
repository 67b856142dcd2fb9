"""Certificates: authorities, and what they sign for servers and clients.

Keys are EC P-256: a tenth of a millisecond to make and to sign with, where RSA takes a hundred. An
authority that somebody else made may have any key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, Self, get_args

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: A clock that is behind ours takes a new certificate all the same.
_BACKDATED: Final = timedelta(hours=1)


class CertificateError(ValueError):
    """A text that is no certificate, no key, or a certificate and the key of another."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @classmethod
    def make(cls, common_name: str, *, lifetime: timedelta, now: datetime | None = None) -> Self:
        """Return a new authority, which signs leaves alone; it is valid from `now` on."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(
            subject=name, issuer=name, public_key=key.public_key(), lifetime=lifetime, now=now
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_key_usage(ca=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def read(cls, certificate_pem: bytes, key_pem: bytes) -> Self:
        """Return the authority whose certificate, the first of them, and key these are.

        Raises:
            CertificateError: They are not.
        """
        try:
            certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
            key = serialization.load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise CertificateError("does not hold a PEM certificate and key") from error
        if not isinstance(key, get_args(CertificateIssuerPrivateKeyTypes)):
            raise CertificateError("holds a key that cannot sign")
        if key.public_key() != certificate.public_key():
            raise CertificateError("holds a certificate, and the key of another")
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM: what others trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM."""
        return _key_pem(self.key)

    def issue(
        self,
        *,
        common_name: str,
        lifetime: timedelta,
        organizations: Sequence[str] = (),
        sans: Sequence[str] = (),
        server: bool,
        now: datetime | None = None,
    ) -> "Issued":
        """Return a certificate for a server (with its names) or for a client alone, from `now` on.

        `sans` are DNS names and addresses, distinguished by their form. A server's certificate
        serves as a client's too: the API server is a client of the kubelets.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
        builder = _builder(
            subject=x509.Name(attributes),
            issuer=self.certificate.subject,
            public_key=key.public_key(),
            lifetime=lifetime,
            now=now,
        )
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if server:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_key_usage(ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            critical=False,
        )
        if sans:
            names = x509.SubjectAlternativeName([_general_name(san) for san in sans])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self.key, _hash_for(self.key))
        return Issued(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            key_pem=_key_pem(key),
        )


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, both as PEM."""

    certificate_pem: bytes
    key_pem: bytes


def _builder(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    lifetime: timedelta,
    now: datetime | None,
) -> x509.CertificateBuilder:
    now = now or datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _hash_for(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | None:
    """Return what is signed; Edwards curves have a hash of their own (RFC 8032)."""
    is_edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return None if is_edwards else hashes.SHA256()


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


def _key_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
