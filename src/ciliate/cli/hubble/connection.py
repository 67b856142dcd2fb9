"""A connection to a flow server: the only module that speaks gRPC.

A stream ends quietly when it is told to, by Ctrl-C or by a reader that has left: closing the channel
ends the call, and the server notices.
"""

import base64
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

import click
import grpc
from google.protobuf.message import Message

from ciliate.cli.hubble.errors import CallFailedError, HubbleError, ServerUnreachableError
from ciliate.cli.hubble.shown_certificate import shown_certificate
from ciliate.cli.hubble.target import Target
from ciliate.flows.batches import HEADER, answers_of
from ciliate.flows.batches import Answer as Flows

#: The newest version of the API whose fields we know.
_API_VERSION: Final = (1, 19)
_VERSION_HEADERS: Final = frozenset({"hubble-server-version", "hubble-relay-version"})
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")

#: What gRPC's library says, cut down to the cause.
_REASONS: Final = (
    re.compile(r"Failed to connect to remote host: (?:connect: )?(.*)"),
    re.compile(r"(connection attempt timed out) before"),
    re.compile(r"(Hostname Verification Check failed)"),
    re.compile(r"(CERTIFICATE_VERIFY_FAILED: .*?)(?:: OK)?$"),
    re.compile(r"last error: \w+: (?:ipv[46]|unix):\S+?: (.*)"),
    re.compile(r"(.*)"),
)

#: Codes whose names are not those of Python's in lower case.
_CODES: Final = {"CANCELLED": "Canceled"}

_LOOPBACK: Final = re.compile(r"(?:dns:///)?(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?")


class _Call(Protocol):
    """An answer that comes in parts."""

    def __iter__(self) -> Iterator[Any]: ...
    def initial_metadata(self) -> Any: ...
    def cancel(self) -> Any: ...


class CertificateFileError(HubbleError):
    """A file with a certificate or a key cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


class LoginWithoutTlsError(HubbleError):
    """A password would be sent for all to read."""

    def __init__(self) -> None:
        super().__init__("--basic-auth-username needs --tls: a password is not sent in the clear")


class Server:
    """A server that has been reached, or not: the first question tells."""

    def __init__(self, channel: grpc.Channel, target: Target) -> None:
        #: For stubs.
        self.channel = channel
        self._target = target
        self._metadata = _login(target)

    @property
    def address(self) -> str:
        """Whom we ask, in the words of the flag."""
        return self._target.server

    def ask(self, method: Any, request: Message) -> Any:
        """Return the answer to one question.

        Raises:
            CallFailedError: The server answered with an error.
            ServerUnreachableError: It did not answer.
        """
        try:
            answer, call = method.with_call(
                request, timeout=self._target.request_timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise self._failure(error) from error
        _warn_of_version(call.initial_metadata())
        return answer

    def stream(self, method: Callable[..., _Call], request: Message) -> Iterator[Any]:
        """Yield answers as they come.

        Raises:
            CallFailedError: The server ended the stream with an error.
            ServerUnreachableError: It did not answer.
        """
        call = method(request, metadata=[*self._metadata, HEADER])
        begun = False
        try:
            for answer in call:
                if not begun:
                    _warn_of_version(call.initial_metadata())
                begun = True
                yield from answers_of(answer) if isinstance(answer, Flows) else (answer,)
        except grpc.RpcError as error:
            if _code(error) != "Canceled":
                raise self._failure(error, begun=begun) from error
        finally:
            call.cancel()

    def _failure(self, error: grpc.RpcError, *, begun: bool = False) -> HubbleError:
        code, details = _code(error), str(getattr(error, "details", lambda: "")() or "")
        if code != "Unavailable" or begun:
            return CallFailedError(code=code, details=details)
        found = next(filter(None, (each.search(details) for each in _REASONS)))
        return ServerUnreachableError(
            address=self.address, problem=found[1], remedy=_remedy(self._target)
        )


def _code(error: grpc.RpcError) -> str:
    """Return the code in the spelling of gRPC's specification: "NotFound"."""
    code = getattr(error, "code", lambda: None)()
    name = code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"
    return _CODES.get(name) or "".join(word.capitalize() for word in name.split("_"))


