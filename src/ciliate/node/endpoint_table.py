"""The endpoints of this node: the latest value of each, found by number and by attachment.

The one place that the CNI service, the reconcilers and `dbg endpoint list` look at. No I/O; who
changes it saves the endpoint and wakes whoever listens.
"""

import random
from collections.abc import Callable, Iterable, Iterator

from ciliate.net.address import IPAddress
from ciliate.node.endpoint import ENDPOINT_ID_MAX, ENDPOINT_ID_MIN, Endpoint
from ciliate.node.errors import EndpointIdsExhaustedError


class EndpointTable:
    """Endpoints by number and by (container ID, interface name)."""

    def __init__(self) -> None:
        self._by_id: dict[int, Endpoint] = {}
        self._by_attachment: dict[tuple[str, str], int] = {}
        #: Numbers of endpoints that are being made, and the addresses they will have.
        self._promised: dict[int, tuple[IPAddress, ...]] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every change; it must only record and wake."""
        self._listeners.append(changed)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def attaching(self) -> int:
        """How many endpoints are being made: they may hold addresses and are not in the table."""
        return len(self._promised)

    def get(self, endpoint_id: int) -> Endpoint | None:
        """Return the endpoint of that number, or None."""
        return self._by_id.get(endpoint_id)

    def find(self, container_id: str, ifname: str) -> Endpoint | None:
        """Return the endpoint of that attachment, or None."""
        endpoint_id = self._by_attachment.get((container_id, ifname))
        return None if endpoint_id is None else self._by_id[endpoint_id]

    def promise_id(self) -> int:
        """Return a number no endpoint has, kept until `put` or `remove` is told of it.

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
        """Remember what the endpoint of a promised number will have, as long as that is kept."""
        self._promised[endpoint_id] = tuple(addresses)

    def bearer(self, address: IPAddress) -> str | None:
        """Return in words which endpoint has `address`, or will have it; None when none does."""
        for endpoint in self._by_id.values():
            if address in endpoint.addresses:
                return f"endpoint {endpoint.id} of pod {endpoint.owner}"
        for endpoint_id, addresses in self._promised.items():
            if address in addresses:
                return f"endpoint {endpoint_id}, which is being made"
        return None

    def put(self, endpoint: Endpoint) -> None:
        """Add an endpoint or replace its former value."""
        self._promised.pop(endpoint.id, None)
        self._by_id[endpoint.id] = endpoint
        self._by_attachment[endpoint.container_id, endpoint.ifname] = endpoint.id
        self._changed()

    def remove(self, endpoint_id: int) -> Endpoint | None:
        """Take an endpoint out; None when it was not there."""
        self._promised.pop(endpoint_id, None)
        endpoint = self._by_id.pop(endpoint_id, None)
        if endpoint is not None:
            self._by_attachment.pop((endpoint.container_id, endpoint.ifname), None)
            self._changed()
        return endpoint

    def newest_by_pod(self) -> dict[tuple[str, str], Endpoint]:
        """Return the latest endpoint of every pod: a new sandbox may overlap the old one."""
        newest: dict[tuple[str, str], Endpoint] = {}
        for endpoint in self._by_id.values():
            known = newest.get(endpoint.pod_key)
            if known is None or known.created < endpoint.created:
                newest[endpoint.pod_key] = endpoint
        return newest

    def _changed(self) -> None:
        for changed in self._listeners:
            changed()
