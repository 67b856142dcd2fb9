"""Which certificates there are to be, and why one is made anew. Pure, but for signing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from ciliate.flows import tls_names
from ciliate.system.certificates import Authority

#: Of the life of a certificate, what is left when it is renewed.
_RENEWED_AT: Final = 1 / 3

#: An authority's life: leaves are renewed behind nobody's back, who trusts it has to be told.
_AUTHORITY_LIFE: Final = timedelta(days=10 * 365)

CA_CERT: Final = "ca.crt"
CA_KEY: Final = "ca.key"
_CERT: Final = "tls.crt"
_KEY: Final = "tls.key"

Data = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Secret with a certificate; `server`: for who listens, and not for who asks alone."""

    secret: str
    name: str
    server: bool


def wanted_certificates(cluster: str) -> tuple[Wanted, ...]:
    """Return what the operator makes for a cluster of that name."""
    return (
        Wanted("hubble-server-certs", tls_names.all_nodes(cluster), server=True),
        Wanted("hubble-relay-client-certs", tls_names.RELAY_NAMES, server=False),
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """Who signs, and all whom others are to trust: a former authority too, for as long as it lasts."""

    authority: Authority
    bundle_pem: bytes


def read_trust(data: Data) -> Trust:
    """Return the trust that a Secret holds.

    Raises:
        CertificateError: It holds no authority that can sign.
    """
    bundle = data.get(CA_CERT, b"")
    return Trust(Authority.read(bundle, data.get(CA_KEY, b"")), bundle)


def renewed_trust(before: Trust | None, now: datetime) -> Trust | None:
    """Return a trust with a new authority, where there is none or its end is near; else None."""
    if before is not None and _left(before.authority.certificate, now) > _RENEWED_AT:
        return None
    made = Authority.make("Cilium CA", lifetime=_AUTHORITY_LIFE, now=now)
    bundle = made.certificate_pem
    if before is not None and before.authority.certificate.not_valid_after_utc > now:
        bundle += before.authority.certificate_pem
    return Trust(made, bundle)


def trust_data(trust: Trust) -> dict[str, bytes]:
    """Return what the Secret of a trust holds."""
    return {CA_CERT: trust.bundle_pem, CA_KEY: trust.authority.key_pem}


def why_renewed(data: Data, wanted: Wanted, trust: Trust, now: datetime) -> str:
    """Return why a certificate has to be made anew; empty: it need not."""
    try:
        certificate = x509.load_pem_x509_certificate(data.get(_CERT, b""))
        key = serialization.load_pem_private_key(data.get(_KEY, b""), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "it cannot be read"
    if certificate.public_key() != key.public_key():
        return "its key is another's"
    if data.get(CA_CERT) != trust.bundle_pem:
        return "the authority has changed"
    try:
        certificate.verify_directly_issued_by(trust.authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return "another authority has signed it"
    if wanted.name not in _names(certificate):
        return f"it is not for {wanted.name}"
    if _left(certificate, now) <= _RENEWED_AT:
        return f"it ends {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z"
    return ""


def certificate_data(
    wanted: Wanted, trust: Trust, validity: timedelta, now: datetime
) -> dict[str, bytes]:
    """Return what the Secret of a new certificate holds."""
    made = trust.authority.issue(
        common_name=wanted.name,
        lifetime=validity,
        sans=[wanted.name],
        server=wanted.server,
        now=now,
    )
    return {CA_CERT: trust.bundle_pem, _CERT: made.certificate_pem, _KEY: made.key_pem}


def _left(certificate: x509.Certificate, now: datetime) -> float:
    """Return what part of a certificate's life is left; 0 or less: it has ended, or not begun."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return 0.0
    return (end - now) / (end - begin)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return [
            str(each.value)
            for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        ]
    return found.value.get_values_for_type(x509.DNSName)
