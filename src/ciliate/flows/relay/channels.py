"""Connections to flow servers: TLS by files that change, and a look whether the other end lives."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc

from ciliate.errors import CiliateError
from ciliate.flows.relay.settings import TlsClient

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: A node that vanished is noticed after both together; one that comes back, after the latter.
_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 500),
    # For an attempt: on a busy machine a handshake takes longer than half a second.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 4 << 20),
)


class CertificateFileError(CiliateError):
    """A file that a connection needs cannot be read."""

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        super().__init__(f"{file}: {problem}")


class ConnectionClosedError(CiliateError):
    """A connection was closed while something was asked over it."""

    def __init__(self) -> None:
        super().__init__("the connection was closed")


class Channels:
    """Opens connections by what `tls` names; None: without TLS."""

    def __init__(self, tls: TlsClient | None) -> None:
        self._tls = tls

    def open(self, address: str, server_name: str) -> grpc.aio.Channel:
        """Return a connection to `address`, whose certificate is for `server_name`; empty: no TLS.

        Raises:
            CertificateFileError: A file cannot be read.
        """
        target = address.removeprefix("passthrough:///")
        if self._tls is None or not server_name or target.startswith("unix:"):
            return grpc.aio.insecure_channel(target, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(self._tls.authorities),
            private_key=_read([self._tls.key]),
            certificate_chain=_read([self._tls.certificate]),
        )
        named = ("grpc.ssl_target_name_override", server_name)
        return grpc.aio.secure_channel(target, credentials, options=(*_OPTIONS, named))


def _read(files: Sequence[Path]) -> bytes:
    try:
        return b"\n".join(file.read_bytes() for file in files)
    except OSError as error:
        raise CertificateFileError(Path(str(error.filename)), str(error.strerror)) from error


async def unless_closed(call: Awaitable[T]) -> T:
    """Return what a call answers.

    Raises:
        ConnectionClosedError: Its connection was closed by us meanwhile: gRPC cancels its calls.
    """
    try:
        return await call
    except grpc.aio.UsageError as error:
        raise ConnectionClosedError from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionClosedError from error


def details_of(error: grpc.RpcError) -> str:
    """Return what went wrong with a call, in words."""
    details = error.details() if isinstance(error, grpc.aio.AioRpcError) else ""
    return details or str(error)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Return what kind of error a call ended with."""
    return error.code() if isinstance(error, grpc.aio.AioRpcError) else grpc.StatusCode.UNKNOWN
