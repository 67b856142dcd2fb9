"""Connections: TLS in its forms, and servers that cannot be reached."""

import ipaddress
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.cli.hubble.running_server import Answers

from ciliate.cli.hubble.connection import CertificateFileError, LoginWithoutTlsError, connect
from ciliate.cli.hubble.errors import HubbleError, ServerUnreachableError
from ciliate.cli.hubble.target import Target
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.observer.observer_pb2_grpc import (
    ObserverStub,
    add_ObserverServicer_to_server,
)

NAME = "k8s-w1.default.hubble-grpc.cilium.io"


@dataclass
class Signed:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def sign(*names: x509.GeneralName, by: Signed | None = None) -> Signed:
    """A certificate for names; without `by` an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" if by else "authority")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if names:
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Signed(built.sign(by.key if by else key, hashes.SHA256()), key)


@pytest.fixture(scope="module")
def authority() -> Signed:
    return sign()


@pytest.fixture(scope="module")
def target(authority: Signed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server that wants a certificate of ours, and all that it takes to be let in."""
    mine = sign(x509.DNSName("me"), by=authority)
    its = sign(x509.DNSName("*.default.hubble-grpc.cilium.io"), by=authority)
    folder = tmp_path_factory.mktemp("pki")
    for name, octets in (
        ("ca.crt", authority.pem()),
        ("client.crt", mine.pem()),
        ("client.key", mine.key_pem()),
    ):
        (folder / name).write_bytes(octets)
    server = grpc.server(ThreadPoolExecutor(2))
    add_ObserverServicer_to_server(
        Answers(status=observer_pb2.ServerStatusResponse(num_flows=3)), server
    )
    credentials = grpc.ssl_server_credentials(
        [(its.key_pem(), its.pem())], authority.pem(), require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield Target(
        server=f"127.0.0.1:{port}",
        tls=True,
        tls_ca_cert_files=(str(folder / "ca.crt"),),
        tls_client_cert_file=str(folder / "client.crt"),
        tls_client_key_file=str(folder / "client.key"),
        tls_server_name=NAME,
    )
    server.stop(None).wait()


def flows_of(target: Target) -> int:
    with connect(target) as server:
        question = observer_pb2.ServerStatusRequest()
        answer = server.ask(ObserverStub(server.channel).ServerStatus, question)
        return int(answer.num_flows)


def test_both_sides_prove_themselves(target: Target) -> None:
    assert flows_of(target) == 3


def test_any_certificate_is_taken_when_it_is_asked_for(target: Target) -> None:
    anyone = replace(target, tls_allow_insecure=True, tls_ca_cert_files=(), tls_server_name=None)

    assert flows_of(anyone) == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tls_server_name": "elsewhere"}, "Hostname"),
        ({"tls_ca_cert_files": ()}, "CERTIFICATE_VERIFY_FAILED"),
        ({"tls_client_cert_file": None, "tls_client_key_file": None}, "failed to connect"),
        ({"tls": False}, "failed to connect"),
    ],
)
def test_wrong_proof_is_one_line_about_tls(
    target: Target, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(HubbleError, match=problem) as failed:
        flows_of(replace(target, **change))

    assert "\n" not in str(failed.value)
    assert target.server in str(failed.value)


def test_address_in_a_certificate_is_a_name_too(authority: Signed) -> None:
    its = sign(x509.IPAddress(ipaddress.ip_address("10.0.0.1")), by=authority)
    server = grpc.server(ThreadPoolExecutor(2))
    add_ObserverServicer_to_server(Answers(), server)
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(its.key_pem(), its.pem())])
    )
    server.start()

    found = flows_of(Target(server=f"127.0.0.1:{port}", tls=True, tls_allow_insecure=True))

    server.stop(None)
    assert found == 0


def test_file_that_cannot_be_read_is_named(target: Target, tmp_path: Path) -> None:
    path = str(tmp_path / "none.crt")

    with pytest.raises(CertificateFileError, match=path):
        flows_of(replace(target, tls_ca_cert_files=(path,)))


def test_password_is_not_sent_in_the_clear(target: Target) -> None:
    with pytest.raises(LoginWithoutTlsError):
        flows_of(replace(target, tls=False, basic_auth_username="me"))


def test_port_that_nobody_listens_on_is_told_at_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"

        with pytest.raises(ServerUnreachableError, match="Connection refused") as failed:
            flows_of(Target(server=address, timeout=30))

    assert address in str(failed.value)


def test_server_that_says_nothing_is_waited_for_no_longer_than_asked() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(ServerUnreachableError, match="connection attempt timed out"):
            flows_of(Target(server=address, timeout=0.2))
