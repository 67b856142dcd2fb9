"""`masquerade/ports/owners.py`: whose an account is, also when a number comes again."""

import pytest
from tests.unit.node.endpoint_samples import endpoint

from ciliate.datapath.layout import ConnectionOwner, ConnectionOwnerNumber
from ciliate.masquerade.ports.book import NODE, OUTSIDE, Account, OwnerName
from ciliate.masquerade.ports.owners import Owners
from ciliate.node.endpoint_table import EndpointTable


@pytest.fixture
def table() -> EndpointTable:
    return EndpointTable()


def name(table: EndpointTable, number: int) -> OwnerName:
    found = table.get(number)
    assert found is not None
    return OwnerName(found.namespace, found.pod)


def test_accounts_are_of_pods_the_node_and_outsiders_the_largest_first(
    table: EndpointTable,
) -> None:
    owners = Owners(table)
    table.put(endpoint(161))
    table.put(endpoint(162, ifindex=13))
    accounts = {
        161: ConnectionOwner(3, 0, 1, 2),
        ConnectionOwnerNumber.OWNER_NODE: ConnectionOwner(9, 0, 0, 0),
        ConnectionOwnerNumber.OWNER_OUTSIDE: ConnectionOwner(0, 0, 0, 5),
        ConnectionOwnerNumber.OWNER_ALL: ConnectionOwner(12, 2, 0, 0),
    }

    assert owners.read(accounts.get) == [
        Account(NODE, 9, 0, 0),
        Account(name(table, 161), 3, 1, 2),
        Account(OUTSIDE, 0, 0, 5),
    ]


def test_what_was_counted_under_a_number_before_is_not_the_next_pods(
    table: EndpointTable,
) -> None:
    owners = Owners(table)
    table.put(endpoint(161))
    accounts = {161: ConnectionOwner(0, 0, 4, 7)}
    table.remove(161)
    assert owners.read(accounts.get) == []

    table.put(endpoint(161))
    accounts[161] = ConnectionOwner(1, 0, 5, 9)

    assert owners.read(accounts.get) == [Account(name(table, 161), 1, 1, 2)]


def test_a_number_that_no_endpoint_has_is_named_as_such(table: EndpointTable) -> None:
    assert str(Owners(table).name(77)) == "endpoint 77"
