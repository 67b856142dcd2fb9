"""The certificate that a server shows, for `--tls-allow-insecure`.

Our gRPC library checks every certificate against some authority. To take any certificate is to ask for
it once, and then to trust it as its own authority, under a name that stands in it.
"""

import socket
import ssl
from typing import Final

from ciliate.cli.hubble.errors import ServerUnreachableError
from ciliate.cli.hubble.target import Target

_HTTPS_PORT: Final = 443


def shown_certificate(target: Target) -> tuple[bytes, str | None]:
    """Return the server's certificate in PEM, and a name in it.

    Raises:
        ServerUnreachableError: It shows none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        if target.tls_client_cert_file:
            context.load_cert_chain(target.tls_client_cert_file, target.tls_client_key_file)
        with (
            _connected(target) as connection,
            context.wrap_socket(connection, server_hostname=target.tls_server_name) as session,
        ):
            octets = session.getpeercert(binary_form=True)
    except OSError as error:  # Errors of TLS too.
        raise ServerUnreachableError(
            address=target.server,
            problem=error.strerror or str(error),
            remedy="does it speak TLS?",
        ) from error
    assert octets is not None, "a server of TLS has a certificate"
    return ssl.DER_cert_to_PEM_cert(octets).encode(), _name_in(octets)


def _connected(target: Target) -> socket.socket:
    if target.server.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(target.timeout)
        connection.connect(target.server.removeprefix("unix:").removeprefix("//"))
        return connection
    host, _, port = target.server.removeprefix("dns:///").rpartition(":")
    if not port.isdecimal():
        host, port = target.server.removeprefix("dns:///"), str(_HTTPS_PORT)
    return socket.create_connection((host.strip("[]"), int(port)), target.timeout)


def _name_in(octets: bytes) -> str | None:
    from cryptography import x509  # noqa: PLC0415 - for this flag alone, and slow to import.

    try:
        found = x509.load_der_x509_certificate(octets).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return None
    for name in found.value.get_values_for_type(x509.DNSName):
        return name.replace("*", "any")
    for address in found.value.get_values_for_type(x509.IPAddress):
        return str(address)
    return None