def _remedy(target: Target) -> str:
    if target.tls:
        return (
            "--tls-ca-cert-files, --tls-server-name, --tls-client-cert-file say how TLS is spoken"
        )
    if target.server.startswith("unix:"):
        return "does the agent of this node run, with enable-hubble? --server names another"
    if target.port_forward:
        return "is the relay well? `kubectl -n kube-system get pods -l k8s-app=hubble-relay` tells"
    return "-P forwards a port to the relay; --server or HUBBLE_SERVER names another server"


@contextmanager
def connect(target: Target) -> Iterator[Server]:
    """Open a connection for as long as the block takes.

    Raises:
        CertificateFileError: A file cannot be read.
        LoginWithoutTlsError: A password would be sent for all to read.
        CiliateError: Its port should be forwarded, and cannot be.
    """
    with _reached(target) as reached:
        channel = _channel(reached)
        try:
            yield Server(channel, reached)
        finally:
            channel.close()


@contextmanager
def _reached(target: Target) -> Iterator[Target]:
    """Yield the target with the address where it is: that of a forwarded port, if there shall be one."""
    if not target.port_forward:
        yield target
        return
    # The API's client: a tenth of a second that others need not wait.
    from ciliate.cli.hubble.forwarding import relay_forwarded  # noqa: PLC0415

    with relay_forwarded(target) as address:
        if target.debug:
            click.echo(f"port-forward: {address} leads to the relay", err=True)
        yield replace(target, server=address)


def _channel(target: Target) -> grpc.Channel:
    # How long one attempt to connect may take, despite the names; there is one attempt.
    patience_ms = max(1, int(target.timeout * 1000))
    options: list[tuple[str, Any]] = [
        ("grpc.initial_reconnect_backoff_ms", patience_ms),
        ("grpc.min_reconnect_backoff_ms", patience_ms),
    ]
    if _LOOPBACK.fullmatch(target.server):
        options.append(("grpc.enable_http_proxy", 0))
    if not target.tls:
        return grpc.insecure_channel(_go_target(target.server), options)
    roots: bytes | None
    if target.tls_allow_insecure:
        roots, name = shown_certificate(target)
    else:
        roots, name = _roots(target), target.tls_server_name
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    credentials = grpc.ssl_channel_credentials(
        root_certificates=roots,
        private_key=_read(target.tls_client_key_file),
        certificate_chain=_read(target.tls_client_cert_file),
    )
    return grpc.secure_channel(_go_target(target.server), credentials, options)


def _go_target(server: str) -> str:
    """Return an address as our library reads it; Go's knows one more scheme."""
    return server.removeprefix("passthrough:///")


def _login(target: Target) -> list[tuple[str, str]]:
    if not target.basic_auth_username:
        return []
    if not target.tls:
        raise LoginWithoutTlsError
    text = f"{target.basic_auth_username}:{target.basic_auth_password or ''}"
    return [("authorization", f"Basic {base64.b64encode(text.encode()).decode()}")]


def _read(path: str | None) -> bytes | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CertificateFileError(path, error.strerror or str(error)) from error


def _roots(target: Target) -> bytes | None:
    """Return who may sign: the files that were given, or whom this machine trusts."""
    if target.tls_ca_cert_files:
        return b"\n".join(_read(path) or b"" for path in target.tls_ca_cert_files)
    machine = ssl.get_default_verify_paths().cafile
    return _read(machine) if machine else None


def _warn_of_version(headers: Any) -> None:
    """Say once that the server is of a version whose fields we may not know."""
    for key, value in headers or ():
        found = _VERSION.match(value) if key in _VERSION_HEADERS else None
        if found is not None and (int(found[1]), int(found[2])) > _API_VERSION:
            known = ".".join(map(str, _API_VERSION))
            click.echo(
                f"the server speaks Hubble's API of {value}, and this command that of {known}:"
                " what is new in it is not shown",
                err=True,
            )
            return
