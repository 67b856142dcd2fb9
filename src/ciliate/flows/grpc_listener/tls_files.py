"""A server's certificate, its key and the authorities of its clients, read from files that change."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ciliate.errors import CiliateError


class TlsFileError(CiliateError):
    """A file that TLS needs cannot be read, or holds something else."""

    def __init__(self, files: Sequence[Path], problem: str) -> None:
        self.files = tuple(files)
        names = ", ".join(map(str, files))
        super().__init__(f"{names}: {problem}")


@dataclass(slots=True)
class TlsFiles:
    """Makes TLS contexts of files; of clients it wants a certificate where authorities are named."""

    certificate: Path
    key: Path
    client_authorities: Sequence[Path] = ()
    _read: tuple[bytes, ...] = field(default=(), init=False)

    def changed(self) -> ssl.SSLContext | None:
        """Return a context where the files are others than at the last call; else None.

        TLS 1.3 alone (RFC 8446), and HTTP/2 (RFC 7301, RFC 9113).

        Raises:
            TlsFileError: One is not there, or cannot be used; what was read before still holds.
        """
        files = (self.certificate, self.key, *self.client_authorities)
        try:
            found = tuple(file.read_bytes() for file in files)
        except OSError as error:
            raise TlsFileError([Path(str(error.filename))], str(error.strerror)) from error
        if found == self._read:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["h2"])
        try:
            # Without a password a key that is encrypted would be asked for at the terminal.
            context.load_cert_chain(self.certificate, self.key, password="")
            for authorities in self.client_authorities:
                context.load_verify_locations(authorities)
        except (ssl.SSLError, OSError) as error:
            raise TlsFileError(
                files, f"not a certificate, its key and authorities: {error}"
            ) from error
        if self.client_authorities:
            context.verify_mode = ssl.CERT_REQUIRED
        self._read = found
        return context
