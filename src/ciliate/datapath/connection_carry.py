"""The connections of tables that are replaced, for tables of another size. Pure.

The old tables change while they are read: programs use them until others are attached. So only what
agrees is carried: an element that is live, and entries that name it in the state it was read in.
Which connections were opened or ended in between is lost, and found again packet by packet.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ciliate.datapath.layout import (
    Connection,
    ConnectionOwner,
    ConnectionOwnerNumber,
    ConnectionPhase,
    ConnectionRef,
    Tuple,
)


def carried_connections(
    elements: Iterable[tuple[int, Connection]], capacity: int
) -> dict[int, Connection]:
    """Return the live elements that a table with room for `capacity` has a place for."""
    live = ConnectionPhase.CONNECTION_LIVE
    return {
        place: element
        for place, element in elements
        if place < capacity and element.state & ConnectionPhase.CONNECTION_PHASES == live
    }


def carried_entries(
    entries: Iterable[tuple[Tuple, ConnectionRef]], connections: Mapping[int, Connection]
) -> Iterator[tuple[Tuple, ConnectionRef]]:
    """Yield the entries that lead to one of `connections`."""
    for key, ref in entries:
        element = connections.get(ref.place)
        if element is not None and element.state == ref.state:
            yield key, ref


def counted_owners(
    connections: Iterable[Connection], before: Mapping[int, ConnectionOwner]
) -> dict[int, ConnectionOwner]:
    """Return what each owner has of `connections`; what was counted `before` goes on."""
    held = Counter(element.owner for element in connections)
    nobody = ConnectionOwner(held=0, holders=0, evicted=0, refused=0)
    owners = {
        number: before.get(number, nobody)._replace(held=held[number])
        for number in {*held, *(n for n, owner in before.items() if owner != nobody)}
    }
    owners[ConnectionOwnerNumber.OWNER_ALL] = nobody._replace(held=held.total(), holders=len(held))
    return owners
