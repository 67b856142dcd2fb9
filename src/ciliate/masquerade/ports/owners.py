"""What each pod has of the table of connections, and what it lost there, by `connection_owners`.

The map is keyed by endpoints' numbers. They are drawn by chance out of 65,535, so a number may come
again: what was counted under it before is taken off.
"""

from collections.abc import Callable

from ciliate.datapath.layout import ConnectionOwner, ConnectionOwnerNumber
from ciliate.masquerade.ports.book import NODE, OUTSIDE, Account, OwnerName
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable


class Owners:
    """The accounts of the pods of this node, of the node itself and of outsiders."""

    def __init__(self, endpoints: EndpointTable) -> None:
        self._endpoints = endpoints
        self._left: set[int] = set()
        self._before: dict[int, ConnectionOwner] = {}
        endpoints.listen(self._changed)

    def _changed(self, before: Endpoint | None, after: Endpoint | None) -> None:
        if before is not None and after is None:
            self._left.add(before.id)

    def name(self, number: int) -> OwnerName:
        """Return whose connections those of an owner's number are."""
        if number == ConnectionOwnerNumber.OWNER_NODE:
            return NODE
        if number == ConnectionOwnerNumber.OWNER_OUTSIDE:
            return OUTSIDE
        endpoint = self._endpoints.get(number)
        if endpoint is None:
            return OwnerName("", f"endpoint {number}")
        return OwnerName(endpoint.namespace, endpoint.pod)

    def read(self, account_of: Callable[[int], ConnectionOwner | None]) -> list[Account]:
        """Return every account that is not empty, the largest first; `account_of` asks the map."""
        while self._left:
            number = self._left.pop()
            found = account_of(number)
            if found is not None and (found.evicted or found.refused):
                self._before[number] = found
        numbers = [
            *(endpoint.id for endpoint in self._endpoints),
            ConnectionOwnerNumber.OWNER_NODE,
            ConnectionOwnerNumber.OWNER_OUTSIDE,
        ]
        read = [self._account(number, account_of(number)) for number in numbers]
        return sorted(
            (each for each in read if each.connections or each.evicted or each.refused),
            key=lambda each: (-each.connections, each.owner),
        )

    def _account(self, number: int, found: ConnectionOwner | None) -> Account:
        name = self.name(number)
        if found is None:
            return Account(name, 0, 0, 0)
        before = self._before.get(number)
        evicted, refused = (before.evicted, before.refused) if before is not None else (0, 0)
        return Account(name, found.held, found.evicted - evicted, found.refused - refused)
