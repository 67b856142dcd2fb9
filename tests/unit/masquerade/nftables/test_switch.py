"""`masquerade/nftables/switch.py`: when the former back end has no flow of a pod any more."""

from ipaddress import ip_address

import pytest

from ciliate.datapath.layout import Connection, ConnectionOwnerNumber
from ciliate.masquerade.nftables.switch import knows_flows
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
