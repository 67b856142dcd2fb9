"""`cli/doctor/first_round.py`: whom the first round probes."""

import pytest

from ciliate.api.core import Node, NodeAddress, NodeStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.cli.doctor.first_round import (
    NodeUnknownError,
    Question,
    choose_pairs,
    count_pairs,
    draw_others,
    find_places,
    without_address,
)


def node(name: str, *addresses: str, kind: str = "InternalIP") -> Node:
    listed = tuple(NodeAddress(type=kind, address=each) for each in addresses)
    return Node(metadata=ObjectMeta(name=name), status=NodeStatus(addresses=listed))


NODES = [
    node("a", "10.0.0.1", "fd00::1"),
    node("b", "10.0.0.2", "10.0.1.2"),
    node("c", "10.0.0.3", "fd00::3"),
]
MANY = [node(f"n{number:02}", f"10.0.0.{number + 1}") for number in range(50)]


def test_first_internal_address_of_each_family_counts() -> None:
    places = find_places([*NODES, node("d", "192.0.2.1", kind="ExternalIP")])

    assert {name: sorted(map(str, p.addresses.values())) for name, p in places.items()} == {
        "a": ["10.0.0.1", "fd00::1"],
        "b": ["10.0.0.2"],
        "c": ["10.0.0.3", "fd00::3"],
        "d": [],
    }
    assert list(without_address(places)) == ["d"]
    assert count_pairs(places) == 4


def test_each_family_has_a_plan_of_its_own() -> None:
    pairs = choose_pairs(Question(), find_places(NODES))

    assert pairs == {4: {("a", "b"), ("a", "c"), ("b", "c")}, 6: {("a", "c")}}


def test_one_node_is_probed_with_all_and_several_among_themselves() -> None:
    places = find_places(NODES)

    assert choose_pairs(Question(("b",)), places) == {4: {("a", "b"), ("b", "c")}, 6: frozenset()}
    assert choose_pairs(Question(("b", "c")), places) == {4: {("b", "c")}, 6: frozenset()}


def test_unknown_node_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NodeUnknownError, match=r"no node 'd'.*there are a, b, c"):
        choose_pairs(Question(("a", "d")), find_places(NODES))


def test_of_many_nodes_not_every_pair_is_probed_unless_it_is_asked_for() -> None:
    places = find_places(MANY)

    assert 100 <= len(choose_pairs(Question(), places)[4]) <= 150
    assert len(choose_pairs(Question(all_pairs=True), places)[4]) == 1225
    assert len(draw_others(Question(), places)) == 50
    assert draw_others(Question(all_pairs=True), places) == []
