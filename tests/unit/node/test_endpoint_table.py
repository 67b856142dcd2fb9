"""`node/endpoint_table.py`: the latest value of each endpoint, found in many ways."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import to_octets
from ciliate.node.endpoint import ENDPOINT_ID_MAX, ENDPOINT_ID_MIN, Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.errors import EndpointIdsExhaustedError

POD = ("default", "curl-pod")


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def sandbox(number: int, *, made_at_s: int = 0) -> Endpoint:
    """Return one of several endpoints of one pod; made that much after the first."""
    made = endpoint(number, ifindex=100 + number, pod=POD[1])
    return replace(made, created=made.created + timedelta(seconds=made_at_s))


@pytest.fixture
def table() -> EndpointTable:
    return EndpointTable()


def test_endpoint_is_found_by_number_attachment_address_interface_and_pod(
    table: EndpointTable,
) -> None:
    addresses = (ip_address("fd00::7"), ip_address("10.244.0.7"))
    made = endpoint(7, ifindex=17, addresses=addresses)

    table.put(made)

    assert table.get(7) == made
    assert table.find("c7", "eth0") == made
    assert table.at(octets("fd00::7")) == table.at(octets("10.244.0.7")) == made
    assert table.behind(17) == made
    assert table.of_pod(("default", "pod-7")) == made
    assert list(table.pods()) == [("default", "pod-7")]
    assert (len(table), list(table)) == (1, [made])


def test_first_interface_of_the_latest_sandbox_stands_for_the_pod(table: EndpointTable) -> None:
    def of_web(number: int, container: str, ifname: str, year: int) -> Endpoint:
        made = endpoint(number, ifindex=number, pod="web", container_id=container, pod_name=ifname)
        return replace(made, created=made.created.replace(year=year))

    web = ("default", "web")
    for number, container, ifname, year, primary in (
        (1, "old", "net1", 2020, 1),  # eth0 is another plugin's, or comes later.
        (2, "old", "net2", 2021, 1),
        (3, "old", "eth0", 2022, 3),
        (4, "old", "net3", 2023, 3),
        (5, "new", "net1", 2024, 5),
        (6, "new", "eth0", 2025, 6),
    ):
        table.put(of_web(number, container, ifname, year))
        found = table.of_pod(web)
        assert found is not None
        assert found.id == primary

    table.remove(6)
    table.remove(5)
    found = table.of_pod(web)
    assert found is not None
    assert found.id == 3


def test_removed_endpoint_is_found_no_more(table: EndpointTable) -> None:
    made = endpoint(7, ifindex=17)
    table.put(made)

    assert table.remove(7) == made

    assert table.remove(7) is None
    assert table.get(7) is None
    assert table.find("c7", "eth0") is None
    assert table.at(octets("10.244.0.7")) is None
    assert table.behind(17) is None
    assert table.of_pod(("default", "pod-7")) is None
    assert list(table.pods()) == []
    assert len(table) == 0


def test_table_has_the_latest_value_of_an_endpoint(table: EndpointTable) -> None:
    table.put(endpoint(7, identity=5))

    table.put(endpoint(7, identity=8066))

    assert [each.identity for each in table] == [8066]
    found = table.at(octets("10.244.0.7"))
    assert found is not None
    assert found.identity == 8066


def test_endpoint_that_moves_is_found_where_it_is_now_alone(table: EndpointTable) -> None:
    table.put(endpoint(7, ifindex=17))

    table.put(endpoint(7, ifindex=18, addresses=(ip_address("10.244.0.8"),)))

    assert table.behind(17) is None
    assert table.at(octets("10.244.0.7")) is None
    assert table.behind(18) == table.at(octets("10.244.0.8")) == table.get(7)


def test_endpoint_on_its_way_out_has_no_packets_but_is_known(table: EndpointTable) -> None:
    leaving = endpoint(7, ifindex=17, state=EndpointState.DISCONNECTING)

    table.put(leaving)

    assert table.at(octets("10.244.0.7")) is None
    assert table.behind(17) is None
    assert table.find("c7", "eth0") == table.of_pod(leaving.pod_key) == leaving


def test_listeners_are_called_with_the_value_before_and_after_in_order(
    table: EndpointTable,
) -> None:
    calls: list[tuple[str, Endpoint | None, Endpoint | None]] = []
    table.listen(lambda old, new: calls.append(("first", old, new)))
    table.listen(lambda old, new: calls.append(("second", old, new)))
    new, changed = endpoint(7), endpoint(7, identity=8066)

    table.put(new)
    table.put(changed)
    table.remove(7)
    table.remove(7)

    changes = [(None, new), (new, changed), (changed, None)]
    assert calls == [(who, *change) for change in changes for who in ("first", "second")]


def test_listener_finds_the_table_as_it_is_after_the_change(table: EndpointTable) -> None:
    sizes: list[int] = []
    table.listen(lambda _old, _new: sizes.append(len(table)))

    table.put(endpoint(7))
    table.remove(7)

    assert sizes == [1, 0]


def test_newest_sandbox_speaks_for_the_pod_whichever_came_first(table: EndpointTable) -> None:
    """A restarted agent loads them in order of number."""
    table.put(sandbox(2, made_at_s=5))
    table.put(sandbox(1))

    assert table.of_pod(POD) == sandbox(2, made_at_s=5)
    table.remove(2)
    assert table.of_pod(POD) == sandbox(1)


@given(
    ages=st.permutations(range(4)),
    removals=st.permutations(range(1, 5)),
)
def test_newest_of_the_sandboxes_that_are_left_speaks_for_the_pod(
    ages: list[int], removals: list[int]
) -> None:
    table = EndpointTable()
    alive = {number: sandbox(number, made_at_s=age) for number, age in enumerate(ages, start=1)}
    for each in alive.values():
        table.put(each)

    for number in removals:
        assert table.of_pod(POD) == max(alive.values(), key=lambda each: each.created)
        table.remove(number)
        del alive[number]
    assert table.of_pod(POD) is None


def test_of_two_endpoints_with_one_address_the_one_that_came_last_has_it(
    table: EndpointTable,
) -> None:
    shared = (ip_address("10.244.0.7"),)
    table.put(endpoint(1, ifindex=11, addresses=shared))
    table.put(endpoint(2, ifindex=12, addresses=shared))

    table.put(endpoint(1, ifindex=11, addresses=shared, identity=8066))
    found = table.at(octets("10.244.0.7"))
    assert found is not None
    assert found.id == 2, "a change of something else is no new claim"

    table.remove(2)
    found = table.at(octets("10.244.0.7"))
    assert found is not None
    assert found.id == 1


def test_attachment_that_is_made_anew_is_found_by_its_new_endpoint(table: EndpointTable) -> None:
    table.put(endpoint(1, ifindex=11))
    again = endpoint(2, ifindex=12, container_id="c1")
    table.put(again)

    table.remove(1)

    assert table.find("c1", "eth0") == again


def test_owner_of_an_address_is_described_in_words(table: EndpointTable) -> None:
    table.put(endpoint(7, restored=True, state=EndpointState.DISCONNECTING))
    number = table.promise_id()
    table.promise_addresses(number, [ip_address("10.244.0.9")])

    words = "endpoint 7 of pod default/pod-7 [restored]"
    assert table.owner_of(ip_address("10.244.0.7")) == words
    assert table.owner_of(ip_address("10.244.0.9")) == f"endpoint {number}, which is being made"
    assert table.owner_of(ip_address("10.244.0.8")) is None


def test_promised_number_and_addresses_are_kept_until_the_endpoint_is_put(
    table: EndpointTable,
) -> None:
    numbers = [table.promise_id(), table.promise_id()]
    for number, address in zip(numbers, ("10.244.0.8", "10.244.0.9"), strict=True):
        table.promise_addresses(number, [ip_address(address)])
    assert table.attaching == 2

    table.put(endpoint(8, id=numbers[0]))
    table.remove(numbers[1])

    assert table.attaching == 0
    assert table.owner_of(ip_address("10.244.0.9")) is None
    assert f"endpoint {numbers[0]} of pod" in (table.owner_of(ip_address("10.244.0.8")) or "")


def test_every_number_is_promised_once_and_then_there_is_none(table: EndpointTable) -> None:
    count = ENDPOINT_ID_MAX - ENDPOINT_ID_MIN + 1
    taken = range(ENDPOINT_ID_MIN, ENDPOINT_ID_MAX - 1)
    table._by_id.update(dict.fromkeys(taken, endpoint(1)))  # 65,533 puts are slow.

    promised = {table.promise_id(), table.promise_id()}

    assert promised == {ENDPOINT_ID_MAX - 1, ENDPOINT_ID_MAX}
    with pytest.raises(EndpointIdsExhaustedError, match=f"all {count} endpoint numbers"):
        table.promise_id()


def test_table_may_change_while_somebody_goes_through_it(table: EndpointTable) -> None:
    for number in range(1, 4):
        table.put(endpoint(number, ifindex=number))

    for each in table:
        table.remove(each.id)

    assert len(table) == 0
