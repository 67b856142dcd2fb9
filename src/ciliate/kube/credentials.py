"""Where the API server is and who we are: from a kubeconfig file or from inside a pod.

Supported of a kubeconfig: contexts, CA and client certificate as file or inline data, bearer
token as text or file, `tls-server-name`, `insecure-skip-tls-verify`. Helper programs (`exec`)
and passwords are refused by name. A file in JSON is read without loading a YAML parser.
"""

import asyncio
import base64
import binascii
import os
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ciliate.api.decode import decode_document, without_null_fields
from ciliate.kube.errors import KubeconfigError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

#: The kubelet renews a projected token well before it expires; client-go rereads as often.
_TOKEN_REREAD_S: Final = 60.0


class _Cluster(msgspec.Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""


class _User(msgspec.Struct, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    exec: Any = None
    auth_provider: Any = None
    username: str = ""


class _Context(msgspec.Struct):
    cluster: str = ""
    user: str = ""


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: _Cluster


class _NamedUser(msgspec.Struct):
    name: str
    user: _User


class _NamedContext(msgspec.Struct):
    name: str
    context: _Context


class _Kubeconfig(msgspec.Struct, rename="kebab"):
    clusters: list[_NamedCluster] = []
    users: list[_NamedUser] = []
    contexts: list[_NamedContext] = []
    current_context: str = ""


@dataclass(slots=True)
class Token:
    """A bearer token, reread from its file when it has one."""

    text: str = field(repr=False, default="")
    path: Path | None = None
    read_at: float = float("-inf")

    async def header(self) -> dict[str, str]:
        """Return the Authorization header, empty without a token.

        Raises:
            KubeconfigError: The token's file cannot be read.
        """
        if self.path is not None and time.monotonic() - self.read_at > _TOKEN_REREAD_S:
            self.text = (await asyncio.to_thread(_read, self.path, self.path)).decode().strip()
            self.read_at = time.monotonic()
        return {"Authorization": f"Bearer {self.text}"} if self.text else {}

    def refused(self, status: int) -> None:
        """Have the file read anew for the next request where this answer (401) is about it."""
        if status == 401:
            self.read_at = float("-inf")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything a connection needs; `server` is a URL without a slash at its end."""

    server: str
    tls: ssl.SSLContext | None = None
    tls_server_name: str = ""
    token: Token = field(default_factory=Token)


def from_kubeconfig(path: str | Path, *, context: str = "") -> Credentials:
    """Return the credentials of `context`, or of the file's current context.

    Raises:
        KubeconfigError: The file, or something it names, is missing, garbled or unsupported.
    """
    path = Path(path)
    config = _parse(path, _read(path, path))
    wanted = context or config.current_context
    chosen = next((c.context for c in config.contexts if c.name == wanted), None)
    if chosen is None:
        known = ", ".join(c.name for c in config.contexts) or "none"
        raise KubeconfigError(path=path, problem=f"no context {wanted!r}; it has: {known}")
    cluster = next((c.cluster for c in config.clusters if c.name == chosen.cluster), None)
    user = next((u.user for u in config.users if u.name == chosen.user), _User())
    if cluster is None:
        raise KubeconfigError(path=path, problem=f"no cluster {chosen.cluster!r}")
    for unsupported in ("exec", "auth_provider", "username"):
        if getattr(user, unsupported):
            raise KubeconfigError(
                path=path,
                problem=f"user {chosen.user!r} signs in by {unsupported.replace('_', '-')}, "
                "which is not supported: use a client certificate or a token",
            )
    return Credentials(
        server=_checked_server(path, cluster.server),
        tls=_tls_context(path, cluster, user),
        tls_server_name=cluster.tls_server_name,
        token=Token(user.token, _resolve(path, user.token_file) if user.token_file else None),
    )


def in_cluster() -> Credentials:
    """Return the credentials that every pod with a service account has.

    Raises:
        KubeconfigError: This process is not in such a pod.
    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise KubeconfigError(
            path="(in cluster)",
            problem="KUBERNETES_SERVICE_HOST is not set: this is no pod; name a kubeconfig file",
        )
    authority = SERVICE_ACCOUNT / "ca.crt"
    tls = _trusting(authority, _read(authority, authority))
    name = f"[{host}]" if ":" in host else host
    return Credentials(
        f"https://{name}:{port}", tls=tls, token=Token(path=SERVICE_ACCOUNT / "token")
    )


def detect(kubeconfig: str = "", *, context: str = "") -> Credentials:
    """Return credentials from the file named, else $KUBECONFIG, else the pod, else ~/.kube.

    A context is one of a file: then the pod is none of the places.

    Raises:
        KubeconfigError: The place that comes first cannot be used; later ones are not tried.
    """
    # $KUBECONFIG may be a list of files (kubectl merges them); the first one counts here.
    named = kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if named:
        return from_kubeconfig(named, context=context)
    if "KUBERNETES_SERVICE_HOST" in os.environ and not context:
        return in_cluster()
    return from_kubeconfig(Path.home() / ".kube" / "config", context=context)


def _read(kubeconfig: Path, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KubeconfigError(path=kubeconfig, problem=f"cannot read {path}: {error}") from error


def _parse(path: Path, text: bytes) -> _Kubeconfig:
    try:
        if text.lstrip().startswith(b"{"):
            return decode_document(text, _Kubeconfig)
        # Only this format needs the parser, which costs 15 ms to load.
        import yaml  # noqa: PLC0415 - see the line above

        try:
            loaded = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise KubeconfigError(path=path, problem=f"not YAML: {error}") from error
        # kubectl writes `users: null` where there are none.
        return msgspec.convert(without_null_fields(loaded), _Kubeconfig)
    except msgspec.MsgspecError as error:
        raise KubeconfigError(path=path, problem=f"not a kubeconfig: {error}") from error


def _resolve(kubeconfig: Path, named: str) -> Path:
    return kubeconfig.parent / named  # An absolute name stays as it is.


def _checked_server(path: Path, server: str) -> str:
    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise KubeconfigError(path=path, problem=f"server {server!r} is not an http(s) URL")
    return server.rstrip("/")


def _material(path: Path, *, inline: str, named: str) -> bytes:
    """Return PEM text given inline as base64, or in a file, or nothing."""
    if inline:
        try:
            return base64.b64decode(inline, validate=True)
        except binascii.Error as error:
            raise KubeconfigError(path=path, problem=f"inline data: {error}") from error
    return _read(path, _resolve(path, named)) if named else b""


def _tls_context(path: Path, cluster: _Cluster, user: _User) -> ssl.SSLContext | None:
    if not cluster.server.startswith("https:"):
        return None
    authority = _material(
        path, inline=cluster.certificate_authority_data, named=cluster.certificate_authority
    )
    tls = _trusting(path, authority)
    if cluster.insecure_skip_tls_verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate = _material(
        path, inline=user.client_certificate_data, named=user.client_certificate
    )
    key = _material(path, inline=user.client_key_data, named=user.client_key)
    if certificate:
        _load_client(tls, path, certificate + b"\n" + key)
    return tls


def _trusting(path: Path, authority: bytes) -> ssl.SSLContext:
    """Return a context that trusts `authority` alone, or the system's CAs when it is empty."""
    try:
        return ssl.create_default_context(cadata=authority.decode() or None)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise KubeconfigError(path=path, problem=f"CA certificate: {error}") from error


def _load_client(tls: ssl.SSLContext, path: Path, pem: bytes) -> None:
    # OpenSSL's Python binding takes a file only. An anonymous one in memory leaves no key on
    # disk and vanishes with its descriptor.
    descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(pem)
        tls.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except (ssl.SSLError, OSError) as error:
        raise KubeconfigError(path=path, problem=f"client certificate: {error}") from error
    finally:
        os.close(descriptor)
