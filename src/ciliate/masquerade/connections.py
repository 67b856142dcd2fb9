"""What the elements of the table of connections say. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from ciliate.datapath.layout import Connection, ConnectionPhase, Tuple, TupleDirection

_PHASES: Final = ConnectionPhase.CONNECTION_PHASES


def live(elements: Iterable[tuple[int, Connection]]) -> Iterator[Connection]:
    """Yield the elements of `connections` that hold one."""
    return (
        element
        for _, element in elements
        if element.state & _PHASES == ConnectionPhase.CONNECTION_LIVE
    )


def is_translated(connection: Connection) -> bool:
    """Whether the remote sees another address or port than the local end has."""
    return (connection.seen, connection.seen_port) != (connection.local, connection.local_port)


def tuple_out(connection: Connection) -> Tuple:
    """Return the key in `conntrack` of what the local end sends."""
    return Tuple(
        connection.local,
        connection.remote,
        connection.local_port,
        connection.remote_port,
        connection.protocol,
        TupleDirection.TUPLE_OUT,
    )


def tuple_in(connection: Connection) -> Tuple:
    """Return the key in `conntrack` of what the remote sends."""
    return Tuple(
        connection.remote,
        connection.seen,
        connection.remote_port,
        connection.seen_port,
        connection.protocol,
        TupleDirection.TUPLE_IN,
    )
