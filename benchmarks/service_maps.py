"""The maps of Services as a node's kernel has them, read through its agent's view of the files."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from benchmarks.agent_process import ProcessId, agents_of
from benchmarks.cluster import Cluster, Node
from benchmarks.service_objects import ServedService

from ciliate.datapath.bpf_map import OpenMap, open_pinned
from ciliate.datapath.errors import DatapathError
from ciliate.datapath.layout import Backend, Frontend, FrontendKey, ServiceSlotKey
from ciliate.errors import CiliateError
from ciliate.net.address import to_octets
from ciliate.net.protocol import TCP
from ciliate.services.maps import FRONTENDS, SERVICE_SLOTS

#: Longest wait for maps to fill, in seconds, and between polls.
_FILL_TIMEOUT_S: Final = 120.0
_POLL_EVERY_S: Final = 0.01


class MapsIncompleteError(CiliateError):
    """An agent's maps do not show what the cluster has."""

    def __init__(self, *, frontends: int, wanted: int) -> None:
        super().__init__(f"{frontends} of {wanted} frontends after {_FILL_TIMEOUT_S:g} s")


class NotServedError(CiliateError):
    """A node's maps do not have a Service."""

    def __init__(self, service: ServedService, node: Node) -> None:
        super().__init__(f"{node.name} does not serve {service.name} after {_FILL_TIMEOUT_S:g} s")


@dataclass(frozen=True, slots=True)
class ServiceMaps:
    """Frontends and slots, for reading."""

    frontends: OpenMap[FrontendKey, Frontend]
    slots: OpenMap[ServiceSlotKey, Backend]

    def set_of(self, address: str, port: int) -> int | None:
        """Return the number of the set of backends that a frontend leads to."""
        octets = to_octets(IPv4Address(address))
        key = FrontendKey(octets, port, TCP, scope=0)
        found = self.frontends.get(key)
        return None if found is None else found.service

    def serve(self, service: ServedService) -> bool:
        """Whether a Service can be asked and has all its endpoints."""
        number = self.set_of(service.address, service.port)
        if number is None:
            return False
        count = len(service.endpoints)
        return all(self.slots.get(ServiceSlotKey(number, at + 1)) for at in range(count))

    def are(self, service: int, endpoints: Sequence[tuple[str, int]]) -> bool:
        """Whether a set's slots have these endpoints and no others."""
        found = {self._slot(service, at + 1) for at in range(len(endpoints) + 1)}
        wanted = {(to_octets(IPv4Address(address)), port) for address, port in endpoints}
        return found == {*wanted, None}

    def _slot(self, service: int, slot: int) -> tuple[bytes, int] | None:
        backend = self.slots.get(ServiceSlotKey(service, slot))
        return backend and (backend.address, backend.port)


@contextmanager
def open_service_maps(process: ProcessId) -> Iterator[ServiceMaps]:
    """Open the maps that the agent `process` keeps, once it has pinned them.

    Raises:
        DatapathError: It has not in time, or they are of another layout.
    """
    root = Path(f"/proc/{process}/root/sys/fs/bpf")
    deadline = time.monotonic() + _FILL_TIMEOUT_S
    while True:
        try:
            frontends = open_pinned(root, FRONTENDS)
            break
        except DatapathError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_EVERY_S)
    with closing(frontends), closing(open_pinned(root, SERVICE_SLOTS)) as slots:
        yield ServiceMaps(frontends, slots)


def await_frontends(maps: ServiceMaps, wanted: int) -> None:
    """Wait until there are `wanted` frontends: they are written last.

    Raises:
        MapsIncompleteError: There are not in time.
    """
    deadline = time.monotonic() + _FILL_TIMEOUT_S
    while (known := maps.frontends.count()) < wanted:
        if time.monotonic() > deadline:
            raise MapsIncompleteError(frontends=known, wanted=wanted)
        time.sleep(_POLL_EVERY_S)


def await_everywhere(lab: Cluster, service: ServedService) -> None:
    """Wait until every node of a lab serves a Service with all its endpoints.

    Raises:
        NotServedError: One does not in time.
    """
    deadline = time.monotonic() + _FILL_TIMEOUT_S
    for node in lab.nodes:
        with open_service_maps(min(agents_of(node))) as maps:
            while not maps.serve(service):
                if time.monotonic() > deadline:
                    raise NotServedError(service, node)
                time.sleep(_POLL_EVERY_S)
