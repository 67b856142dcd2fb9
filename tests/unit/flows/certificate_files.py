"""Certificates of servers and clients in the files that settings name, and what clients ask with."""

import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc

from ciliate.flows.grpc_listener.tls_files import TlsFiles
from ciliate.flows.relay.settings import TlsClient
from ciliate.system.certificates import Authority, Issued

HOUR = timedelta(hours=1)
#: Of every node of cluster `default`, and of one.
NODES = "*.default.hubble-grpc.cilium.io"
NODE = "k8s-w1.default.hubble-grpc.cilium.io"


def issued(
    authority: Authority,
    name: str = NODES,
    *,
    server: bool = False,
    lifetime: timedelta = HOUR,
) -> Issued:
    """Return a certificate for a name."""
    return authority.issue(common_name=name, lifetime=lifetime, sans=[name], server=server)


@dataclass
class CertificateFiles:
    """A folder with what one side has: its certificate and key, and whom it trusts."""

    folder: Path
    authority: Authority = field(default_factory=lambda: Authority.make("ours", lifetime=HOUR))

    @property
    def tls(self) -> TlsFiles:
        """The files as a server's."""
        return TlsFiles(self._named("tls.crt"), self._named("tls.key"), [self._named("ca.crt")])

    @property
    def tls_client(self) -> TlsClient:
        """The files as a client's."""
        return TlsClient(self._named("tls.crt"), self._named("tls.key"), (self._named("ca.crt"),))

    def _named(self, name: str) -> Path:
        return self.folder / name

    def write(self, own: Issued | None = None, *, authorities: bytes = b"") -> Issued:
        """Write all files anew; return the certificate that is in them."""
        own = own or issued(self.authority, server=True)
        self.folder.mkdir(exist_ok=True)
        self._named("tls.crt").write_bytes(own.certificate_pem)
        self._named("tls.key").write_bytes(own.key_pem)
        self._named("ca.crt").write_bytes(authorities or self.authority.certificate_pem)
        return own

    def credentials(self, own: Issued | None = None) -> grpc.ChannelCredentials:
        """Return what a client of gRPC proves itself by."""
        own = own or issued(self.authority)
        return grpc.ssl_channel_credentials(
            self.authority.certificate_pem, own.key_pem, own.certificate_pem
        )

    def client_context(self, own: Issued | None = None) -> ssl.SSLContext:
        """Return what a client of Python's ssl proves itself by."""
        own = own or issued(self.authority)
        context = ssl.create_default_context(cadata=self.authority.certificate_pem.decode())
        self.folder.mkdir(exist_ok=True)
        file = self._named("client.pem")
        file.write_bytes(own.key_pem + own.certificate_pem)
        context.load_cert_chain(file)
        return context
