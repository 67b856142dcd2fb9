"""What the elements of the table of connections say. Pure."""

from typing import Final

from ciliate.datapath.codec import OctetTest
from ciliate.datapath.layout import (
    Connection,
    ConnectionFlag,
    ConnectionPhase,
    Tuple,
    TupleDirection,
)

_PHASES: Final = ConnectionPhase.CONNECTION_PHASES

#: The elements of `connections` that hold one, for reading no others: most of a table are free, and a
#: large one has millions.
LIVE: Final = OctetTest.of_lowest(
    Connection, "state", lambda octet: octet & _PHASES == ConnectionPhase.CONNECTION_LIVE
)


def is_translated(connection: Connection) -> bool:
    """Whether the remote sees another address or port than the local end has."""
    return (connection.seen, connection.seen_port) != (connection.local, connection.local_port)


def tuple_out(connection: Connection) -> Tuple:
    """Return the key in `conntrack` of what the local end sends, to whom it asked for."""
    serves = bool(connection.flags & ConnectionFlag.CONNECTION_SERVICE)
    return Tuple(
        connection.local,
        connection.asked if serves else connection.remote,
        connection.local_port,
        connection.asked_port if serves else connection.remote_port,
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
