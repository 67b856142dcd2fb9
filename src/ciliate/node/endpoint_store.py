"""The agent's memory of its endpoints: one file each, so that a restarted agent knows its pods.

A file is written when the pod's interface is complete and deleted when its removal is done; it is
replaced atomically, so a killed agent leaves the old text or the new one. A crash of the machine
takes the interfaces along, so no ADD waits until its file is on the disk. An interface without a
file belongs to an ADD that was never answered. The directory is root's alone.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from ciliate.net.address import IPAddress, ip_address, mac_octets
from ciliate.net.pod_interface import PodInterface
from ciliate.node.endpoint import ENDPOINT_ID_MAX, ENDPOINT_ID_MIN, Endpoint
from ciliate.node.errors import EndpointStateError
from ciliate.system.atomic_file import DRAFT_SUFFIX, replace_file

_log = logging.getLogger(__name__)


T = TypeVar("T")

#: Drafts that a killed agent may leave; those of earlier versions end in `.tmp`.
_DRAFTS: Final = (f"*{DRAFT_SUFFIX}", "*.tmp")

#: Fields that have another name in the file: that of the first version.
_NAMES_IN_FILE: Final = {"pod_name": "ifname"}

_MAC_OCTETS: Final = 6


def _encode(endpoint: Endpoint) -> bytes:
    """Return the file's text: the interface's fields stand among the endpoint's own."""
    record = msgspec.to_builtins(endpoint, enc_hook=str)
    record.update(record.pop("interface"))
    del record["restored"]
    return msgspec.json.encode({_in_file(name): value for name, value in record.items()})


def _decode(text: bytes) -> Endpoint:
    found = msgspec.json.decode(text, type=dict[str, Any])
    interface = _build(PodInterface, found)
    endpoint = _build(Endpoint, found, interface=interface, restored=True)
    _check(endpoint)
    return endpoint


def _check(endpoint: Endpoint) -> None:
    """Raise ValueError for what the datapath's maps have no room for: nothing would run."""
    numbers = {
        "id": (endpoint.id, ENDPOINT_ID_MIN, ENDPOINT_ID_MAX),
        "ifindex": (endpoint.ifindex, 0, 2**31 - 1),
        "identity": (endpoint.identity, 0, 2**32 - 1),
    }
    for name, (number, least, most) in numbers.items():
        if not least <= number <= most:
            raise ValueError(f"{name} {number} is not within {least} and {most}")
    for mac in (endpoint.interface.host_mac, endpoint.interface.pod_mac):
        if len(mac_octets(mac)) != _MAC_OCTETS:
            raise ValueError(f"{mac} is no MAC address")


def _build(kind: type[T], found: Mapping[str, Any], **known: object) -> T:
    """Return a `kind` with what the file has of its fields; the others have their defaults."""
    hints = get_type_hints(kind)
    values = dict(known)
    for name in hints.keys() - known.keys():
        if _in_file(name) in found:
            values[name] = _read(found[_in_file(name)], hints[name])
    return kind(**values)


def _read(value: object, hint: object) -> object:
    if hint == tuple[IPAddress, ...]:
        return tuple(map(ip_address, msgspec.convert(value, tuple[str, ...])))
    return msgspec.convert(value, hint)


def _in_file(name: str) -> str:
    return _NAMES_IN_FILE.get(name, name).replace("_", "-")


class EndpointStore:
    """Files `<id>.json` in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        #: Whether an agent has kept endpoints here before.
        self.is_new = not directory.exists()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EndpointStateError(f"{directory}: cannot be made: {error}") from error

    def save(self, endpoint: Endpoint) -> None:
        """Write the endpoint's file, atomically.

        Raises:
            EndpointStateError: The file could not be written (no space left, read-only).
        """
        path = self._path(endpoint.id)
        try:
            replace_file(path, _encode(endpoint), mode=0o600, durable=False)
        except (OSError, ValueError) as error:  # ValueError: text that is not UTF-8.
            raise EndpointStateError(
                f"{path}: endpoint of pod {endpoint.owner} cannot be kept: {error}:"
                " make room on that file system"
            ) from error

    def remove(self, endpoint_id: int) -> None:
        """Forget an endpoint; one that was never kept is a success."""
        try:
            self._path(endpoint_id).unlink(missing_ok=True)
        except OSError as error:
            raise EndpointStateError(f"{self._path(endpoint_id)}: {error}") from error

    def load(self) -> Iterator[Endpoint]:
        """Yield every endpoint of a previous agent; a file that cannot be read is set aside."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield self._read(path)
            except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
                _log.warning("%s: not an endpoint, set aside as .broken: %s", path, error)
                try:
                    path.rename(path.with_suffix(".broken"))
                except OSError as refusal:  # Read-only: the next start says the same.
                    _log.warning("%s: cannot be set aside: %s", path, refusal)
        for pattern in _DRAFTS:
            for draft in self._directory.glob(pattern):
                _discard(draft)

    def _read(self, path: Path) -> Endpoint:
        endpoint = _decode(path.read_bytes())
        if path != self._path(endpoint.id):  # Nobody would ever remove or replace it.
            raise ValueError(f"it is of endpoint {endpoint.id}")
        return endpoint

    def _path(self, endpoint_id: int) -> Path:
        return self._directory / f"{endpoint_id}.json"


def _discard(draft: Path) -> None:
    """Remove a draft; one that stays is overwritten by the next."""
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
