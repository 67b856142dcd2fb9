"""What a relay's configuration file says: Cilium's keys, in YAML. Pure, but for reading the file."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from ciliate.config import values
from ciliate.errors import CiliateError

T = TypeVar("T")

#: Keys of Cilium's that say nothing to us: what they are for is not there, or needs no setting.
_WITHOUT_EFFECT: Final = frozenset(
    {"gops", "gops-port", "pprof", "pprof-address", "pprof-port", "log-format", "log-opt", "debug"}
    | {"sort-buffer-len-max", "sort-buffer-drain-timeout", "retry-timeout", "dial-timeout"}
    | {"metrics-listen-address"}
)

_DEFAULTS: Final[Mapping[str, Any]] = {
    "cluster-name": "default",
    "peer-service": "unix:///var/run/cilium/hubble.sock",
    "listen-address": ":4245",
    "health-listen-address": ":4222",
    "disable-client-tls": False,
    "tls-hubble-client-cert-file": "",
    "tls-hubble-client-key-file": "",
    "tls-hubble-server-ca-files": "",
    "disable-server-tls": False,
    "tls-relay-server-cert-file": "",
    "tls-relay-server-key-file": "",
    "tls-relay-client-ca-files": "",
}


class RelaySettingError(CiliateError):
    """A relay's configuration cannot be used: names the key, its value and what would do."""

    def __init__(self, *, file: Path, problem: str) -> None:
        self.file = file
        super().__init__(f"{file}: {problem}")


@dataclass(frozen=True, slots=True)
class TlsClient:
    """By what a relay proves itself to nodes, and whom it takes nodes' certificates from."""

    certificate: Path
    key: Path
    authorities: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class TlsServer:
    """By what a relay proves itself to clients; whom it takes theirs from, if it wants any."""

    certificate: Path
    key: Path
    client_authorities: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """What a relay serves, and how it speaks; no TLS where it says None."""

    cluster: str
    peer_service: str
    listen_address: str
    health_address: str
    client_tls: TlsClient | None
    server_tls: TlsServer | None
    without_effect: tuple[str, ...]


def read_relay_settings(file: Path) -> RelaySettings:
    """Return what a file says; one that is not there says nothing.

    Raises:
        RelaySettingError: It cannot be read, or a key or value in it cannot be used.
    """
    import yaml  # noqa: PLC0415 - for this one file.

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RelaySettingError(file=file, problem=f"cannot be read: {error}") from error
    if not isinstance(document or {}, dict):
        raise RelaySettingError(file=file, problem="is no map of keys")
    return relay_settings(document or {}, file)


def relay_settings(document: Mapping[str, Any], file: Path) -> RelaySettings:
    """Return what a document says; `file` is for errors.

    Raises:
        RelaySettingError: A key or a value in it cannot be used.
    """
    _check_keys(document, file)
    said = {key: value for key, value in document.items() if value is not None}
    found = {**_DEFAULTS, **said}

    def read(key: str, reader: Callable[[str], T]) -> T:
        try:
            return reader(str(found[key]))
        except values.ValueTextError as error:
            raise RelaySettingError(file=file, problem=f"{key}={found[key]!r} {error}") from error

    for key in ("listen-address", "health-listen-address"):
        read(key, values.read_listen_address)

    def paths(*keys: str) -> list[tuple[Path, ...]]:
        return [tuple(map(Path, _words(found[key]))) for key in keys]

    def needed(off: str, *keys: str) -> list[Path]:
        missing = [key for key in keys if not found[key]]
        if missing:
            raise RelaySettingError(
                file=file, problem=f"{missing[0]}: is missing: name a file, or set {off}: true"
            )
        return [Path(str(found[key])) for key in keys]

    client = server = None
    if not read(off := "disable-client-tls", values.read_bool):
        needed(off, "tls-hubble-server-ca-files")
        certificate, private = needed(
            off, "tls-hubble-client-cert-file", "tls-hubble-client-key-file"
        )
        client = TlsClient(certificate, private, *paths("tls-hubble-server-ca-files"))
    if not read(off := "disable-server-tls", values.read_bool):
        certificate, private = needed(
            off, "tls-relay-server-cert-file", "tls-relay-server-key-file"
        )
        server = TlsServer(certificate, private, *paths("tls-relay-client-ca-files"))
    return RelaySettings(
        cluster=str(found["cluster-name"]),
        peer_service=str(found["peer-service"]),
        listen_address=str(found["listen-address"]),
        health_address=str(found["health-listen-address"]),
        client_tls=client,
        server_tls=server,
        without_effect=tuple(sorted(_WITHOUT_EFFECT & document.keys())),
    )


def _check_keys(document: Mapping[str, Any], file: Path) -> None:
    for key in document:
        if key not in _DEFAULTS and key not in _WITHOUT_EFFECT:
            near = difflib.get_close_matches(str(key), _DEFAULTS, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_DEFAULTS)}"
            raise RelaySettingError(file=file, problem=f"{key}: is not a known key: {remedy}")


def _words(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return [word for word in str(value).replace(",", " ").split() if word]
