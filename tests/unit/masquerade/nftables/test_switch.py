"""`masquerade/nftables/switch.py`: when the former back end has no flow of a pod any more."""

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from ciliate.datapath.layout import Connection, ConnectionOwnerNumber
from ciliate.masquerade.nftables.switch import Takeover, knows_flows
from ciliate.net.address import to_octets

POD, NODE, REMOTE = (
    to_octets(ip_address(a)) for a in ("10.244.0.7", "192.168.10.100", "203.0.113.10")
)
NOW_NS = 1_000


def connection(
    local: bytes, *, owner: int, expires_ns: int = NOW_NS + 1, seen: bytes = NODE
) -> Connection:
    """A connection that the world sees as the node's, unless told otherwise."""
    blank = Connection.unpack(bytes(Connection.SIZE))
    return blank._replace(
        local=local, remote=REMOTE, seen=seen, owner=owner, expires_ns=expires_ns
    )


@pytest.mark.parametrize(
    ("known", "is_known"),
    [
        (connection(POD, owner=7), True),
        (connection(POD, owner=7, expires_ns=NOW_NS), False),
        (connection(POD, owner=7, seen=POD), False),
        (connection(NODE, owner=ConnectionOwnerNumber.OWNER_NODE, seen=POD), False),
    ],
    ids=["a pod's", "one that is over", "one from outside", "the node's own"],
)
def test_live_translated_connections_of_pods_count(known: Connection, *, is_known: bool) -> None:
    assert knows_flows([known], now_ns=NOW_NS) is is_known


def test_table_without_connections_has_none() -> None:
    assert not knows_flows([], now_ns=NOW_NS)


class Connections:
    """The map of connections, of which each listing is another."""

    def __init__(self, *listings: Iterable[Connection]) -> None:
        self._listings = iter(listings)

    def items(self, test: object = None) -> Iterable[tuple[int, Connection]]:
        del test  # Whether one is live says the listing.
        return enumerate(next(self._listings))


async def test_takeover_is_over_with_the_look_that_finds_no_flow() -> None:
    """It waited for the next look before, which may be minutes off where the table is large."""
    ended = asyncio.Event()
    takeover = Takeover(ended.set)
    takeover.is_due = True
    takeover.watch(Connections([]))  # type: ignore[arg-type]

    async with asyncio.timeout(1.0):
        await takeover.run()

    assert ended.is_set()
    assert not takeover.is_due
