"""The endpoints of this node: the latest value of each, found by number, pod, address, interface.

The CNI service, the reconcilers and `dbg endpoint list` all read this table. No I/O: a caller that
changes an endpoint also saves it; listeners get the value before and after.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from ciliate.net.address import IPAddress, to_octets
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.endpoint import ENDPOINT_ID_MAX, ENDPOINT_ID_MIN, Endpoint
from ciliate.node.errors import EndpointIdsExhaustedError
from ciliate.reconcile.listeners import Listeners

#: As container runtimes name the interface of a pod's own network.
_PRIMARY_IFNAME: Final = "eth0"

#: Called with an endpoint before and after: None before is new, None after is gone.
EndpointListener = Callable[[Endpoint | None, Endpoint | None], object]


class EndpointTable:
    """Endpoints by number, and indexes of them."""

    def __init__(self) -> None:
        self._by_id: dict[int, Endpoint] = {}
        self._by_attachment: dict[tuple[str, str], int] = {}
        self._by_ifindex: OwnerIndex[int, int] = OwnerIndex()
        self._by_address: OwnerIndex[bytes, int] = OwnerIndex()
        self._by_pod: dict[tuple[str, str], set[int]] = {}
        #: Numbers of endpoints that are being made, and the addresses they will have.
        self._promised: dict[int, tuple[IPAddress, ...]] = {}
        self._listeners: Listeners[Endpoint | None, Endpoint | None] = Listeners()

    def listen(self, listener: EndpointListener) -> None:
        """Call `listener` after every change; it must only record and wake."""
        self._listeners.add(listener)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def attaching(self) -> int:
        """How many endpoints are being made: they may hold addresses and are not in the table."""
        return len(self._promised)

    def get(self, endpoint_id: int | None) -> Endpoint | None:
        """Return the endpoint of that number, or None."""
        return self._by_id.get(endpoint_id) if endpoint_id is not None else None

    def find(self, container_id: str, ifname: str) -> Endpoint | None:
        """Return the endpoint of that attachment, or None."""
        return self.get(self._by_attachment.get((container_id, ifname)))

    def at(self, address: bytes) -> Endpoint | None:
        """Return the connected endpoint that has an address (16 octets), or None."""
        return self._connected(self._by_address.get(address))

    def behind(self, ifindex: int) -> Endpoint | None:
        """Return the connected endpoint behind an interface of the node, or None."""
        return self._connected(self._by_ifindex.get(ifindex))

    def of_pod(self, key: tuple[str, str]) -> Endpoint | None:
        """Return the endpoint that stands for a pod: the primary one of its latest sandbox.

        A new sandbox may overlap the old one. In a sandbox it is the interface that runtimes make
        first and name so; where that is another plugin's, the first of ours.
        """
        sandboxes: dict[str, list[Endpoint]] = {}
        for number in self._by_pod.get(key, ()):
            endpoint = self._by_id[number]
            sandboxes.setdefault(endpoint.container_id, []).append(endpoint)
        primaries = (min(each, key=_rank) for each in sandboxes.values())
        return max(primaries, key=lambda each: (each.created, each.id), default=None)

    def pods(self) -> Iterator[tuple[str, str]]:
        """Return the namespace and name of every pod that has an endpoint."""
        return iter(self._by_pod)

    def _connected(self, endpoint_id: int | None) -> Endpoint | None:
        found = self.get(endpoint_id)
        return found if found is not None and found.is_connected else None

    def promise_id(self) -> int:
        """Return a number that no endpoint has, reserved until `put` or `remove` gets it.

        Random, so that one is not soon used again.

        Raises:
            EndpointIdsExhaustedError: All are taken.
        """
        count = ENDPOINT_ID_MAX - ENDPOINT_ID_MIN + 1
        first = random.randrange(count)
        for step in range(count):
            candidate = ENDPOINT_ID_MIN + (first + step) % count
            if candidate not in self._by_id and candidate not in self._promised:
                self._promised[candidate] = ()
                return candidate
        raise EndpointIdsExhaustedError(f"all {count} endpoint numbers of this node are in use")

    def promise_addresses(self, endpoint_id: int, addresses: Iterable[IPAddress]) -> None:
        """Reserve addresses for the endpoint of a promised number, as long as that is reserved."""
        self._promised[endpoint_id] = tuple(addresses)

    def owner_of(self, address: IPAddress) -> str | None:
        """Return in words which endpoint has `address`, or will have it; None when none does."""
        endpoint = self.get(self._by_address.get(to_octets(address)))
        if endpoint is not None:
            return f"endpoint {endpoint.id} of pod {endpoint.owner}"
        for endpoint_id, addresses in self._promised.items():
            if address in addresses:
                return f"endpoint {endpoint_id}, which is being made"
        return None

    def put(self, endpoint: Endpoint) -> None:
        """Add an endpoint or replace its former value."""
        self._promised.pop(endpoint.id, None)
        before = self._by_id.get(endpoint.id)
        self._by_id[endpoint.id] = endpoint
        if before is None or _places(before) != _places(endpoint):
            if before is not None:
                self._drop(before)
            self._enter(endpoint)
        self._listeners(before, endpoint)

    def remove(self, endpoint_id: int) -> Endpoint | None:
        """Take an endpoint out; None when it was not there."""
        self._promised.pop(endpoint_id, None)
        endpoint = self._by_id.pop(endpoint_id, None)
        if endpoint is not None:
            self._drop(endpoint)
            self._listeners(endpoint, None)
        return endpoint

    def _enter(self, endpoint: Endpoint) -> None:
        self._by_attachment[endpoint.attachment] = endpoint.id
        self._by_ifindex.add(endpoint.ifindex, endpoint.id)
        for octets in endpoint.octets:
            self._by_address.add(octets, endpoint.id)
        self._by_pod.setdefault(endpoint.pod_key, set()).add(endpoint.id)

    def _drop(self, endpoint: Endpoint) -> None:
        if self._by_attachment.get(endpoint.attachment) == endpoint.id:
            del self._by_attachment[endpoint.attachment]
        self._by_ifindex.remove(endpoint.ifindex, endpoint.id)
        for octets in endpoint.octets:
            self._by_address.remove(octets, endpoint.id)
        of_pod = self._by_pod[endpoint.pod_key]
        of_pod.discard(endpoint.id)
        if not of_pod:
            del self._by_pod[endpoint.pod_key]


def _rank(endpoint: Endpoint) -> tuple[bool, datetime, int]:
    """Return by what the attachments of a sandbox are ordered, the primary one first."""
    return endpoint.interface.pod_name != _PRIMARY_IFNAME, endpoint.created, endpoint.id


def _places(endpoint: Endpoint) -> tuple[object, ...]:
    """Return what the indexes find an endpoint by."""
    return endpoint.attachment, endpoint.ifindex, endpoint.addresses, endpoint.pod_key
