"""`flows/operator/plan.py`: a certificate is made anew for a reason, and only for a reason."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ciliate.flows.operator.plan import (
    CA_CERT,
    CA_KEY,
    Trust,
    Wanted,
    certificate_data,
    read_trust,
    renewed_trust,
    trust_data,
    wanted_certificates,
    why_renewed,
)
from ciliate.system.certificates import Authority, CertificateError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
SERVERS, RELAYS = wanted_certificates("default")


def trust_from(now: datetime = NOW) -> Trust:
    found = renewed_trust(None, now)
    assert found is not None
    return found


TRUST = trust_from()


def made(
    wanted: Wanted = SERVERS, trust: Trust = TRUST, validity: timedelta = YEAR
) -> dict[str, bytes]:
    return certificate_data(wanted, trust, validity, NOW)


def why(data: dict[str, bytes], wanted: Wanted = SERVERS, now: datetime = NOW) -> str:
    return why_renewed(data, wanted, TRUST, now)


@pytest.mark.parametrize("wanted", [SERVERS, RELAYS])
def test_certificate_that_was_just_made_stays(wanted: Wanted) -> None:
    assert why(made(wanted), wanted) == ""


@pytest.mark.parametrize("days", [0, 100, 243])
def test_certificate_stays_until_a_third_of_its_life_is_left(days: int) -> None:
    assert why(made(), now=NOW + days * DAY) == ""


def test_certificate_is_renewed_when_a_third_of_its_life_is_left() -> None:
    assert why(made(), now=NOW + 244 * DAY) == "it ends 2031-01-01 00:00Z"


def test_certificate_that_has_ended_or_not_begun_is_renewed() -> None:
    """A clock that was set back: nobody would take it."""
    assert why(made(), now=NOW + 2 * YEAR).startswith("it ends")
    assert why(made(), now=NOW - DAY).startswith("it ends")


@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("octets", [b"", b"text", None])
def test_certificate_that_cannot_be_read_is_renewed(name: str, octets: bytes | None) -> None:
    data = made()
    if octets is None:
        del data[name]
    else:
        data[name] = octets

    assert why(data) == "it cannot be read"


def test_certificate_with_another_s_key_is_renewed() -> None:
    assert why(made() | {"tls.key": made()["tls.key"]}) == "its key is another's"


def test_certificate_beside_another_authority_is_renewed() -> None:
    assert why(made(trust=trust_from())) == "the authority has changed"
    assert why(made() | {CA_CERT: b""}) == "the authority has changed"


def test_certificate_that_another_authority_signed_is_renewed() -> None:
    """Also where somebody wrote ours beside it."""
    data = made(trust=trust_from()) | {CA_CERT: TRUST.bundle_pem}

    assert why(data) == "another authority has signed it"


def test_certificate_of_another_cluster_name_is_renewed() -> None:
    east, _ = wanted_certificates("east")

    assert why(made(), east) == "it is not for *.east.hubble-grpc.cilium.io"


def test_name_of_a_certificate_without_alternatives_is_its_common_name() -> None:
    issued = TRUST.authority.issue(common_name=SERVERS.name, lifetime=YEAR, server=True, now=NOW)
    data = made() | {"tls.crt": issued.certificate_pem, "tls.key": issued.key_pem}

    assert why(data) == ""
    assert why(data, RELAYS) == f"it is not for {RELAYS.name}"


def test_secrets_are_those_of_ciliums_chart() -> None:
    assert (SERVERS.secret, SERVERS.name) == (
        "hubble-server-certs",
        "*.default.hubble-grpc.cilium.io",
    )
    assert (RELAYS.secret, RELAYS.name) == (
        "hubble-relay-client-certs",
        "*.hubble-relay.cilium.io",
    )


def test_relays_ask_and_do_not_serve_with_their_certificate() -> None:
    found = {}
    for wanted in (SERVERS, RELAYS):
        certificate = x509.load_pem_x509_certificate(made(wanted)["tls.crt"])
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        found[wanted] = ExtendedKeyUsageOID.SERVER_AUTH in usages

    assert found == {SERVERS: True, RELAYS: False}


def test_trust_comes_back_out_of_its_secret() -> None:
    again = read_trust(trust_data(TRUST))

    assert again.bundle_pem == TRUST.bundle_pem
    assert again.authority.certificate == TRUST.authority.certificate
    assert why_renewed(made(), SERVERS, again, NOW) == ""


@pytest.mark.parametrize("name", [CA_CERT, CA_KEY])
def test_secret_without_an_authority_that_signs_is_refused(name: str) -> None:
    data = trust_data(TRUST)
    del data[name]

    with pytest.raises(CertificateError):
        read_trust(data)


def test_authority_stays_until_a_third_of_its_life_is_left() -> None:
    assert renewed_trust(TRUST, NOW) is None
    assert renewed_trust(TRUST, NOW + 6 * YEAR) is None


def test_former_authority_is_trusted_beside_the_new_one_for_as_long_as_it_lasts() -> None:
    """Its certificates are in use until everybody has fetched those of the new one."""
    now = NOW + 7 * YEAR

    after = renewed_trust(TRUST, now)

    assert after is not None
    assert after.authority.certificate != TRUST.authority.certificate
    bundle = x509.load_pem_x509_certificates(after.bundle_pem)
    assert bundle == [after.authority.certificate, TRUST.authority.certificate]
    assert renewed_trust(after, now) is None
    assert why_renewed(made(), SERVERS, after, now) == "the authority has changed"
    assert read_trust(trust_data(after)).authority.certificate == bundle[0], "the new one signs"


def test_authority_that_has_ended_is_trusted_no_more() -> None:
    after = renewed_trust(TRUST, NOW + 11 * YEAR)

    assert after is not None
    assert after.bundle_pem == after.authority.certificate_pem


def test_authority_that_somebody_else_made_signs_too() -> None:
    other = Authority.make("cert-manager", lifetime=YEAR, now=NOW)
    trust = Trust(other, other.certificate_pem)

    data = certificate_data(SERVERS, trust, YEAR, NOW)

    assert why_renewed(data, SERVERS, trust, NOW) == ""
