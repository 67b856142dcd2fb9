"""The agent's memory of its endpoints: one file each, so that a restarted agent knows its pods.

A file appears when the pod's interface is complete and goes when its removal is done; it is
replaced atomically, so a killed agent leaves the old text or the new one. An interface without a
file belongs to an ADD that was never answered. The directory is root's alone.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import Mac, ip_address
from ciliate.node.endpoint import Endpoint
from ciliate.node.errors import EndpointStateError

_log = logging.getLogger(__name__)


class _Record(msgspec.Struct, kw_only=True, omit_defaults=True, rename="kebab"):
    id: int
    container_id: str
    ifname: str
    netns: str
    namespace: str
    pod: str
    pod_uid: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    host_name: str
    host_mac: str
    pod_mac: str
    ifindex: int
    mtu: int
    route_mtu: int
    created: datetime
    identity: int
    labels: tuple[str, ...]
    state: str
    external_ipam: bool = False  # Files of earlier versions lack it, and the following.
    chained: bool = False
    network: str = ""


_SAME_FIELDS = tuple(
    name
    for name in _Record.__struct_fields__
    if name not in {"addresses", "gateways", "host_mac", "pod_mac", "state"}
)


def _encode(endpoint: Endpoint) -> bytes:
    record = _Record(
        **{name: getattr(endpoint, name) for name in _SAME_FIELDS},
        addresses=tuple(map(str, endpoint.addresses)),
        gateways=tuple(map(str, endpoint.gateways)),
        host_mac=endpoint.host_mac,
        pod_mac=endpoint.pod_mac,
        state=str(endpoint.state),
    )
    return msgspec.json.encode(record)


def _decode(text: bytes) -> Endpoint:
    record = msgspec.json.decode(text, type=_Record)
    return Endpoint(
        **{name: getattr(record, name) for name in _SAME_FIELDS},
        addresses=tuple(map(ip_address, record.addresses)),
        gateways=tuple(map(ip_address, record.gateways)),
        host_mac=Mac(record.host_mac),
        pod_mac=Mac(record.pod_mac),
        state=EndpointState(record.state),
        restored=True,
    )


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
        draft = path.with_suffix(".tmp")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(_encode(endpoint))
            os.replace(draft, path)
        except OSError as error:
            _discard(draft)
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
        """Yield every endpoint of a previous life; a file that cannot be read is set aside."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield _decode(path.read_bytes())
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                _log.warning("%s: not an endpoint, set aside as .broken: %s", path, error)
                try:
                    path.rename(path.with_suffix(".broken"))
                except OSError as refusal:  # Read-only: the next start says the same.
                    _log.warning("%s: cannot be set aside: %s", path, refusal)
        for draft in self._directory.glob("*.tmp"):
            _discard(draft)

    def _path(self, endpoint_id: int) -> Path:
        return self._directory / f"{endpoint_id}.json"


def _discard(draft: Path) -> None:
    """Remove a draft; one that stays is overwritten by the next."""
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
