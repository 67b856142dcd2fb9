"""Certificates of a lab: one authority, server and client certificates it signs, kubeconfigs.

The API server trusts exactly the clients this authority signed: the common name is the user, the
organizations are the groups (Kubernetes' X.509 client certificate authentication).
"""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from ciliate.errors import CiliateError
from ciliate.system import certificates
from ciliate.system.atomic_file import replace_file
from ciliate.system.certificates import Authority, CertificateError

#: A lab may stay up for long, and nothing renews its certificates.
_LIFETIME: Final = timedelta(days=3650)


class PkiError(CiliateError):
    """A certificate or key that cannot be read or written: names the file and the cause."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}: remove the directory to get new certificates")


class Issued(certificates.Issued):
    """A certificate with its key that can be written to files."""

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


def create_ca(directory: Path, *, common_name: str = "ciliate") -> Authority:
    """Return the authority kept in `directory` (`ca.crt`, `ca.key`), making it when absent.

    Raises:
        PkiError: The files cannot be read or written, or are no certificate and key.
    """
    cert_file, key_file = directory / "ca.crt", directory / "ca.key"
    if cert_file.exists() and key_file.exists():
        return load_ca(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority.make(common_name, lifetime=_LIFETIME)
    write_private(key_file, authority.key_pem)
    write_private(cert_file, authority.certificate_pem)
    return authority


def load_ca(directory: Path) -> Authority:
    """Return the authority whose files are in `directory`.

    Raises:
        PkiError: The files cannot be read, or are no certificate and its key.
    """
    try:
        return Authority.read(
            (directory / "ca.crt").read_bytes(), (directory / "ca.key").read_bytes()
        )
    except OSError as error:
        raise PkiError(directory, f"cannot be read ({error.strerror})") from error
    except CertificateError as error:
        raise PkiError(directory, str(error)) from error


def issue(
    ca: Authority,
    *,
    common_name: str,
    organizations: Sequence[str] = (),
    sans: Sequence[str] = (),
    server: bool,
) -> Issued:
    """Return a certificate signed by `ca`, for a server (with its names) or for a client."""
    made = ca.issue(
        common_name=common_name,
        lifetime=_LIFETIME,
        organizations=organizations,
        sans=sans,
        server=server,
    )
    return Issued(made.certificate_pem, made.key_pem)


def render_kubeconfig(
    *,
    server: str,
    ca: Authority,
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
